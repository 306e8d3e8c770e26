/* Plans of every generation, made by hand, whole, damaged and hostile. */
#include "base/file.h"
#include "base/json.h"
#include "base/macros.h"
#include "plan/plan.h"
#include "plan/plan_json.h"
#include "tn_test.h"

#include "make_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct made made;
static struct tn_plan plan;

static void parse_size(int64_t size)
{
    size_t tail = made.size < TN_PLAN_TAIL_BYTES ? made.size : TN_PLAN_TAIL_BYTES;
    size_t head = made.size < TN_PLAN_HEAD_BYTES ? made.size : TN_PLAN_HEAD_BYTES;

    tn_plan_parse(made.data, head, made.data + made.size - tail, tail, size, &plan);
}

static void parse(void)
{
    parse_size((int64_t)made.size);
}

static const struct made_kind *kind_of(unsigned major, unsigned minor)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++)
        if (made_kinds[i].version[0] == major && made_kinds[i].version[1] == minor)
            return &made_kinds[i];
    fail_msg("no generation %u.%u", major, minor);
    return NULL;
}

static struct made_facts facts_of(unsigned major, unsigned minor)
{
    return made_facts_of(kind_of(major, minor));
}

/* The made bytes as an open file. */
static int as_file(void)
{
    int fd = memfd_create("plan", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(tn_file_write_all(fd, made.data, made.size, NULL), TN_OK);
    return fd;
}

static void check_gpu(const struct made_facts *f)
{
    assert_int_equal(plan.gpu.cc_major, f->cc_major);
    assert_int_equal(plan.gpu.cc_minor, f->cc_minor);
    assert_int_equal(plan.gpu.core_khz, f->core);
    assert_int_equal(plan.gpu.memory_khz, f->memory_clock);
    assert_int_equal(plan.gpu.bus_bits, f->bus);
    assert_int_equal(plan.gpu.l2_bytes, f->l2);
    assert_int_equal(plan.gpu.sm_count, f->sms);
    if (strchr(f->kind->items, 'T'))
        assert_int_equal(plan.gpu.memory_bytes, f->memory);
    else
        assert_int_equal(plan.gpu.memory_bytes, TN_UNKNOWN);
    assert_int_equal(plan.gpu.integrated, f->integrated);
}

TEST(plan__every_generation_is_read)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++) {
        const struct made_kind *kind = &made_kinds[i];
        struct made_facts f = made_facts_of(kind);
        bool rtx = kind->envelope == MADE_RTX;

        make_plan(&made, &f);
        parse();
        assert_int_equal(plan.kind, TN_FILE_ENGINE);
        assert_int_equal(plan.flavor, rtx ? TN_FLAVOR_RTX : TN_FLAVOR_TENSORRT);
        assert_string_equal(plan.layout, kind->layout);
        assert_string_equal(plan.device_block, kind->block);
        assert_int_equal(plan.complete, 1);
        assert_int_equal(plan.expected_size, made.size);
        assert_int_equal(plan.serialization_number, kind->serialization);
        assert_int_equal(plan.version.parts, 4);
        for (int part = 0; part < 4; part++)
            assert_int_equal(plan.version.part[part], kind->version[part]);
        assert_int_equal(plan.has_gpu, !rtx);
        if (!rtx)
            check_gpu(&f);
        if (kind->after == AFTER_BATCH || kind->after == AFTER_WEIGHTS_BATCH)
            assert_int_equal(plan.max_batch, 7);
        if (kind->after != AFTER_BATCH)
            assert_int_equal(plan.weight_bytes, f.weights);
    }
}

TEST(plan__a_missing_or_an_added_byte_shows_in_every_generation)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++) {
        struct made_facts f = made_facts_of(&made_kinds[i]);

        make_plan(&made, &f);
        parse_size((int64_t)made.size - 1);
        assert_int_equal(plan.complete, 0);
        parse_size((int64_t)made.size + 1);
        assert_int_equal(plan.complete, 0);
    }
}

/* A download that was preallocated has the right size and zeros at its end. */
TEST(plan__an_end_of_zeros_is_not_whole_where_an_end_marker_exists)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++) {
        const struct made_kind *kind = &made_kinds[i];
        struct made_facts f = made_facts_of(kind);
        bool marked = kind->envelope == MADE_RTX || kind->version[0] > 8 ||
                      (kind->version[0] == 8 && kind->version[1] >= 4);

        make_plan(&made, &f);
        memset(made.data + made.size - 8, 0, 8);
        parse();
        assert_int_equal(plan.complete, !marked);
    }
}

