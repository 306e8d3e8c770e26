#include "base/file.h"
#include "compat/compat.h"
#include "tn_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 128 };

static bool tried[RULES_MAX];

/* An H200 as gpu.md section 9 has it. */
static struct tn_gpu h200(void)
{
    struct tn_gpu gpu = tn_gpu_unknown();

    (void)strcpy(gpu.name, "NVIDIA H200");
    (void)strcpy(gpu.product, "h200");
    gpu.cc_major = 9;
    gpu.cc_minor = 0;
    gpu.sm_count = 132;
    gpu.memory_bytes = INT64_C(150109880320);
    gpu.l2_bytes = 62914560;
    gpu.bus_bits = 6016;
    gpu.core_khz = 1980000;
    gpu.memory_khz = 3201000;
    gpu.integrated = 0;
    return gpu;
}

/* An ordinary engine built by 10.6 on it. */
static struct tn_plan ordinary(void)
{
    struct tn_plan plan = { .kind = TN_FILE_ENGINE,
                            .flavor = TN_FLAVOR_TENSORRT,
                            .size = 638308,
                            .expected_size = 638308,
                            .complete = 1,
                            .version = tn_version_make(10, 6, 0, 26),
                            .platform = "linux-x86_64",
                            .serialization_number = 239,
                            .max_batch = TN_UNKNOWN,
                            .gpu = h200(),
                            .has_gpu = true,
                            .cuda_runtime = TN_UNKNOWN,
                            .cuda_driver = TN_UNKNOWN,
                            .weight_bytes = 227332,
                            .hw_compat = TN_HW_COMPAT_NONE,
                            .refit = TN_REFIT_NONE,
                            .version_compatible = TN_UNKNOWN };

    return plan;
}

/* The default target of TensorRT-RTX 1.7: 8.0 and later. */
static struct tn_plan rtx(void)
{
    struct tn_plan plan = ordinary();

    plan.flavor = TN_FLAVOR_RTX;
    plan.version = tn_version_make(1, 7, 1, 116);
    plan.gpu = tn_gpu_unknown();
    plan.has_gpu = false;
    plan.hw_compat = TN_HW_COMPAT_UNKNOWN;
    plan.cuda_runtime = 0;
    plan.cuda_driver = 0;
    plan.ccs = (struct tn_cc_set) {
        .mask = 0x7e, .cc = { 80, 86, 89, 120, 121 }, .count = 5, .later = true
    };
    return plan;
}

static struct tn_gpu board(const struct tn_gpu *like, int cc, const char *name)
{
    struct tn_gpu gpu = *like;

    gpu.cc_major = cc / 10;
    gpu.cc_minor = cc % 10;
    (void)snprintf(gpu.name, sizeof(gpu.name), "%s", name);
    return gpu;
}

static struct tn_runtime_id runtime(const char *text)
{
    struct tn_runtime_id id;

    assert_int_equal(tn_runtime_id_parse(text, &id, NULL), 0);
    return id;
}

static struct tn_version version(const char *text)
{
    struct tn_version parsed;

    assert_int_equal(tn_version_parse(text, &parsed, NULL), 0);
    return parsed;
}

/* ---- what a case asks ---------------------------------------------------------------------- */

static const struct tn_rule *rule_named(const char *name)
{
    size_t count;
    const struct tn_rule *rules = tn_compat_rules(&count);

    assert_true(count <= RULES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rules[i].name, name) != 0)
            continue;
        tried[i] = true;
        return &rules[i];
    }
    fail_msg("there is no rule '%s'", name);
    return NULL;
}

static bool answered(const struct tn_rule *rule, const struct tn_answer *answer)
{
    for (int i = 0; i < answer->reason_count; i++)
        if (answer->reason[i].ground == rule->why && answer->reason[i].code == rule->code)
            return true;
    return false;
}

/* Whoever keeps only the part that counts must hear the same. */
static void expect_same_of_part(const char *name, const struct tn_plan *plan,
                                struct tn_compat_target target)
{
    struct tn_plan part = tn_compat_part(plan);
    struct tn_answer whole, kept;

