/*
 * Every measured load of load-matrix.tsv against the rules: what a real runtime did on one H200 is
 * what tn_compat_check() must say. What is expected comes from the row's own outcome and message.
 */
#include "compat/compat.h"
#include "compat/logclass.h"
#include "corpus.h"

enum column { PLAN, RUNTIME, OPTIONS, RC, SEVERITY, LINE };

static const char *facts(void)
{
    return getenv("TENON_TEST_FACTS");
}

static const char *corpus(void)
{
    return getenv("TENON_TEST_CORPUS");
}

/* Full versions of the runtimes that the table names in short (gpu.md, head). */
static const char *runtime_of(const char *name)
{
    static const char *const row[][2] = {
        { "full8.6", "trt8.6.1.6" },        { "full10.6", "trt10.6.0.26" },
        { "full10.15", "trt10.15.1.29" },   { "full11.2", "trt11.2.1.2" },
        { "lean10.15", "lean10.15.1.29" },  { "lean10.16", "lean10.16.1.11" },
        { "lean11.0", "lean11.0.0.114" },   { "lean11.2", "lean11.2.1.2" },
        { "lean11.4", "lean11.4.0.106" },   { "disp10.15", "dispatch10.15.1.29" },
        { "disp11.2", "dispatch11.2.1.2" }, { "rtx1.4", "rtx1.4.0.76" },
        { "rtx1.7", "rtx1.7.1.116" },
    };

    for (size_t i = 0; i < TN_COUNT(row); i++)
        if (strcmp(row[i][0], name) == 0)
            return row[i][1];
    fail_msg("runtime '%s' has no full version", name);
    return "";
}

/* The reason behind a refusal, from the words of its first line (gpu.md section 4). */
static enum tn_reason_code reason_of_line(const char *plan, const char *line)
{
    static const struct {
        const char *words;
        enum tn_reason_code code;
    } row[] = {
        { "(1953657974 != ", TN_REASON_FLAVOR },
        { "(1953657958 != 1953657974)", TN_REASON_FLAVOR },
        { "Version tag does not match", TN_REASON_TRT_VERSION },
        { "major version does not match", TN_REASON_TRT_VERSION },
        { "weight-separated plan file", TN_REASON_TRT_VERSION },
        { "on a newer plan file", TN_REASON_TRT_VERSION },
        { "expecting library version", TN_REASON_TRT_VERSION },
        /* 11.x around a 10.x lean runtime: the log gives no reason, another major is one */
        { "engine != nullptr", TN_REASON_TRT_VERSION },
        { "HostCodeAllowed() is false", TN_REASON_HOST_CODE },
        { "call to stub", TN_REASON_LEAN_RUNTIME },
        { "incompatible device", TN_REASON_COMPUTE_CAPABILITY },
        { "cannot run on this GPU", TN_REASON_COMPUTE_CAPABILITY },
    };

    for (size_t i = 0; i < TN_COUNT(row); i++)
        if (strstr(line, row[i].words))
            return row[i].code;
    /* the magic alone: what it means depends on what was given */
    assert_non_null(strstr(line, "MAGIC_TAG"));
    if (strstr(plan, "cache"))
        return TN_REASON_NOT_AN_ENGINE;
    return tn_text_starts(plan, "rtx") ? TN_REASON_FLAVOR : TN_REASON_TRT_VERSION;
}

static int64_t full_size(const char *plan)
{
    struct table index;
    char name[128];
    int64_t size = 0;

    (void)snprintf(name, sizeof(name), "%s.plan.", plan);
    table_open(&index, corpus(), "h200/INDEX.tsv");
    while (size == 0 && table_next(&index))
        if (tn_text_starts(index.field[0], name))
            assert_true(tn_text_i64(index.field[1], &size));
    table_done(&index);
    return size;
}