TEST(plan__flags_of_10_6_are_read)
{
    for (unsigned bits = 0; bits < 48; bits++) {
        static const uint32_t refits[] = { 0, 1, 2 };
        struct made_facts f = facts_of(10, bits & 8 ? 9 : 6);

        f.stripped = bits & 1;
        f.streaming = bits >> 1 & 1;
        f.level = bits >> 2 & 1;
        f.refit = refits[bits / 16];
        make_plan(&made, &f);
        parse();
        assert_int_equal(plan.stripped, f.stripped);
        assert_int_equal(plan.weight_streaming, f.streaming);
        assert_int_equal(plan.hw_compat, f.level);
        assert_int_equal(plan.refit, f.refit);
        assert_int_equal(plan.lean_runtime_inside, 0);
        assert_int_equal(plan.version_compatible, TN_UNKNOWN);
    }
}

TEST(plan__flags_that_a_release_could_not_have_are_no_and_others_unknown)
{
    struct made_facts f = facts_of(8, 5);

    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.hw_compat, TN_HW_COMPAT_NONE);
    assert_int_equal(plan.lean_runtime_inside, 0);
    assert_int_equal(plan.stripped, 0);
    assert_int_equal(plan.refit, TN_REFIT_UNKNOWN);
    f = facts_of(10, 3);
    f.level = 1;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.hw_compat, TN_HW_COMPAT_AMPERE_PLUS);
    assert_int_equal(plan.stripped, TN_UNKNOWN);
    assert_int_equal(plan.weight_streaming, TN_UNKNOWN);
    assert_null(tn_refit_name(plan.refit));
    f.level = 77; /* a level that nobody knows is not "none" */
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.hw_compat, TN_HW_COMPAT_UNKNOWN);
}

TEST(plan__rtx_mask_means_121_from_1_5_on_and_later_gpus_before)
{
    struct made_facts f = facts_of(1, 4);

    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.ccs.count, 4);
    assert_int_equal(plan.ccs.cc[3], 120);
    assert_true(plan.ccs.later);
    f = facts_of(1, 7);
    f.mask = 0x21;
    f.refit = 4;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.ccs.count, 2);
    assert_int_equal(plan.ccs.cc[0], 75);
    assert_int_equal(plan.ccs.cc[1], 121);
    assert_false(plan.ccs.later);
    assert_int_equal(plan.refit, TN_REFIT_INDIVIDUAL);
    assert_int_equal(plan.cuda_driver, 13000);
    assert_int_equal(plan.cuda_runtime, 13020);
    assert_int_equal(plan.hw_compat, TN_HW_COMPAT_UNKNOWN);
}

TEST(plan__version_comes_from_the_payload_and_the_outer_one_stands_beside)
{
    struct made_facts f = facts_of(10, 6);

    make_plan(&made, &f);
    made.data[0x19] = 15;
    parse();
    assert_int_equal(plan.version.part[1], 6);
    assert_int_equal(plan.version_outer.part[1], 15);
}

TEST(plan__an_unknown_platform_is_its_own_text)
{
    struct made_facts f = facts_of(10, 6);

    f.platform = "w\x01rt";
    make_plan(&made, &f);
    parse();
    assert_string_equal(plan.platform, "w?rt");
    f = facts_of(8, 6);
    make_plan(&made, &f);
    parse();
    assert_string_equal(plan.platform, "");
}

TEST(plan__integrated_of_10_9_is_believed_only_where_the_platform_agrees)
{
    struct made_facts f = facts_of(10, 9);

    f.integrated = true;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.gpu.integrated, TN_UNKNOWN);
    f.platform = "utrt";
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.gpu.integrated, 1);
    assert_string_equal(plan.platform, "linux-aarch64-tegra");
}

TEST(plan__an_impossible_compute_capability_is_no_gpu)
{
    struct made_facts f = facts_of(8, 4);

    f.cc_major = 8;
    f.cc_minor = 4;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.version.parts, 4);
    assert_false(plan.has_gpu);
    assert_int_equal(plan.gpu.sm_count, TN_UNKNOWN);
}