    target.gpu_free_bytes = TN_UNKNOWN;
    tn_compat_check(plan, &target, &whole);
    tn_compat_check(&part, &target, &kept);
    if (whole.verdict != kept.verdict || whole.reason_count != kept.reason_count)
        fail_msg("rule '%s': %s with %d reasons, of its part %s with %d", name,
                 tn_verdict_name(whole.verdict), whole.reason_count, tn_verdict_name(kept.verdict),
                 kept.reason_count);
}

static void expect(const char *name, bool fires, const struct tn_plan *plan,
                   const struct tn_compat_target *target)
{
    const struct tn_rule *rule = rule_named(name);
    struct tn_answer answer;

    expect_same_of_part(name, plan, *target);
    tn_compat_check(plan, target, &answer);
    if (answered(rule, &answer) != fires)
        fail_msg("rule '%s' should %s; verdict %s, first detail: %s", name,
                 fires ? "fire" : "be silent", tn_verdict_name(answer.verdict),
                 answer.reason_count ? answer.reason[0].detail : "none");
    if (fires)
        assert_true(answer.verdict >= rule->verdict);
    for (int i = 0; i < answer.reason_count; i++) {
        assert_string_not_equal(answer.reason[i].detail, "");
        assert_string_not_equal(answer.reason[i].remedy, "");
        assert_true(strlen(answer.reason[i].detail) + 1 < sizeof(answer.reason[i].detail));
        assert_true(strlen(answer.reason[i].remedy) + 1 < sizeof(answer.reason[i].remedy));
    }
}

/* Changes an engine `p` and a target `t` that fit each other, and asks. */
#define ASK(name, fires, engine, where, ...)                                                       \
    do {                                                                                           \
        struct tn_gpu g = h200();                                                                  \
        struct tn_plan plan = engine;                                                              \
        struct tn_compat_target target = { .gpu = &g,                                              \
                                           .runtime = runtime(where),                              \
                                           .platform = "linux-x86_64",                             \
                                           .cuda_driver = 13000,                                   \
                                           .gpu_free_bytes = TN_UNKNOWN };                         \
        struct tn_plan *p = &plan;                                                                 \
        struct tn_compat_target *t = &target;                                                      \
        __VA_ARGS__;                                                                               \
        (void)p;                                                                                   \
        (void)t;                                                                                   \
        expect(name, fires, &plan, &target);                                                       \
    } while (0)

#define FIRES(name, ...)      ASK(name, true, ordinary(), "trt10.6.0.26", __VA_ARGS__)
#define SILENT(name, ...)     ASK(name, false, ordinary(), "trt10.6.0.26", __VA_ARGS__)
#define RTX_FIRES(name, ...)  ASK(name, true, rtx(), "rtx1.7.1.116", __VA_ARGS__)
#define RTX_SILENT(name, ...) ASK(name, false, rtx(), "rtx1.7.1.116", __VA_ARGS__)

static struct tn_answer answer_of(const struct tn_plan *plan, const struct tn_gpu *gpu,
                                  const char *where)
{
    struct tn_compat_target target = { .gpu = gpu,
                                       .runtime = runtime(where),
                                       .platform = "linux-x86_64",
                                       .cuda_driver = 13000,
                                       .gpu_free_bytes = INT64_C(100) << 30 };
    struct tn_answer answer;

    tn_compat_check(plan, &target, &answer);
    return answer;
}

/* ---- the part of a plan that counts --------------------------------------------------------- */

static char *part_text(const struct tn_plan *plan)
{
    struct tn_buf text = TN_BUF(2048);
    struct tn_plan part = tn_compat_part(plan);

    tn_compat_part_add(&text, &part);
    return tn_buf_steal(&text);
}

