/* Heads of real plans decode to what the index says of them. */
#include "base/file.h"
#include "base/macros.h"
#include "plan/plan.h"
#include "tn_test.h"

#include "corpus.h"

static struct tn_plan plan;
static const char *current; /* for messages */

static void parse(const struct corpus_row *row, int64_t size)
{
    tn_plan_parse(row->head, row->head_bytes, row->tail_bytes ? row->tail : NULL, row->tail_bytes,
                  size, &plan);
}

static void same(const char *what, int64_t is, int64_t wanted)
{
    if (is != wanted)
        fail_msg("%s: %s is %lld, the index says %lld", current, what, (long long)is,
                 (long long)wanted);
}

static void same_text(const char *what, const char *is, const char *wanted)
{
    if (strcmp(is, wanted) != 0)
        fail_msg("%s: %s is '%s', the index says '%s'", current, what, is, wanted);
}

/* "key=value" in "key=value; key=value; …" */
static bool observed(const struct corpus_row *row, const char *key, char *ret_value, size_t size)
{
    size_t length = strlen(key);

    for (const char *at = row->column[9]; at; at = strstr(at, "; ")) {
        at += strncmp(at, "; ", 2) == 0 ? 2 : 0;
        if (strncmp(at, key, length) == 0 && at[length] == '=') {
            (void)snprintf(ret_value, size, "%.*s", (int)strcspn(at + length + 1, ";"),
                           at + length + 1);
            return true;
        }
    }
    return false;
}

static void check_number(const struct corpus_row *row, const char *key, int64_t is)
{
    char value[64];

    if (observed(row, key, value, sizeof(value)))
        same(key, is, strtoll(value, NULL, 10));
}

static void check_version(const char *wanted)
{
    char is[TN_VERSION_TEXT];

    tn_version_print(&plan.version, is);
    same_text("version", is, wanted);
}

static void check_gpu(const struct corpus_row *row)
{
    char cc[TN_CC_TEXT];
    char value[64];

    if (!observed(row, "cc", value, sizeof(value)))
        return;
    same("has_gpu", plan.has_gpu, true);
    tn_gpu_cc_print(&plan.gpu, cc);
    same_text("cc", cc, value);
    check_number(row, "sms", plan.gpu.sm_count);
    check_number(row, "bus", plan.gpu.bus_bits);
    check_number(row, "clk_khz", plan.gpu.core_khz);
    check_number(row, "mem_khz", plan.gpu.memory_khz);
    check_number(row, "l2", plan.gpu.l2_bytes);
    check_number(row, "totmem", plan.gpu.memory_bytes);
    check_number(row, "integrated", plan.gpu.integrated);
    if (observed(row, "device", value, sizeof(value)))
        same_text("device", plan.gpu.name, value);
}

static void check_platform(const struct corpus_row *row)
{
    char value[64];

    if (!observed(row, "platform", value, sizeof(value)))
        return;
    same_text("platform", plan.platform,
              strcmp(value, "trtr") == 0   ? "linux-x86_64"
              : strcmp(value, "trtu") == 0 ? "linux-aarch64-tegra"
                                           : "");
}

static void check_sections(const struct corpus_row *row)
{
    char value[128];
    char is[128] = "";

    if (!observed(row, "sections", value, sizeof(value)))
        return;
    for (int i = 0; i < plan.section_count; i++)
        (void)snprintf(is + strlen(is), sizeof(is) - strlen(is), "%s%s@%lld+%lld", i ? "," : "",
                       plan.section[i].tag, (long long)plan.section[i].offset,
                       (long long)plan.section[i].length);
    same_text("sections", is, value);
}

/* The batch size of 8.x lies behind the weights: only small plans have it in the head. */
static void check_batch(const struct corpus_row *row)
{
    if (plan.max_batch != TN_UNKNOWN || plan.version.part[0] < 8)
        check_number(row, "maxbatch", plan.max_batch);
}