/* The next release may add an item: version, size and sections hold, the GPU is unknown. */
TEST(plan__an_unknown_device_block_is_unknown_and_not_damage)
{
    struct made_kind later = *kind_of(10, 9);
    struct made_facts f;

    later.items = D109_ITEMS "7.8.";
    later.version[0] = 12;
    f = made_facts_of(&later);
    f.refit = 2;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.kind, TN_FILE_ENGINE);
    assert_int_equal(plan.version.part[0], 12);
    assert_int_equal(plan.complete, 1);
    assert_false(plan.has_gpu);
    assert_int_equal(plan.section_count, 2);
    assert_int_equal(plan.refit, TN_REFIT_IDENTICAL); /* the walk goes on behind it */
}

TEST(plan__an_unknown_header_version_is_an_engine_of_which_nothing_more_is_known)
{
    struct made_facts f = facts_of(10, 6);

    make_plan(&made, &f);
    made.data[4] = 1;
    parse();
    assert_int_equal(plan.kind, TN_FILE_ENGINE);
    assert_int_equal(plan.complete, TN_UNKNOWN);
    assert_int_equal(plan.version.parts, 0);
}

/* Eight more bytes in the archive header: the stream is found all the same. */
TEST(plan__a_longer_archive_header_is_searched_for_the_stream)
{
    struct made_facts f = facts_of(10, 6);
    size_t at = 0x64;

    make_plan(&made, &f);
    memmove(made.data + at + 8, made.data + at, made.size - at);
    made_put(&made, at, 0, 8);
    made.size += 8;
    made_put(&made, 0x10, made.size, 8);
    parse();
    assert_int_equal(plan.kind, TN_FILE_ENGINE);
    assert_int_equal(plan.version.part[1], 6);
    assert_int_equal(plan.gpu.sm_count, 76);
    assert_string_equal(plan.layout, "");
    assert_true(plan.complete != 0);
}

TEST(plan__timing_caches_are_told_from_engines)
{
    struct made_facts f = facts_of(8, 5);

    make_plan(&made, &f);
    made_put(&made, 0x18, 0x8018, 2);
    parse();
    assert_int_equal(plan.kind, TN_FILE_TIMING_CACHE);
    assert_int_equal(plan.serialization_number, 232);
    assert_int_equal(plan.complete, 1);
    assert_int_equal(plan.version.parts, 0);
    made.size = 0; /* 10.6 on: the short header, no safe version */
    made_bytes(&made, "ptrt", 4);
    made_le(&made, 239, 4);
    made_le(&made, 40, 8);
    made_le(&made, 0, 4);
    made_le(&made, 0x8018, 2);
    made_le(&made, 1, 2);
    made_zeros(&made, 36);
    parse();
    assert_int_equal(plan.kind, TN_FILE_TIMING_CACHE);
    assert_int_equal(plan.serialization_number, 239);
    assert_int_equal(plan.complete, 1);
}

/* Metadata in front, as Ultralytics writes it: short, and longer than the head that is read. */
static void wrap(size_t json_bytes)
{
    struct made inner = made;

    made.size = 0;
    made_le(&made, json_bytes, 4);
    made_bytes(&made, "{\"a\": \"", 7);
    while (made.size < 4 + json_bytes - 2)
        made_bytes(&made, "x", 1);
    made_bytes(&made, "\"}", 2);
    made_bytes(&made, inner.data, inner.size);
}

TEST(plan__wrapped_plans_are_read_behind_their_metadata)
{
    static const size_t lengths[] = { 300, 4000, 4090, 4096, 7000 };

    for (size_t i = 0; i < TN_COUNT(lengths); i++) {
        struct made_facts f = facts_of(10, 6);
        tn_auto(tn_fd_done) int fd = -1;

        make_plan(&made, &f);
        wrap(lengths[i]);
        fd = as_file();
        assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
        assert_int_equal(plan.kind, TN_FILE_ENGINE);
        assert_string_equal(plan.wrapper, "ultralytics");
        assert_int_equal(plan.wrapper_bytes, lengths[i] + 4);
        assert_int_equal(plan.complete, 1);
        assert_int_equal(plan.version.part[1], 6);
        assert_int_equal(plan.section[0].offset, (int64_t)lengths[i] + 4 + 0x50);
    }
}