#define ANOTHER(same, ...)                                                                         \
    do {                                                                                           \
        struct tn_plan plan = ordinary();                                                          \
        tn_auto(tn_str_free) char *before = part_text(&plan);                                      \
        tn_auto(tn_str_free) char *after = NULL;                                                   \
        __VA_ARGS__;                                                                               \
        after = part_text(&plan);                                                                  \
        if ((strcmp(before, after) == 0) != (same))                                                \
            fail_msg("%s: '%s' and '%s'", #__VA_ARGS__, before, after);                            \
    } while (0)

TEST(part__has_another_text_where_anything_differs_that_counts_and_the_same_elsewhere)
{
    ANOTHER(false, plan.flavor = TN_FLAVOR_RTX);
    ANOTHER(false, plan.complete = 0);
    ANOTHER(false, plan.integrity = TN_INTEGRITY_CRC_BAD);
    ANOTHER(false, plan.version.part[3]++);
    ANOTHER(false, plan.version.parts = 3);
    ANOTHER(false, plan.version_outer.parts = plan.version_outer.parts ? 0 : 2);
    ANOTHER(false, plan.platform[0] = '\0');
    ANOTHER(false, plan.wrapper[0] = 'u');
    ANOTHER(false, plan.has_gpu = false);
    ANOTHER(false, plan.gpu.cc_minor++);
    ANOTHER(false, plan.gpu.sm_count++);
    ANOTHER(false, plan.gpu.memory_bytes = TN_UNKNOWN);
    ANOTHER(false, plan.gpu.l2_bytes++);
    ANOTHER(false, plan.gpu.bus_bits++);
    ANOTHER(false, plan.gpu.integrated = 1);
    ANOTHER(false, plan.gpu.mig[0] = '1');
    ANOTHER(false, plan.ccs.mask = 1);
    ANOTHER(false, plan.ccs.count = 1);
    ANOTHER(false, plan.ccs.later = true);
    ANOTHER(false, plan.cuda_runtime = 13020);
    ANOTHER(false, plan.cuda_driver = 13000);
    ANOTHER(false, plan.hw_compat = TN_HW_COMPAT_AMPERE_PLUS);
    ANOTHER(false, plan.lean_runtime_inside = !plan.lean_runtime_inside);
    ANOTHER(false, plan.stripped = !plan.stripped);
    ANOTHER(false, plan.version_compatible = !plan.version_compatible);
    ANOTHER(true, plan.size++, plan.expected_size++, plan.weight_bytes++);
    ANOTHER(true, plan.gpu.core_khz++, plan.gpu.name[0] = 'X', plan.gpu.uuid[0] = 'G');
    ANOTHER(true, plan.refit = TN_REFIT_ANY, plan.payload_offset = 9);
}

/* ---- loads --------------------------------------------------------------------------------- */

TEST(check__loads_when_release_platform_and_class_are_equal)
{
    struct tn_plan plan = ordinary();
    struct tn_gpu gpu = h200();
    struct tn_answer answer = answer_of(&plan, &gpu, "trt10.6.0.26");

    assert_int_equal(answer.verdict, TN_VERDICT_LOADS);
    assert_int_equal(answer.reason_count, 0);
    assert_string_equal(answer.by, "rule");
    /* neither its name nor clocks, nor some MiB of memory are its class */
    (void)strcpy(gpu.name, "NVIDIA H200 NVL");
    gpu.core_khz = 1785000;
    gpu.memory_bytes -= 50 * 1024 * 1024;
    assert_int_equal(answer_of(&plan, &gpu, "trt10.6.0.26").verdict, TN_VERDICT_LOADS);
}

TEST(check__loads_an_rtx_engine_on_each_gpu_that_it_names)
{
    static const int named[] = { 80, 86, 89, 120, 121, 122 };
    struct tn_plan plan = rtx();
    struct tn_gpu unknown = tn_gpu_unknown();

    for (size_t i = 0; i < TN_COUNT(named); i++) {
        struct tn_gpu gpu = board(&unknown, named[i], "some board");

        assert_int_equal(answer_of(&plan, &gpu, "rtx1.7.1.116").verdict, TN_VERDICT_LOADS);
    }
}

TEST(check__loads_an_ampere_plus_engine_on_another_compute_capability)
{
    struct tn_plan plan = ordinary();
    struct tn_gpu here = h200();
    struct tn_gpu gpu = board(&here, 89, "NVIDIA L4");

    plan.hw_compat = TN_HW_COMPAT_AMPERE_PLUS;
    gpu.sm_count = 58;
    assert_int_equal(answer_of(&plan, &gpu, "trt10.6.0.26").verdict, TN_VERDICT_LOADS);
    plan.hw_compat = TN_HW_COMPAT_SAME_CC;
    assert_int_equal(answer_of(&plan, &gpu, "trt10.6.0.26").verdict, TN_VERDICT_WONT_LOAD);
    gpu = board(&gpu, 90, "NVIDIA H100 PCIe");
    assert_int_equal(answer_of(&plan, &gpu, "trt10.6.0.26").verdict, TN_VERDICT_LOADS);
}

TEST(check__names_both_sides_and_what_to_do)
{
    struct tn_plan plan = ordinary();
    struct tn_gpu gpu = h200();
    struct tn_answer answer = answer_of(&plan, &gpu, "trt10.15.1.29");

    assert_int_equal(answer.verdict, TN_VERDICT_WONT_LOAD);
    assert_int_equal(answer.reason_count, 1);
    assert_int_equal(answer.reason[0].code, TN_REASON_TRT_VERSION);
    assert_string_equal(answer.reason[0].detail,
                        "built by TensorRT 10.6.0.26, this runtime is 10.15.1.29");
    assert_non_null(strstr(answer.reason[0].remedy, "--runtime trt10.15.1.29"));
    assert_non_null(strstr(answer.reason[0].remedy, "TensorRT 10.6.0.26"));
    assert_int_equal(strncmp(answer.reason[0].ground, "measured: ", 10), 0);
}

/* ---- rules, by area ------------------------------------------------------------------------ */

TEST(rules__of_files)
{
    FIRES("not-an-engine", p->kind = TN_FILE_TIMING_CACHE);
    FIRES("not-an-engine", p->kind = TN_FILE_GIT_LFS_POINTER);
    FIRES("not-an-engine", p->kind = TN_FILE_ONNX);
    FIRES("not-an-engine", p->kind = TN_FILE_EMPTY);
    SILENT("not-an-engine", );
    FIRES("no-known-magic", p->kind = TN_FILE_UNKNOWN);
    SILENT("no-known-magic", p->kind = TN_FILE_UNKNOWN; t->runtime = runtime("trt12.0.0.1"));
    FIRES("unknown-file", p->kind = TN_FILE_UNKNOWN; t->runtime = runtime("trt12.0.0.1"));
    FIRES("unknown-file", p->kind = TN_FILE_UNKNOWN;
          t->runtime = (struct tn_runtime_id) { .kind = TN_RUNTIME_UNKNOWN });
    FIRES("wrapped", (void)strcpy(p->wrapper, "ultralytics"); p->wrapper_bytes = 300);
    FIRES("truncated", p->complete = 0; p->size = 1000);
    FIRES("truncated", p->complete = 0; p->size = p->expected_size + 1);
    FIRES("truncated", p->complete = 0; p->expected_size = TN_UNKNOWN);
    SILENT("truncated", p->complete = -1);
    FIRES("checksum-wrong", p->integrity = TN_INTEGRITY_CRC_BAD);
    SILENT("checksum-wrong", p->integrity = TN_INTEGRITY_CRC_OK);
}

TEST(rules__of_flavor_and_what_is_not_known)
{
    FIRES("other-flavor", t->runtime = runtime("rtx1.7.1.116"));
    RTX_FIRES("other-flavor", t->runtime = runtime("dispatch11.2.1.2"));
    SILENT("other-flavor", );
    FIRES("runtime-not-named", t->runtime.kind = TN_RUNTIME_UNKNOWN; t->runtime.version.parts = 0);
    FIRES("builder-unknown", p->version.parts = 0);
    FIRES("gpu-not-known", t->gpu = NULL);
    RTX_FIRES("gpu-not-known", g = tn_gpu_unknown());
    FIRES("builders-gpu-not-known", p->gpu = tn_gpu_unknown());
    RTX_SILENT("builders-gpu-not-known", );
}

TEST(rules__of_platform)
{
    FIRES("other-platform", t->platform = "linux-aarch64-tegra");
    FIRES("other-platform", (void)strcpy(p->platform, "wtrt"));
    SILENT("other-platform", (void)strcpy(p->platform, "wtrt"); t->platform = "linux-aarch64");
    FIRES("platform-unsure", (void)strcpy(p->platform, "wtrt"); t->platform = "linux-aarch64");
    FIRES("platform-unsure", p->platform[0] = '\0');
    FIRES("platform-unsure", t->platform = NULL);
    SILENT("platform-unsure", p->platform[0] = '\0'; p->version = version("8.6.1.6"));
    FIRES("integrated-differs", p->platform[0] = '\0'; p->version = version("8.5.2.2");
          p->gpu.integrated = 1);
    SILENT("integrated-differs", p->platform[0] = '\0'; p->gpu.integrated = TN_UNKNOWN);
    RTX_FIRES("rtx-other-platform", t->platform = "linux-aarch64");
    RTX_SILENT("other-platform", t->platform = "linux-aarch64");
}

TEST(rules__of_lean_runtimes)
{
    FIRES("host-code", p->lean_runtime_inside = 1);
    SILENT("host-code", p->lean_runtime_inside = 1; t->allow_host_code = true);
    FIRES("dispatch-without-lean", t->runtime = runtime("dispatch10.6.0.26"));
    SILENT("dispatch-without-lean", t->runtime = runtime("dispatch10.6.0.26");
           p->lean_runtime_inside = 1);
    SILENT("dispatch-without-lean", t->runtime = runtime("dispatch10.6.0.26");
           t->lean_library = version("10.6.0.26"));
    FIRES("dispatch-lean-unknown", t->runtime = runtime("dispatch10.6.0.26");
          p->lean_runtime_inside = -1);
    FIRES("lean-library-other-major", t->lean_library = version("11"));
    SILENT("lean-library-other-major", t->lean_library = version("10"));
    FIRES("lean-library-other-release", t->lean_library = version("10.15.1.29"));
    FIRES("lean-library-release-unknown", t->lean_library = version("10"));
    SILENT("lean-library-release-unknown", t->lean_library = version("10.6.0.26"));
    FIRES("lean-inside-other-release", p->lean_runtime_inside = 1; p->section_count = 1;
          (void)strcpy(p->section[0].tag, "LEAN"); p->section[0].length = 102446216);
    SILENT("lean-inside-other-release", p->lean_runtime_inside = 1; p->section_count = 1;
           (void)strcpy(p->section[0].tag, "LEAN"); p->section[0].length = 102446216;
           p->version = version("10.15.1.29"));
    FIRES("lean-ordinary", t->runtime = runtime("lean10.6.0.26"); p->version_compatible = 0);
    FIRES("lean-not-known", t->runtime = runtime("lean10.6.0.26"));
    SILENT("lean-not-known", t->runtime = runtime("lean10.6.0.26"); p->version_compatible = 1);
}

TEST(rules__of_version_compatible_engines)
{
    FIRES("vc-cannot-cross", p->lean_runtime_inside = 1; t->runtime = runtime("trt8.6.1.6"));
    FIRES("vc-cannot-cross", p->lean_runtime_inside = 1; p->version = version("8.6.1.6");
          t->runtime = runtime("trt11.2.1.2"));
    FIRES("vc-crosses", p->lean_runtime_inside = 1; t->runtime = runtime("trt11.2.1.2"));
    SILENT("vc-cannot-cross", p->lean_runtime_inside = 1; t->runtime = runtime("trt11.2.1.2"));
    FIRES("vc-backwards", p->lean_runtime_inside = 1; t->runtime = runtime("trt10.3.0.26"));
    FIRES("vc-forwards", p->lean_runtime_inside = 1; t->runtime = runtime("trt10.16.1.11"));
    /* its release does not matter by itself: the lean runtime inside reads it */
    SILENT("version-differs", p->lean_runtime_inside = 1; t->runtime = runtime("trt10.16.1.11"));
    FIRES("version-differs", p->version_compatible = 1; t->runtime = runtime("trt10.16.1.11"));
}

TEST(rules__of_version)
{
    FIRES("mark-differs", p->version = version("8.4.1.5"));
    FIRES("mark-differs", t->runtime = runtime("trt8.5.2.2"));
    SILENT("mark-differs", p->version = version("8.6.1.6"));
    SILENT("mark-differs", p->version = version("8.4.1.5"); t->runtime = runtime("trt8.5.2.2"));
    FIRES("version-differs", p->version = version("8.4.1.5"); t->runtime = runtime("trt8.5.2.2"));
    FIRES("version-differs", t->runtime = runtime("trt10.6.0.27"));
    FIRES("version-differs", t->runtime = runtime("trt10.7"));
    RTX_FIRES("version-differs", t->runtime = runtime("rtx1.6.1.120"));
    FIRES("version-partly-known", t->runtime = runtime("trt10.6"));
    FIRES("version-partly-known", t->runtime.version.parts = 0);
    SILENT("version-partly-known", );
    FIRES("version-from-outside", p->version.parts = 0; p->version_outer = version("10.6.0.26"));
    FIRES("version-differs", p->version.parts = 0; p->version_outer = version("10.7.0.23"));
    /* the outer bytes are ignored by the runtime where the payload speaks */
    SILENT("version-differs", p->version_outer = version("10.7.0.23"));
}

TEST(rules__of_compute_capability)
{
    FIRES("cc-differs", g = board(&g, 80, "NVIDIA A100"));
    FIRES("cc-differs", p->gpu.cc_minor = 1);
    FIRES("cc-differs", p->hw_compat = TN_HW_COMPAT_AMPERE_PLUS; g = board(&g, 75, "Tesla T4"));
    FIRES("cc-differs", p->hw_compat = TN_HW_COMPAT_UNKNOWN; g = board(&g, 75, "Tesla T4"));
    FIRES("cc-differs", p->hw_compat = TN_HW_COMPAT_UNKNOWN; p->version = version("8.5.3.1");
          g = board(&g, 80, "NVIDIA A100"));
    FIRES("level-not-known", p->hw_compat = TN_HW_COMPAT_UNKNOWN; g = board(&g, 80, "A100"));
    SILENT("level-not-known", p->hw_compat = TN_HW_COMPAT_UNKNOWN);
    FIRES("level-on-jetson", p->hw_compat = TN_HW_COMPAT_AMPERE_PLUS; g = board(&g, 87, "Orin");
          t->platform = "linux-aarch64-tegra");
    FIRES("cc-below-release", g = board(&g, 70, "Tesla V100"));
    SILENT("cc-below-release", g = board(&g, 75, "Tesla T4"));
    SILENT("cc-below-release", g = board(&g, 70, "Tesla V100");
           t->runtime = runtime("trt10.4.0.26"));
    FIRES("cc-below-release", g = board(&g, 61, "P4"); t->runtime = runtime("trt10.0.1.6"));
    FIRES("cc-below-release", g = board(&g, 53, "Nano"); t->runtime = runtime("trt9.0.1.4"));
    FIRES("cc-below-release", g = board(&g, 37, "K80"); t->runtime = runtime("trt8.6.1.6"));
    SILENT("cc-below-release", g = board(&g, 53, "Nano"); t->runtime = runtime("trt8.2.1.9"));
}

TEST(rules__of_device_class)
{
    FIRES("other-class", g.sm_count = 114);
    FIRES("other-class", g.bus_bits = 5120; g.l2_bytes = 52428800);
    FIRES("other-class", g.memory_bytes = INT64_C(85000000000));
    FIRES("other-class", g.memory_bytes = INT64_MAX; p->gpu.l2_bytes = INT64_MAX;
          p->gpu.sm_count = INT64_MAX; p->gpu.bus_bits = INT64_MAX; p->gpu.integrated = 1);
    SILENT("other-class", p->hw_compat = TN_HW_COMPAT_SAME_CC; g.sm_count = 114);
    FIRES("class-not-known", g.l2_bytes = TN_UNKNOWN);
    FIRES("class-not-known", p->gpu.memory_bytes = TN_UNKNOWN);
    SILENT("class-not-known", g.l2_bytes = TN_UNKNOWN; g.sm_count = 114);
    SILENT("class-not-known", );
}

TEST(rules__of_rtx_lists)
{
    RTX_FIRES("rtx-mask-refuses", );
    RTX_FIRES("rtx-mask-refuses", p->ccs = (struct tn_cc_set) { .count = 0 });
    RTX_SILENT("rtx-mask-refuses", g = board(&g, 89, "NVIDIA L4"));
    RTX_FIRES("rtx-mask-refuses", g = board(&g, 75, "Tesla T4"));
    RTX_FIRES("rtx-mask-refuses", g = board(&g, 122, "later"); p->ccs.later = false);
    RTX_SILENT("rtx-mask-refuses", p->version = version("1.4.0.76");
               t->runtime = runtime("rtx1.4.0.76"));
    RTX_FIRES("rtx-mask-lenient", p->version = version("1.4.0.76");
              t->runtime = runtime("rtx1.4.0.76"));
    RTX_FIRES("rtx-driver-old", p->cuda_driver = 13010; g = board(&g, 89, "NVIDIA L4"));
    RTX_SILENT("rtx-driver-old", p->cuda_driver = 13000);
    RTX_FIRES("rtx-cuda-newer", p->cuda_runtime = 13020; t->cuda_driver = 12080);
    RTX_SILENT("rtx-cuda-newer", p->cuda_runtime = 13020);
}

TEST(rules__of_driver_weights_and_memory)
{
    FIRES("release-needs-driver", t->runtime = runtime("trt10.13.2.6"); t->cuda_driver = 11080);
    SILENT("release-needs-driver", t->runtime = runtime("trt10.13.0.35"); t->cuda_driver = 11080);
    SILENT("release-needs-driver", t->runtime = runtime("trt10.13.2.6"); t->cuda_driver = -1);
    FIRES("stripped", p->stripped = 1; p->refit = TN_REFIT_IDENTICAL);
    RTX_FIRES("stripped", p->stripped = 1);
    FIRES("strip-not-known", p->stripped = -1);
    SILENT("strip-not-known", p->stripped = -1; p->version = version("8.6.1.6"));
    FIRES("memory-short", t->gpu_free_bytes = 512 * 1024 * 1024);
    SILENT("memory-short", t->gpu_free_bytes = 512 * 1024 * 1024 + p->size);
}

TEST(rules__each_is_tried_above)
{
    size_t count;
    const struct tn_rule *rules = tn_compat_rules(&count);

    for (size_t i = 0; i < count; i++)
        if (!tried[i])
            fail_msg("rule '%s' is tried by no test", rules[i].name);
}

TEST(rules__that_rest_on_less_than_measurement_or_documents_say_may_load_at_worst)
{
    size_t count;
    const struct tn_rule *rules = tn_compat_rules(&count);
    static const char *const word[] = { "measured: ", "documented: ", "field report: ",
                                        "inferred: " };

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(
            strncmp(rules[i].why, word[rules[i].ground], strlen(word[rules[i].ground])), 0);
        assert_true(rules[i].verdict != TN_VERDICT_LOADS);
        if (rules[i].ground == TN_GROUND_FIELD_REPORT || rules[i].ground == TN_GROUND_INFERRED)
            assert_true(rules[i].verdict != TN_VERDICT_WONT_LOAD);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(rules[i].name, rules[j].name);
    }
}