static int open_row(const struct corpus_row *row)
{
    int fd = -1;

    assert_int_equal(tn_file_open(row->path, &fd, NULL, NULL), TN_OK);
    return fd;
}

/* The whole files: through tn_plan_read(), their digest is that of the index, their CRC right. */
static void check_whole(const struct corpus_row *row, const char *sha256)
{
    tn_auto(tn_fd_done) int fd = open_row(row);
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];

    assert_int_equal(tn_plan_read(fd, (int64_t)row->head_bytes, &plan, NULL), TN_OK);
    same("complete by file", plan.complete, 1);
    assert_int_equal(tn_plan_verify(fd, &plan, &digest, NULL), TN_OK);
    tn_digest_hex(&digest, hex);
    same_text("digest", hex, sha256);
    same("integrity", plan.integrity,
         plan.layout[0] == 'P' && strcmp(plan.layout, "P-82") != 0 ? TN_INTEGRITY_CRC_OK
                                                                   : TN_INTEGRITY_UNKNOWN);
}

static void check_public_row(const struct corpus_row *row)
{
    int64_t size = strtoll(row->column[2], NULL, 10);
    char value[64];

    current = row->column[0];
    parse(row, size);
    if (observed(row, "kind", value, sizeof(value)))
        same_text("kind", tn_file_kind_name(plan.kind), value);
    if (observed(row, "trt", value, sizeof(value)))
        check_version(value);
    check_number(row, "ser", plan.serialization_number);
    check_number(row, "hwc_candidate", plan.hw_compat);
    same("complete", plan.complete, 1);
    same("expected_size", plan.expected_size, size);
    check_gpu(row);
    check_platform(row);
    check_sections(row);
    check_batch(row);
    if (row->whole)
        check_whole(row, row->column[0]);
    parse(row, size - 1);
    same("complete when cut", plan.complete, 0);
    parse(row, size + 1);
    same("complete when appended to", plan.complete, 0);
}

static void public_stem(const struct corpus_row *row, char *ret, size_t size)
{
    (void)snprintf(ret, size, "%.8s-%s", row->column[0], row->column[1]);
}