TEST(plan__json_alone_is_no_wrapper)
{
    made.size = 0;
    made_le(&made, 20, 4);
    made_bytes(&made, "{\"a\": \"b\"} and more text of no kind", 36);
    parse();
    assert_int_equal(plan.kind, TN_FILE_UNKNOWN);
    assert_string_equal(plan.wrapper, "");
}

TEST(plan__a_lean_runtime_inside_is_seen_and_the_archive_behind_it_read)
{
    struct made_facts f = facts_of(10, 6);
    tn_auto(tn_fd_done) int fd = -1;

    f.lean = true;
    f.lean_bytes = 6000;
    make_plan(&made, &f);
    parse();
    assert_int_equal(plan.lean_runtime_inside, 1);
    assert_int_equal(plan.version.parts, 0);
    fd = as_file();
    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(plan.lean_runtime_inside, 1);
    assert_int_equal(plan.version_compatible, 1);
    assert_int_equal(plan.version.part[0], 10);
    assert_int_equal(plan.gpu.sm_count, 76);
    assert_int_equal(plan.section_count, 3);
    assert_string_equal(plan.section[0].tag, "LEAN");
    assert_int_equal(plan.complete, 1);
}

static void verify(enum tn_integrity wanted)
{
    tn_auto(tn_fd_done) int fd = as_file();
    struct tn_digest digest;
    struct tn_digest same;

    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(tn_plan_verify(fd, &plan, &digest, NULL), TN_OK);
    assert_int_equal(plan.integrity, wanted);
    assert_int_equal(tn_digest_of(made.data, made.size, &same, NULL), TN_OK);
    assert_true(tn_digest_equal(&digest, &same));
}

TEST(verify__crc_of_6_to_8_0_is_checked_and_the_digest_is_that_of_the_file)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++) {
        struct made_facts f = made_facts_of(&made_kinds[i]);
        bool checked = made_kinds[i].envelope <= MADE_80;

        make_plan(&made, &f);
        verify(checked ? TN_INTEGRITY_CRC_OK : TN_INTEGRITY_UNKNOWN);
        made.data[made.size - 20] ^= 1;
        verify(checked ? TN_INTEGRITY_CRC_BAD : TN_INTEGRITY_UNKNOWN);
    }
}

TEST(verify__a_file_that_changed_meanwhile_is_an_error)
{
    struct made_facts f = facts_of(7, 1);
    tn_auto(tn_fd_done) int fd = -1;
    struct tn_digest digest;
    struct tn_error err;

    make_plan(&made, &f);
    fd = as_file();
    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(ftruncate(fd, (off_t)made.size - 1), 0);
    assert_int_equal(tn_plan_verify(fd, &plan, &digest, &err), TN_E_IO);
}

static enum tn_file_kind kind_of_text(const void *data, size_t size)
{
    made.size = 0;
    made_bytes(&made, data, size);
    parse();
    return plan.kind;
}

TEST(plan__what_is_mistaken_for_plans_is_named)
{
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    static const char terraform[] = "PK\x03\x04tfplan";

    assert_int_equal(kind_of_text("", 0), TN_FILE_EMPTY);
    assert_int_equal(kind_of_text(lfs, sizeof(lfs) - 1), TN_FILE_GIT_LFS_POINTER);
    assert_int_equal(kind_of_text(terraform, sizeof(terraform) - 1), TN_FILE_UNKNOWN);
    assert_int_equal(kind_of_text("# Heading\n", 10), TN_FILE_UNKNOWN);
    assert_int_equal(kind_of_text("\x08\x08\x12\x07pytorch\x1a\x03", 13), TN_FILE_ONNX);
    assert_int_equal(kind_of_text("\x08\x0a\x3a\x90\x01\x0a\x10", 7), TN_FILE_ONNX);
    assert_int_equal(kind_of_text("\x08\x08\x12\xff\xff\x7fpy", 8), TN_FILE_UNKNOWN);
    assert_int_equal(kind_of_text("\x08\x00\x12\x02py", 6), TN_FILE_UNKNOWN);
    assert_int_equal(kind_of_text("\x08\x08\x99\x01", 4), TN_FILE_UNKNOWN);
}