static void plan_of(const char *name, struct tn_plan *ret_plan)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "h200/%s.plan", name);
    if (corpus_plan(corpus(), name, 0, ret_plan) ||
        corpus_plan(corpus(), path, full_size(name), ret_plan))
        return;
    fail_msg("plan '%s' is not in the corpus", name);
}

static struct tn_compat_target target_of(const struct tn_device *device, char *const field[])
{
    struct tn_compat_target target = { .gpu = &device->gpu[0],
                                       .platform = device->platform,
                                       .cuda_driver = 13000,
                                       .gpu_free_bytes = TN_UNKNOWN };
    const char *lean = strstr(field[OPTIONS], "lean=lean.so.");

    assert_int_equal(tn_runtime_id_parse(runtime_of(field[RUNTIME]), &target.runtime, NULL), 0);
    target.allow_host_code = strstr(field[OPTIONS], "host=1") != NULL;
    if (lean)
        assert_int_equal(
            tn_version_parse(lean + strlen("lean=lean.so."), &target.lean_library, NULL), 0);
    return target;
}

static bool has_reason(const struct tn_answer *answer, enum tn_reason_code code)
{
    for (int i = 0; i < answer->reason_count; i++)
        if (answer->reason[i].code == code)
            return true;
    return false;
}

static void expect_row(char *const field[], const struct tn_answer *answer)
{
    char what[256];
    enum tn_reason_code code;

    (void)snprintf(what, sizeof(what), "%s on %s %s", field[PLAN], field[RUNTIME], field[OPTIONS]);
    if (strcmp(field[RC], "0") == 0) {
        if (strstr(field[PLAN], "__strip")) {
            if (answer->verdict != TN_VERDICT_WONT_LOAD ||
                !has_reason(answer, TN_REASON_NEEDS_REFIT))
                fail_msg("%s: loads and returns zeros, the rules say %s", what,
                         tn_verdict_name(answer->verdict));
        } else if (answer->verdict > TN_VERDICT_MAY_LOAD ||
                   (answer->verdict == TN_VERDICT_MAY_LOAD &&
                    tn_text_starts(field[RUNTIME], "full"))) {
            /* of the board, the release and the engine everything is known; RTX 1.4 loads outside
             * its own list, which no rule may promise */
            fail_msg("%s: loads, the rules say %s: %s", what, tn_verdict_name(answer->verdict),
                     answer->reason[0].detail);
        }
        return;
    }
    code = field[LINE][0] ? reason_of_line(field[PLAN], field[LINE]) : TN_REASON_LEAN_RUNTIME;
    if (!has_reason(answer, code))
        fail_msg("%s: refused with %s, the rules say %s with first reason %s", what,
                 tn_reason_name(code), tn_verdict_name(answer->verdict),
                 answer->reason_count ? tn_reason_name(answer->reason[0].code) : "none");
    /* of a lean library by path only the major number is known: there the rules may be unsure */
    if (answer->verdict != TN_VERDICT_WONT_LOAD &&
        !(answer->verdict == TN_VERDICT_MAY_LOAD && strstr(field[OPTIONS], "lean=")))
        fail_msg("%s: refused, the rules say %s", what, tn_verdict_name(answer->verdict));
    /* the first reason is the one that the runtime logs */
    if (field[LINE][0] && !strstr(field[OPTIONS], "lean=") && answer->reason[0].code != code)
        fail_msg("%s: logs %s first, the rules %s", what, tn_reason_name(code),
                 tn_reason_name(answer->reason[0].code));
}

TEST(check__says_of_every_measured_load_what_happened)
{
    struct table matrix;
    struct tn_device device;
    size_t rows = 0, refused = 0, loaded = 0;

    table_open(&matrix, facts(), "load-matrix.tsv");
    if (!corpus())
        skip();
    assert_int_equal(tn_device_named("h200", &device, NULL), 0);
    while (table_next(&matrix)) {
        struct tn_compat_target target = target_of(&device, matrix.field);
        struct tn_plan plan;
        struct tn_answer answer;

        plan_of(matrix.field[PLAN], &plan);
        tn_compat_check(&plan, &target, &answer);
        expect_row(matrix.field, &answer);
        rows++;
        if (strcmp(matrix.field[RC], "0") == 0)
            loaded++;
        else
            refused++;
    }
    table_done(&matrix);
    print_message("%zu rows: %zu loaded, %zu refused\n", rows, loaded, refused);
    assert_true(rows > 350);
    assert_true(loaded > 20 && refused > 300);
}