TEST(rules__are_all_in_the_document)
{
    const char *root = getenv("TENON_SOURCE_ROOT");
    struct tn_buf text = TN_BUF(1 << 20);
    char path[512];
    size_t count;
    const struct tn_rule *rules = tn_compat_rules(&count);

    if (!root)
        skip();
    (void)snprintf(path, sizeof(path), "%s/docs/compatibility.md", root);
    assert_int_equal(tn_file_read(path, &text, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        char quoted[80];

        (void)snprintf(quoted, sizeof(quoted), "`%s`", rules[i].name);
        if (!strstr(tn_buf_text(&text), quoted))
            fail_msg("docs/compatibility.md does not explain %s", quoted);
    }
    tn_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            part__has_another_text_where_anything_differs_that_counts_and_the_same_elsewhere),
        cmocka_unit_test(check__loads_when_release_platform_and_class_are_equal),
        cmocka_unit_test(check__loads_an_rtx_engine_on_each_gpu_that_it_names),
        cmocka_unit_test(check__loads_an_ampere_plus_engine_on_another_compute_capability),
        cmocka_unit_test(check__names_both_sides_and_what_to_do),
        cmocka_unit_test(rules__of_files),
        cmocka_unit_test(rules__of_flavor_and_what_is_not_known),
        cmocka_unit_test(rules__of_platform),
        cmocka_unit_test(rules__of_lean_runtimes),
        cmocka_unit_test(rules__of_version_compatible_engines),
        cmocka_unit_test(rules__of_version),
        cmocka_unit_test(rules__of_compute_capability),
        cmocka_unit_test(rules__of_device_class),
        cmocka_unit_test(rules__of_rtx_lists),
        cmocka_unit_test(rules__of_driver_weights_and_memory),
        cmocka_unit_test(rules__each_is_tried_above),
        cmocka_unit_test(
            rules__that_rest_on_less_than_measurement_or_documents_say_may_load_at_worst),
        cmocka_unit_test(rules__are_all_in_the_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