/* TensorRT 5: u64 size, then a flatbuffer whose tables lie as a small writer puts them. */
static void make_flatbuffer(void)
{
    static const uint16_t version_table[] = { 12, 20, 4, 0, 8, 12 };
    static const uint16_t device_table[] = { 26, 56, 4, 8, 12, 16, 20, 24, 32, 40, 28, 0, 48 };
    static const uint16_t root_table[] = { 10, 12, 0, 4, 8 };
    size_t root = 32;
    size_t version = 64;
    size_t device = 120;

    memset(made.data, 0, sizeof(made.data));
    made.size = 256;
    made_put(&made, 0, made.size, 8);
    made_put(&made, 8, root - 8, 4);
    for (size_t i = 0; i < TN_COUNT(root_table); i++)
        made_put(&made, root - 12 + 2 * i, root_table[i], 2);
    made_put(&made, root, 12, 4);
    made_put(&made, root + 4, version - root - 4, 4);
    made_put(&made, root + 8, device - root - 8, 4);
    for (size_t i = 0; i < TN_COUNT(version_table); i++)
        made_put(&made, version - 12 + 2 * i, version_table[i], 2);
    made_put(&made, version, 12, 4);
    made_put(&made, version + 4, 5, 4);
    made_put(&made, version + 8, 6, 4);
    made_put(&made, version + 12, 3, 4);
    for (size_t i = 0; i < TN_COUNT(device_table); i++)
        made_put(&made, device - 28 + 2 * i, device_table[i], 2);
    made_put(&made, device, 28, 4);
    made_put(&made, device + 4, 200 - device - 4, 4); /* name */
    made_put(&made, 200, 6, 4);
    memcpy(made.data + 204, "Tegra9", 6);
    made_put(&made, device + 8, 6, 4);
    made_put(&made, device + 12, 2, 4);
    made_put(&made, device + 16, 1020000, 4);
    made_put(&made, device + 20, 1300000, 4);
    made_put(&made, device + 24, 128, 4);
    made_put(&made, device + 28, 2, 4); /* SMs */
    made_put(&made, device + 32, UINT64_C(8233566208), 8);
    made_put(&made, device + 40, 524288, 8);
    made_put(&made, device + 48, 1, 1);
}

TEST(plan__flatbuffer_of_tensorrt_5_is_read)
{
    make_flatbuffer();
    parse();
    assert_int_equal(plan.kind, TN_FILE_ENGINE);
    assert_string_equal(plan.layout, "E5");
    assert_int_equal(plan.version.part[0], 5);
    assert_int_equal(plan.version.part[1], 0);
    assert_int_equal(plan.version.part[2], 6);
    assert_int_equal(plan.version.part[3], 3);
    assert_string_equal(plan.gpu.name, "Tegra9");
    assert_int_equal(plan.gpu.cc_major, 6);
    assert_int_equal(plan.gpu.sm_count, 2);
    assert_int_equal(plan.gpu.memory_bytes, INT64_C(8233566208));
    assert_int_equal(plan.gpu.integrated, 1);
    assert_int_equal(plan.complete, 1);
    parse_size(255);
    assert_int_equal(plan.complete, 0);
}

static void make_with_tensors(uint64_t claimed, const char *text)
{
    struct made_facts f = facts_of(1, 7);
    struct made more = { .size = 0 };

    made_item(&more, f.kind, 0x08, claimed);
    made_tensor(&more, f.kind, "y", 1);
    made_tensor(&more, f.kind, "images", 0);
    made_bytes(&more, text, strlen(text));
    f.more = &more;
    make_plan(&made, &f);
}

TEST(tensors__of_an_rtx_plan_are_listed_inputs_first)
{
    tn_auto(tn_plan_io_done) struct tn_plan_io io = { .found = false };
    tn_auto(tn_fd_done) int fd = -1;

    make_with_tensors(2, "");
    fd = as_file();
    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(plan.complete, 1);
    assert_int_equal(tn_plan_read_io(fd, &plan, &io, NULL), TN_OK);
    assert_true(io.found);
    assert_int_equal(io.count, 2);
    assert_string_equal(io.io[0].name, "images");
    assert_false(io.io[0].output);
    assert_int_equal(io.io[0].dtype, TN_DTYPE_HALF);
    assert_int_equal(io.io[0].dims.count, 2);
    assert_int_equal(io.io[0].dims.dim[0], -1);
    assert_int_equal(io.io[0].dims.dim[1], 640);
    assert_string_equal(io.io[1].name, "y");
    assert_true(io.io[1].output);
}