TEST(classify__gives_every_measured_refusal_its_reason)
{
    struct table matrix;
    size_t lines = 0;

    table_open(&matrix, facts(), "load-matrix.tsv");
    while (table_next(&matrix)) {
        const char *line = matrix.field[LINE];
        const struct tn_log_class *row = tn_log_classify(line);
        const char *wanted;

        if (!line[0])
            continue;
        lines++;
        if (!row)
            fail_msg("no class for: %s", line);
        if (strcmp(matrix.field[SEVERITY], "WARNING") == 0) {
            assert_int_equal(row->scope, TN_LOG_WARNING);
            continue;
        }
        if (strstr(line, "engine != nullptr")) {
            assert_true(tn_log_is_noise(line));
            continue;
        }
        assert_int_equal(row->scope, TN_LOG_PLAN);
        assert_true(tn_log_lasting(row));
        wanted = tn_reason_name(reason_of_line(matrix.field[PLAN], line));
        /* of the magic alone a line cannot tell a cache from an old engine or an RTX one */
        if (strstr(line, "kPLAN_MAGIC_TAG"))
            assert_string_equal(row->name, "not-an-engine");
        else if (strstr(matrix.field[PLAN], "cache"))
            assert_string_equal(row->name, "trt-version");
        else
            assert_string_equal(row->name, wanted);
    }
    table_done(&matrix);
    assert_true(lines > 300);
}

TEST(check__never_says_that_a_cut_engine_loads)
{
    static const char *const names[] = { "46e51478-model.plan", "35aebf01-pfe.trt",
                                         "bbcd572c-det2.engine", "h200/10.6__tiny__ws.plan",
                                         "rtx/37f92b39-rtx1.7.1-mm-fp16" };
    static const char *const devices[] = { "rtx4090+trt8.6.1.6+rtx1.7.1.116", "h200+trt10.6.0.26",
                                           "jetson-nano+trt7.1.3.0", "t4+trt8.4.1.5" };
    size_t asked = 0;

    if (!corpus())
        skip();
    for (size_t i = 0; i < TN_COUNT(names) * TN_COUNT(devices); i++) {
        struct tn_buf whole = corpus_bytes(corpus(), names[i % TN_COUNT(names)], ".full");
        struct tn_device device;

        assert_true(whole.size > 600);
        assert_int_equal(tn_device_named(devices[i / TN_COUNT(names)], &device, NULL), 0);
        for (size_t size = 0; size <= 600; size++) {
            struct tn_compat_target target = { .gpu = &device.gpu[0],
                                               .platform = device.platform,
                                               .runtime = device.runtime[asked % 2].id,
                                               .cuda_driver = TN_UNKNOWN,
                                               .gpu_free_bytes = TN_UNKNOWN };
            struct tn_plan plan;
            struct tn_answer answer;

            tn_plan_parse(whole.data, size, NULL, 0, (int64_t)size, &plan);
            tn_compat_check(&plan, &target, &answer);
            assert_true(answer.verdict > TN_VERDICT_MAY_LOAD);
            assert_true(answer.reason_count > 0);
            asked++;
        }
        tn_buf_done(&whole);
    }
    assert_int_equal(asked, 601 * TN_COUNT(names) * TN_COUNT(devices));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__says_of_every_measured_load_what_happened),
        cmocka_unit_test(check__never_says_that_a_cut_engine_loads),
        cmocka_unit_test(classify__gives_every_measured_refusal_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