TEST(public_plans_decode_to_their_rows)
{
    int count = corpus_each("", public_stem, check_public_row);

    if (count < 0)
        skip();
    assert_true(count >= 60);
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void check_measured_flags(const char *flags, bool with_lean)
{
    bool strip = has_word(flags, "strip");

    same("lean_runtime_inside", plan.lean_runtime_inside, with_lean);
    if (plan.flavor == TN_FLAVOR_TENSORRT && plan.version.part[0] < 10) {
        same("hw_compat", plan.hw_compat, has_word(flags, "hw=AMPERE_PLUS"));
        same("refit", plan.refit, TN_REFIT_UNKNOWN); /* behind the weights */
        same("stripped", plan.stripped, 0);
        return;
    }
    same("hw_compat", plan.hw_compat,
         plan.flavor == TN_FLAVOR_RTX ? TN_HW_COMPAT_UNKNOWN : has_word(flags, "hw=AMPERE_PLUS"));
    same("stripped", plan.stripped, strip);
    same("refit", plan.refit,
         strip                      ? TN_REFIT_IDENTICAL
         : has_word(flags, "refit") ? TN_REFIT_ANY
                                    : TN_REFIT_NONE);
    same("weight_streaming", plan.weight_streaming, has_word(flags, "ws"));
}

static void check_h200_gpu(void)
{
    same("cc major", plan.gpu.cc_major, 9);
    same("cc minor", plan.gpu.cc_minor, 0);
    same("sms", plan.gpu.sm_count, 132);
    same("memory", plan.gpu.memory_bytes, INT64_C(150109880320));
    same("l2", plan.gpu.l2_bytes, 62914560);
    same("bus", plan.gpu.bus_bits, 6016);
    same("core", plan.gpu.core_khz, 1980000);
    same("memory clock", plan.gpu.memory_khz, 3201000);
    same("integrated", plan.gpu.integrated, 0);
}

static void check_rtx_mask(const char *asked)
{
    uint64_t mask = strcmp(asked, "default list") == 0 ? (plan.version.part[1] < 5 ? 0x3e : 0x7e)
                    : strcmp(asked, "12.0 only") == 0  ? 0x10
                    : strcmp(asked, "8.0 only") == 0   ? 0x02
                                                       : 0;

    same("has_gpu", plan.has_gpu, false);
    same("mask", (int64_t)plan.ccs.mask, (int64_t)mask);
    same("later", plan.ccs.later, strcmp(asked, "default list") == 0);
}

static void check_h200_row(const struct corpus_row *row)
{
    int64_t size = strtoll(row->column[1], NULL, 10);
    const char *version = row->column[3];
    bool rtx = strncmp(version, "RTX ", 4) == 0;
    bool with_lean = strcmp(row->column[6], "vc") == 0;

    current = row->column[0];
    parse(row, size);
    same("complete", plan.complete, 1);
    if (strstr(current, "timing.cache")) {
        same("kind", plan.kind, TN_FILE_TIMING_CACHE);
        same("serialization number", plan.serialization_number, 239);
        return;
    }
    same("kind", plan.kind, TN_FILE_ENGINE);
    same("flavor", plan.flavor, rtx ? TN_FLAVOR_RTX : TN_FLAVOR_TENSORRT);
    same_text("platform", plan.platform, strncmp(version, "8.6", 3) == 0 ? "" : "linux-x86_64");
    if (with_lean) { /* its archive lies behind the runtime: tn_plan_read() fetches it */
        same("lean_runtime_inside", plan.lean_runtime_inside, 1);
        same("version parts", plan.version.parts, 0);
        same("version_outer", plan.version_outer.part[0], 10);
        return;
    }
    check_version(rtx ? version + 4 : version);
    check_measured_flags(row->column[6], with_lean);
    if (rtx)
        check_rtx_mask(row->column[4]);
    else
        check_h200_gpu();
}

static void file_stem(const char *part, const char *file, char *ret, size_t size)
{
    const char *dot = strrchr(file, '.');

    (void)snprintf(ret, size, "%s/%.*s", part, dot ? (int)(dot - file) : 0, file);
}

static void h200_stem(const struct corpus_row *row, char *ret, size_t size)
{
    file_stem("h200", row->column[0], ret, size);
}

TEST(plans_measured_on_a_gpu_decode_to_their_rows)
{
    int count = corpus_each("h200", h200_stem, check_h200_row);

    if (count < 0)
        skip();
    assert_true(count >= 28);
}

static void check_rtx_sections(const char *wanted)
{
    char is[128];

    (void)snprintf(is, sizeof(is), "ENGN@0x%llx+0x%llx/WGHT@0x%llx+0x%llx",
                   (long long)plan.section[0].offset, (long long)plan.section[0].length,
                   (long long)plan.section[1].offset, (long long)plan.section[1].length);
    same("section count", plan.section_count, 2);
    same_text("sections", is, wanted);
}

/* "8.0,8.6" against the names; a default list names all from 8.0 and means later ones too. */
static void check_rtx_names(const char *asked)
{
    char is[128] = "";

    if (strncmp(asked, "default", 7) == 0) {
        same("later", plan.ccs.later, true);
        same("first", plan.ccs.cc[0], 80);
        same("last", plan.ccs.cc[plan.ccs.count - 1], plan.version.part[1] < 5 ? 120 : 121);
        return;
    }
    for (int i = 0; i < plan.ccs.count; i++)
        (void)snprintf(is + strlen(is), sizeof(is) - strlen(is), "%s%d.%d", i ? "," : "",
                       plan.ccs.cc[i] / 10, plan.ccs.cc[i] % 10);
    same_text("compute capabilities", is, asked);
    same("later", plan.ccs.later, false);
}

/* "in:img:HALF:-1x3x-1x-1;out:feat:HALF:-1x8x-1x-1": is this tensor one of them? */
static bool is_listed(const char *list, const struct tn_io *io)
{
    static const char *const dtypes[] = {
        [TN_DTYPE_FLOAT] = "FLOAT", [TN_DTYPE_HALF] = "HALF",   [TN_DTYPE_BF16] = "BF16",
        [TN_DTYPE_BOOL] = "BOOL",   [TN_DTYPE_INT32] = "INT32", [TN_DTYPE_INT64] = "INT64"
    };
    struct tn_dims dims = { .count = 0 };
    char name[512];
    const char *at;
    size_t length;

    assert_true(io->dtype < TN_COUNT(dtypes) && dtypes[io->dtype]);
    length = (size_t)snprintf(name, sizeof(name), ";%s:%s:%s:", io->output ? "out" : "in", io->name,
                              dtypes[io->dtype]);
    at = strstr(list, name);
    if (!at)
        return false;
    at += length;
    if (strncmp(at, "scalar;", 7) != 0 && !tn_dims_parse(at, strcspn(at, ";"), &dims))
        return false;
    /* an axis that the profile pins is a constant in the plan */
    for (int i = 0; i < dims.count; i++)
        if (dims.dim[i] != io->dims.dim[i] && (dims.dim[i] != -1 || io->dims.dim[i] != 1))
            return false;
    return dims.count == io->dims.count;
}

static void check_rtx_tensors(const struct corpus_row *row)
{
    tn_auto(tn_fd_done) int fd = open_row(row);
    tn_auto(tn_plan_io_done) struct tn_plan_io io = { .found = false };
    char list[1024];
    size_t count = 1;

    (void)snprintf(list, sizeof(list), ";%s;", row->column[9]);
    for (const char *at = row->column[9]; *at; at++)
        count += *at == ';';
    assert_int_equal(tn_plan_read_io(fd, &plan, &io, NULL), TN_OK);
    same("tensors found", io.found, true);
    same("tensors", (int64_t)io.count, (int64_t)count);
    for (size_t i = 0; i < io.count; i++) {
        if (!is_listed(list, &io.io[i]))
            fail_msg("%s: tensor '%s' is not as in '%s'", current, io.io[i].name, list);
        assert_true(i == 0 || !io.io[i - 1].output || io.io[i].output);
    }
}

static void check_rtx_precision(const struct corpus_row *row)
{
    static const char *const known[][2] = {
        { "fp32", "float" }, { "fp16", "half" }, { "bf16", "bf16" }, { "int4", "int4,half" }
    };
    tn_auto(tn_fd_done) int fd = open_row(row);
    char is[64];
    bool matched = false;

    assert_int_equal(tn_plan_weight_precision(fd, &plan, is, NULL), TN_OK);
    for (size_t i = 0; i < TN_COUNT(known); i++)
        if (strncmp(row->column[8], known[i][0], 4) == 0) {
            same_text("weight precision", is, known[i][1]);
            matched = true;
        }
    if (!matched)
        fail_msg("%s: no expectation for precision '%s'", current, row->column[8]);
}

static void check_rtx_row(const struct corpus_row *row)
{
    int64_t size = strtoll(row->column[2], NULL, 10);
    const char *flags = row->column[6];

    current = row->column[0];
    parse(row, size);
    same("kind", plan.kind, TN_FILE_ENGINE);
    same("flavor", plan.flavor, TN_FLAVOR_RTX);
    check_version(row->column[3]);
    same_text("layout", plan.layout, "RTX");
    same_text("platform", plan.platform, "linux-x86_64");
    same("expected size", plan.expected_size, size);
    same("complete", plan.complete, row->head_bytes == (size_t)size ? 1 : TN_UNKNOWN);
    same("has_gpu", plan.has_gpu, false);
    same("mask", (int64_t)plan.ccs.mask, strtoll(row->column[5], NULL, 16));
    check_rtx_names(row->column[4]);
    check_rtx_sections(row->column[11]);
    check_rtx_tensors(row);
    if (row->whole) {
        check_rtx_precision(row);
        check_whole(row, row->column[12]);
    }
    same("stripped", plan.stripped, 0);
    same("refit", plan.refit,
         strcmp(flags, "REFIT_INDIVIDUAL") == 0 ? TN_REFIT_INDIVIDUAL : TN_REFIT_NONE);
    same("weight_streaming", plan.weight_streaming, strcmp(flags, "WEIGHT_STREAMING") == 0);
    same("lean_runtime_inside", plan.lean_runtime_inside, 0);
    same("serialization number", plan.serialization_number,
         plan.version.part[1] < 6    ? 94
         : plan.version.part[1] == 6 ? 98
                                     : 100);
}

static void rtx_stem(const struct corpus_row *row, char *ret, size_t size)
{
    file_stem("rtx", row->column[0], ret, size);
}

TEST(rtx_plans_decode_to_their_rows)
{
    int count = corpus_each("rtx", rtx_stem, check_rtx_row);

    if (count < 0)
        skip();
    assert_true(count >= 90);
}

/* Whatever is cut or flipped, the answer is consistent: enum in range, counts bounded. */
static void check_sane(void)
{
    assert_true(plan.kind <= TN_FILE_EMPTY);
    assert_in_range(plan.section_count, 0, TN_PLAN_SECTIONS_MAX);
    assert_in_range(plan.ccs.count, 0, 6);
    assert_true(plan.complete >= -1 && plan.complete <= 1);
    assert_non_null(memchr(plan.platform, 0, sizeof(plan.platform)));
    for (int i = 0; i < plan.section_count; i++)
        assert_int_equal(strlen(plan.section[i].tag), 4);
}

enum { DAMAGE_BYTES = 600 };

static void damage_row(const struct corpus_row *row)
{
    int64_t size = (int64_t)row->head_bytes;
    unsigned char *exact;

    current = row->column[0];
    for (size_t cut = 0; cut <= DAMAGE_BYTES && cut <= row->head_bytes; cut++) {
        /* an allocation of exactly this size, so that a sanitizer sees a read beyond it */
        exact = malloc(cut ? cut : 1);
        assert_non_null(exact);
        memcpy(exact, row->head, cut);
        tn_plan_parse(exact, cut, NULL, 0, (int64_t)cut, &plan);
        check_sane();
        if (cut >= 4 && plan.kind == TN_FILE_ENGINE)
            same("complete when cut", plan.complete, 0);
        tn_plan_parse(exact, cut, NULL, 0, size, &plan);
        check_sane();
        free(exact);
    }
    for (size_t at = 0; at < DAMAGE_BYTES && at < row->head_bytes; at++)
        for (unsigned mask = 1; mask <= 0xff; mask = mask == 0x80 ? 0xff : mask << 1) {
            row->head[at] ^= (unsigned char)mask;
            parse(row, size);
            check_sane();
            row->head[at] ^= (unsigned char)mask;
        }
}

TEST(every_cut_and_every_flipped_byte_ends_in_an_answer)
{
    int count = corpus_each("", public_stem, damage_row);

    if (count < 0)
        skip();
    assert_true(corpus_each("rtx", rtx_stem, damage_row) > 0);
    assert_true(corpus_each("h200", h200_stem, damage_row) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_plans_decode_to_their_rows),
        cmocka_unit_test(plans_measured_on_a_gpu_decode_to_their_rows),
        cmocka_unit_test(rtx_plans_decode_to_their_rows),
        cmocka_unit_test(every_cut_and_every_flipped_byte_ends_in_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