TEST(tensors__fewer_than_claimed_are_not_found)
{
    tn_auto(tn_plan_io_done) struct tn_plan_io io = { .found = false };
    tn_auto(tn_fd_done) int fd = -1;

    make_with_tensors(3, "");
    fd = as_file();
    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(tn_plan_read_io(fd, &plan, &io, NULL), TN_OK);
    assert_false(io.found);
    assert_null(io.io);
}

static void check_precision(const char *text, const char *wanted)
{
    tn_auto(tn_fd_done) int fd = -1;
    char precision[64];

    make_with_tensors(2, text);
    fd = as_file();
    assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
    assert_int_equal(tn_plan_weight_precision(fd, &plan, precision, NULL), TN_OK);
    assert_string_equal(precision, wanted);
}

TEST(precision__counts_weights_and_neither_scalars_nor_scratch)
{
    check_precision("", "");
    check_precision("\n tensor={ dims={ 9 } is_scratchspace=1 type=int8 }\n", "");
    check_precision("\n tensor={ const_payload_size=512 dims={ 9 } type=half }\n"
                    " tensor={ const_payload_size=4 dims={ 1 } type=float }\n",
                    "half");
    check_precision("\n tensor={ const_payload_size=512 dims={ 9 } type=float }\n"
                    " tensor={ const_payload_size=64 dims={ 1 } type=int8 }\n",
                    "int8,float");
    check_precision("\n tensor={ const_payload_size=512 dims={ 9 } type=float", "");
}

/* Numbers that a file may claim anywhere. */
static const uint64_t claims[] = { 0,
                                   1,
                                   7,
                                   0x7fffffff,
                                   0xffffffff,
                                   UINT64_C(1) << 32,
                                   UINT64_C(1) << 60,
                                   (UINT64_C(1) << 60) + 1,
                                   INT64_MAX,
                                   UINT64_C(1) << 63,
                                   UINT64_MAX - 7,
                                   UINT64_MAX };

static void check_bounds(void)
{
    assert_in_range(plan.section_count, 0, TN_PLAN_SECTIONS_MAX);
    assert_true(plan.complete >= -1 && plan.complete <= 1);
    assert_true(plan.expected_size >= -1 && plan.weight_bytes >= -1);
    for (int i = 0; i < plan.section_count; i++)
        assert_true(plan.section[i].offset >= 0 && plan.section[i].length >= 0);
}

/* Every aligned and unaligned place of the header in turn claims each of the numbers; the answer
 * goes on to the readers that trust offsets and lengths. */
TEST(hostile__no_claimed_number_is_followed)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++) {
        struct made_facts f = made_facts_of(&made_kinds[i]);
        struct made sound;

        f.stripped = i % 2;
        make_plan(&made, &f);
        sound = made;
        for (size_t at = 0; at + 8 <= made.size && at < 400; at++)
            for (size_t n = 0; n < TN_COUNT(claims); n++) {
                made_put(&made, at, claims[n], 8);
                parse();
                check_bounds();
                memcpy(made.data + at, sound.data + at, 8);
            }
    }
}

TEST(hostile__files_that_claim_too_much_are_read_without_harm)
{
    for (size_t i = 0; i < TN_COUNT(made_kinds); i++)
        for (size_t at = 4; at < 0x70; at += 4)
            for (size_t n = 3; n < TN_COUNT(claims); n += 3) {
                struct made_facts f = made_facts_of(&made_kinds[i]);
                tn_auto(tn_fd_done) int fd = -1;
                tn_auto(tn_plan_io_done) struct tn_plan_io io = { .found = false };
                struct tn_digest digest;
                char precision[64];

                make_plan(&made, &f);
                made_put(&made, at, claims[n], 8);
                fd = as_file();
                assert_int_equal(tn_plan_read(fd, (int64_t)made.size, &plan, NULL), TN_OK);
                check_bounds();
                (void)tn_plan_verify(fd, &plan, &digest, NULL);
                (void)tn_plan_read_io(fd, &plan, &io, NULL);
                (void)tn_plan_weight_precision(fd, &plan, precision, NULL);
            }
}

TEST(hostile__overlapping_sections_are_not_whole)
{
    struct made_facts f = facts_of(10, 6);

    make_plan(&made, &f);
    made_put(&made, 0x40, 0x50, 8); /* WGHT where ENGN is */
    parse();
    assert_int_equal(plan.kind, TN_FILE_ENGINE);
    assert_true(plan.complete != 1);
    make_plan(&made, &f);
    made_put(&made, 0x48, made.size, 8); /* WGHT longer than the file */
    parse();
    assert_int_equal(plan.complete, 0);
}

TEST(plan__json_has_every_field_of_the_contract_and_null_for_the_unknown)
{
    static const char *const keys[] = { "size",
                                        "kind",
                                        "flavor",
                                        "version",
                                        "platform",
                                        "complete",
                                        "integrity",
                                        "wrapper",
                                        "gpu",
                                        "compute_capabilities",
                                        "serialization_number",
                                        "sections",
                                        "flags",
                                        "io" };
    tn_auto(tn_json_done) json_t *json = NULL;

    make_flatbuffer();
    parse();
    json = tn_plan_to_json(&plan, NULL);
    for (size_t i = 0; i < TN_COUNT(keys); i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_true(json_is_null(json_object_get(json, "serialization_number")));
    assert_true(json_is_null(json_object_get(json, "io")));
    assert_string_equal(tn_json_str(json, "version", ""), "5.0.6.3");
    assert_null(json_object_get(json, "version_outer"));
    assert_string_equal(tn_json_str(json_object_get(json, "gpu"), "compute_capability", ""), "6.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan__every_generation_is_read),
        cmocka_unit_test(plan__a_missing_or_an_added_byte_shows_in_every_generation),
        cmocka_unit_test(plan__an_end_of_zeros_is_not_whole_where_an_end_marker_exists),
        cmocka_unit_test(plan__flags_of_10_6_are_read),
        cmocka_unit_test(plan__flags_that_a_release_could_not_have_are_no_and_others_unknown),
        cmocka_unit_test(plan__rtx_mask_means_121_from_1_5_on_and_later_gpus_before),
        cmocka_unit_test(plan__version_comes_from_the_payload_and_the_outer_one_stands_beside),
        cmocka_unit_test(plan__an_unknown_platform_is_its_own_text),
        cmocka_unit_test(plan__integrated_of_10_9_is_believed_only_where_the_platform_agrees),
        cmocka_unit_test(plan__an_impossible_compute_capability_is_no_gpu),
        cmocka_unit_test(plan__an_unknown_device_block_is_unknown_and_not_damage),
        cmocka_unit_test(
            plan__an_unknown_header_version_is_an_engine_of_which_nothing_more_is_known),
        cmocka_unit_test(plan__a_longer_archive_header_is_searched_for_the_stream),
        cmocka_unit_test(plan__timing_caches_are_told_from_engines),
        cmocka_unit_test(plan__wrapped_plans_are_read_behind_their_metadata),
        cmocka_unit_test(plan__json_alone_is_no_wrapper),
        cmocka_unit_test(plan__a_lean_runtime_inside_is_seen_and_the_archive_behind_it_read),
        cmocka_unit_test(verify__crc_of_6_to_8_0_is_checked_and_the_digest_is_that_of_the_file),
        cmocka_unit_test(verify__a_file_that_changed_meanwhile_is_an_error),
        cmocka_unit_test(plan__what_is_mistaken_for_plans_is_named),
        cmocka_unit_test(plan__flatbuffer_of_tensorrt_5_is_read),
        cmocka_unit_test(tensors__of_an_rtx_plan_are_listed_inputs_first),
        cmocka_unit_test(tensors__fewer_than_claimed_are_not_found),
        cmocka_unit_test(precision__counts_weights_and_neither_scalars_nor_scratch),
        cmocka_unit_test(hostile__no_claimed_number_is_followed),
        cmocka_unit_test(hostile__files_that_claim_too_much_are_read_without_harm),
        cmocka_unit_test(hostile__overlapping_sections_are_not_whole),
        cmocka_unit_test(plan__json_has_every_field_of_the_contract_and_null_for_the_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
