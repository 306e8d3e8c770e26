/*
 * The rules. Each function answers one question about (plan, target) and writes what it found; the
 * table at the end gives it its code, verdict, ground and place. gpu.md, compatibility.md and
 * tables.md of the project's facts are the sources that the grounds name.
 */
#include "base/text.h"
#include "compat/compat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MIB = 1024 * 1024 };

/* ---- saying ------------------------------------------------------------------------------- */

static void TN_PRINTF(2, 3) cure(struct tn_reason *reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reason->remedy, sizeof(reason->remedy), format, args);
    va_end(args);
}

/* Returns true, so that a rule ends in `return fired(…)`. */
static bool TN_PRINTF(2, 3) fired(struct tn_reason *reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(reason->detail, sizeof(reason->detail), format, args);
    va_end(args);
    return true;
}

/* Appends to a text in a fixed array; what does not fit is left out. */
static void TN_PRINTF(3, 4) add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

struct text {
    char is[TN_VERSION_TEXT + 16];
};

/* "TensorRT 10.6.0.26", "TensorRT-RTX 1.7.1.116" */
static struct text release(enum tn_flavor flavor, const struct tn_version *version)
{
    char number[TN_VERSION_TEXT];
    struct text text;

    tn_version_print(version, number);
    (void)snprintf(text.is, sizeof(text.is), "%s%s%s",
                   flavor == TN_FLAVOR_RTX ? "TensorRT-RTX" : "TensorRT", number[0] ? " " : "",
                   number);
    return text;
}

static struct text built_by_text(const struct tn_plan *plan)
{
    return release(plan->flavor, plan->version.parts > 0 ? &plan->version : &plan->version_outer);
}

/* "10.15.1.29", "lean 10.15.1.29", "dispatch 11.2.1.2", "1.7.1.116" */
static struct text runtime_text(const struct tn_compat_target *target)
{
    char number[TN_VERSION_TEXT];
    struct text text;
    enum tn_runtime_kind kind = target->runtime.kind;
    bool named = kind == TN_RUNTIME_LEAN || kind == TN_RUNTIME_DISPATCH;

    tn_version_print(&target->runtime.version, number);
    (void)snprintf(text.is, sizeof(text.is), "%s%s%s", named ? tn_runtime_kind_name(kind) : "",
                   named && number[0] ? " " : "", number);
    return text;
}

/* "RUNTIME" as --runtime takes it */
static struct text runtime_option(const struct tn_compat_target *target)
{
    struct text text;

    tn_runtime_id_print(&target->runtime, text.is);
    return text;
}

static struct text cc_text(const struct tn_gpu *gpu)
{
    struct text text;

    tn_gpu_cc_print(gpu, text.is);
    return text;
}

static const char *gpu_word(const struct tn_gpu *gpu)
{
    return gpu->name[0] ? gpu->name : gpu->product[0] ? gpu->product : "this GPU";
}

/* ---- what several rules ask --------------------------------------------------------------- */

/* The payload's version counts: the runtime compares that one and ignores the outer header's
 * (measured on 10.6 and 8.6). The outer one stands in only where the payload's layout is unknown.
 */
static const struct tn_version *builder(const struct tn_plan *plan)
{
    return plan->version.parts > 0 ? &plan->version : &plan->version_outer;
}

static const struct tn_version *runs(const struct tn_compat_target *target)
{
    return &target->runtime.version;
}

static bool at_least(const struct tn_version *version, uint32_t major, uint32_t minor,
                     uint32_t patch)
{
    struct tn_version floor = { .part = { major, minor, patch }, .parts = 3 };

    return version->parts > 0 && tn_version_compare(version, &floor) >= 0;
}

/* Whether a lean runtime (inside the plan, or a library given by path) reads the stream instead of
 * the runtime that was called. RTX engines never move between releases, lean or not. */
static bool through_lean(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return plan->flavor != TN_FLAVOR_RTX &&
           (plan->lean_runtime_inside == 1 || target->lean_library.parts > 0);
}

static bool is_dispatch(const struct tn_compat_target *target)
{
    return target->runtime.kind == TN_RUNTIME_DISPATCH;
}

/* The mark at the start of a plan changed with 8.6; across that line a runtime looks no further. */
static bool other_mark(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    static const struct tn_version changed = { .part = { 8, 6 }, .parts = 2 };
    const struct tn_version *here = &target->runtime.version;

    return plan->flavor != TN_FLAVOR_RTX && builder(plan)->parts >= 2 && here->parts >= 2 &&
           (tn_version_compare(builder(plan), &changed) < 0) !=
               (tn_version_compare(here, &changed) < 0);
}

static bool majors_known(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return builder(plan)->parts > 0 && runs(target)->parts > 0;
}

static bool cc_known(const struct tn_gpu *gpu)
{
    return gpu && gpu->cc_major >= 0 && gpu->cc_minor >= 0;
}

static int cc_of(const struct tn_gpu *gpu)
{
    return (int)(gpu->cc_major * 10 + gpu->cc_minor);
}

/* The system's name says it, or an integrated GPU (GB10, 12.1, is one too and no Jetson). */
static bool is_tegra(const struct tn_compat_target *target)
{
    return (target->platform && strcmp(target->platform, "linux-aarch64-tegra") == 0) ||
           (target->gpu && target->gpu->integrated == 1 && cc_known(target->gpu) &&
            cc_of(target->gpu) < 120);
}

/* Levels came with 8.6: what an older builder wrote is never portable. */
static enum tn_hw_compat level_of(const struct tn_plan *plan)
{
    static const struct tn_version first = { .part = { 8, 6 }, .parts = 2 };

    if (plan->hw_compat == TN_HW_COMPAT_UNKNOWN && builder(plan)->parts > 0 &&
        tn_version_compare(builder(plan), &first) < 0)
        return TN_HW_COMPAT_NONE;
    return plan->hw_compat;
}

/* ---- files -------------------------------------------------------------------------------- */

static bool not_an_engine(const struct tn_plan *plan, const struct tn_compat_target *target,
                          struct tn_reason *reason)
{
    static const struct {
        enum tn_file_kind kind;
        const char *is, *remedy;
    } row[] = {
        { TN_FILE_TIMING_CACHE, "a timing cache of the builder, not an engine",
          "name the engine that was built beside it; this file is for the builder alone" },
        { TN_FILE_GIT_LFS_POINTER, "a Git LFS pointer: the engine itself was never downloaded",
          "run `git lfs pull` in the repository" },
        { TN_FILE_ONNX, "an ONNX model, not an engine",
          "`tenon get MODEL` builds an engine from it for this device" },
        { TN_FILE_EMPTY, "an empty file",
          "build or copy it again: `tenon get MODEL`; the old write was cut off" },
    };

    (void)target;
    for (size_t i = 0; i < TN_COUNT(row); i++) {
        if (plan->kind != row[i].kind)
            continue;
        cure(reason, "%s", row[i].remedy);
        return fired(reason, "%s", row[i].is);
    }
    return false;
}

/* The magic numbers of 6.0 to 11.4 and of RTX to 1.7 are known; a later release could bring one
 * that this table does not know, so there the answer is "unknown". */
static bool magics_known(const struct tn_compat_target *target)
{
    if (runs(target)->parts == 0)
        return false;
    return runs(target)->part[0] <= (target->runtime.kind == TN_RUNTIME_RTX ? 1u : 11u);
}

static bool no_known_magic(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    if (plan->kind != TN_FILE_UNKNOWN || !magics_known(target))
        return false;
    cure(reason, "name an engine file; `tenon inspect FILE` says what can be read of this one");
    return fired(reason, "it begins with none of the marks of a TensorRT engine");
}

static bool unknown_file(const struct tn_plan *plan, const struct tn_compat_target *target,
                         struct tn_reason *reason)
{
    if (plan->kind != TN_FILE_UNKNOWN || magics_known(target))
        return false;
    cure(reason, "name a runtime; `tenon inspect FILE` says what can be read of the file");
    return fired(reason, "no engine layout that this Tenon knows; nothing can be said of it");
}

static bool wrapped(const struct tn_plan *plan, const struct tn_compat_target *target,
                    struct tn_reason *reason)
{
    (void)target;
    if (!plan->wrapper[0])
        return false;
    cure(reason, "strip it: tail -c +%lld FILE > PLAIN.engine; or load it through the same tool",
         (long long)plan->wrapper_bytes + 1);
    return fired(reason,
                 "%lld bytes of %s metadata stand before the engine; TensorRT itself refuses that",
                 (long long)plan->wrapper_bytes, plan->wrapper);
}

static bool truncated(const struct tn_plan *plan, const struct tn_compat_target *target,
                      struct tn_reason *reason)
{
    long long extra = (long long)(plan->size - plan->expected_size);

    (void)target;
    if (plan->kind != TN_FILE_ENGINE || plan->complete != 0)
        return false;
    cure(reason, "copy the file again and compare its SHA-256, or build it again: tenon get MODEL");
    if (plan->expected_size < 0 || extra == 0)
        return fired(reason, "the file does not end as an engine ends");
    return fired(reason, "the header promises %lld bytes, the file has %lld: %lld %s",
                 (long long)plan->expected_size, (long long)plan->size, extra < 0 ? -extra : extra,
                 extra < 0 ? "are missing" : "too many");
}

static bool checksum_wrong(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    (void)target;
    if (plan->integrity != TN_INTEGRITY_CRC_BAD)
        return false;
    cure(reason, "copy the file again and compare its SHA-256, or build it again: tenon get MODEL");
    return fired(reason, "the checksum in the header does not match the bytes");
}

/* ---- engine and runtime at all ------------------------------------------------------------ */

static bool other_flavor(const struct tn_plan *plan, const struct tn_compat_target *target,
                         struct tn_reason *reason)
{
    enum tn_flavor reads = tn_runtime_flavor(target->runtime.kind);

    if (reads == TN_FLAVOR_UNKNOWN || plan->flavor == TN_FLAVOR_UNKNOWN || reads == plan->flavor)
        return false;
    cure(reason, "get one for it: tenon get MODEL --runtime %s", runtime_option(target).is);
    return fired(reason, "built by %s; this runtime is %s, and neither loads the other's engines",
                 built_by_text(plan).is, release(reads, runs(target)).is);
}

static bool runtime_not_named(const struct tn_plan *plan, const struct tn_compat_target *target,
                              struct tn_reason *reason)
{
    (void)plan;
    if (target->runtime.kind != TN_RUNTIME_UNKNOWN)
        return false;
    cure(reason, "name one: --runtime trt10.6.0.26, or with the board: --device t4+trt8.4.1.5");
    return fired(reason, "no runtime is known on this device; an engine loads only in the release "
                         "that built it");
}

static bool builder_unknown(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    (void)target;
    if (builder(plan)->parts > 0)
        return false;
    cure(reason, "look up the release that built it, or build it again: tenon get MODEL");
    return fired(reason, "the layout is not known to this Tenon: the release that built it cannot "
                         "be read");
}

/* ---- platform ----------------------------------------------------------------------------- */

static bool is_aarch64(const char *platform)
{
    return tn_text_starts(platform, "linux-aarch64");
}

/* A tag that nobody has put a name to yet is shown as its four letters. */
static bool is_raw_tag(const char *platform)
{
    return platform[0] && !strchr(platform, '-');
}

/* Between the aarch64 systems the tag is established for Jetson up to JetPack 6 only. */
static bool tag_may_fit(const char *built_for, const char *here)
{
    return is_aarch64(here) && (is_raw_tag(built_for) || is_aarch64(built_for));
}

static bool platforms_differ(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return plan->platform[0] && target->platform && target->platform[0] &&
           strcmp(plan->platform, target->platform) != 0;
}

static bool other_platform(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    if (!platforms_differ(plan, target) || tag_may_fit(plan->platform, target->platform))
        return false;
    cure(reason, "build it on %s: tenon get MODEL there", target->platform);
    return fired(reason, "built for %s%s, this device is %s",
                 is_raw_tag(plan->platform) ? "the platform with tag " : "", plan->platform,
                 target->platform);
}

static bool platform_unsure(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    bool tag_expected = at_least(builder(plan), 9, 0, 0);

    if (platforms_differ(plan, target) && tag_may_fit(plan->platform, target->platform)) {
        cure(reason, "prove it with a trial load on the device, or build it there");
        return fired(reason, "built for platform %s; whether that is this %s is not established",
                     plan->platform, target->platform);
    }
    if (!tag_expected || (plan->platform[0] && target->platform && target->platform[0]))
        return false;
    cure(reason, "name the device fully, or prove it with a trial load");
    return fired(reason, "the platform of %s is not known",
                 plan->platform[0] ? "the device" : "the engine");
}

/* Up to 8.6 no tag: an engine of a Jetson gives itself away by its integrated GPU. */
static bool integrated_differs(const struct tn_plan *plan, const struct tn_compat_target *target,
                               struct tn_reason *reason)
{
    const struct tn_gpu *gpu = target->gpu;

    if (plan->platform[0] || !gpu || gpu->integrated < 0 || plan->gpu.integrated < 0 ||
        gpu->integrated == plan->gpu.integrated)
        return false;
    cure(reason, "build it on such a device: tenon get MODEL there");
    return fired(reason, "built on %s, this device is %s",
                 plan->gpu.integrated ? "a Jetson (integrated GPU)" : "a machine with a GPU board",
                 gpu->integrated ? "a Jetson (integrated GPU)" : "a machine with a GPU board");
}

static bool rtx_other_platform(const struct tn_plan *plan, const struct tn_compat_target *target,
                               struct tn_reason *reason)
{
    if (!platforms_differ(plan, target))
        return false;
    cure(reason, "prove it with a trial load there, or build it there: tenon get MODEL");
    return fired(reason, "built on %s, this device is %s", plan->platform, target->platform);
}

/* ---- lean runtimes and version-compatible engines ------------------------------------------ */

static bool host_code(const struct tn_plan *plan, const struct tn_compat_target *target,
                      struct tn_reason *reason)
{
    if (plan->lean_runtime_inside != 1 || target->allow_host_code)
        return false;
    cure(reason, "if you trust where it came from: --allow-host-code here, "
                 "IRuntime::setEngineHostCodeAllowed(true) in the application");
    return fired(reason, "a lean runtime (code for the CPU) is inside, and host code is not "
                         "allowed: the runtime looks no further");
}

static bool dispatch_without_lean(const struct tn_plan *plan, const struct tn_compat_target *target,
                                  struct tn_reason *reason)
{
    if (!is_dispatch(target) || through_lean(plan, target) || plan->lean_runtime_inside < 0 ||
        other_mark(plan, target))
        return false;
    cure(reason,
         "build it version-compatible with the lean runtime inside, or use the full "
         "runtime %s",
         built_by_text(plan).is);
    return fired(reason, "no lean runtime inside; a dispatch runtime has no other way to run it");
}

static bool dispatch_lean_unknown(const struct tn_plan *plan, const struct tn_compat_target *target,
                                  struct tn_reason *reason)
{
    if (!is_dispatch(target) || through_lean(plan, target) || plan->lean_runtime_inside >= 0 ||
        other_mark(plan, target))
        return false;
    cure(reason, "prove it with a trial load");
    return fired(reason, "a dispatch runtime needs a lean runtime inside; this layout does not "
                         "tell whether there is one");
}

static bool lean_library_other_major(const struct tn_plan *plan,
                                     const struct tn_compat_target *target,
                                     struct tn_reason *reason)
{
    const struct tn_version *lean = &target->lean_library;

    (void)plan;
    if (lean->parts == 0 || runs(target)->parts == 0 || lean->part[0] == runs(target)->part[0])
        return false;
    cure(reason,
         "never load a lean library of another major version; use runtime %u.x or lean %u.x",
         lean->part[0], runs(target)->part[0]);
    return fired(reason,
                 "the lean library is TensorRT %u, the runtime is %s: the process dies "
                 "without a message",
                 lean->part[0], runtime_text(target).is);
}

static bool uses_library(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return target->lean_library.parts > 0 && plan->lean_runtime_inside != 1;
}

static bool lean_library_other_release(const struct tn_plan *plan,
                                       const struct tn_compat_target *target,
                                       struct tn_reason *reason)
{
    const struct tn_version *lean = &target->lean_library;

    if (!uses_library(plan, target) || builder(plan)->parts == 0 ||
        tn_version_compare(lean, builder(plan)) == 0)
        return false;
    cure(reason, "give the lean library of %s", built_by_text(plan).is);
    return fired(reason, "built by %s; the lean library is %s", built_by_text(plan).is,
                 release(TN_FLAVOR_TENSORRT, lean).is);
}

static bool lean_library_release_unknown(const struct tn_plan *plan,
                                         const struct tn_compat_target *target,
                                         struct tn_reason *reason)
{
    const struct tn_version *lean = &target->lean_library;

    if (!uses_library(plan, target) || builder(plan)->parts == 0 ||
        tn_version_compare(lean, builder(plan)) != 0 || tn_version_same(lean, builder(plan)))
        return false;
    cure(reason, "give the lean library of exactly %s, and prove it with a trial load",
         built_by_text(plan).is);
    return fired(reason, "built by %s; of the lean library only %s is known",
                 built_by_text(plan).is, release(TN_FLAVOR_TENSORRT, lean).is);
}

/* Exact sizes of lean libraries, which a section LEAN copies byte for byte. */
static const struct tn_version *lean_release_by_size(int64_t bytes)
{
    static const struct {
        int64_t bytes;
        struct tn_version version;
    } known[] = {
        { 102446216, { .part = { 10, 15, 1, 29 }, .parts = 4 } },
    };

    for (size_t i = 0; i < TN_COUNT(known); i++)
        if (known[i].bytes == bytes)
            return &known[i].version;
    return NULL;
}

static int64_t lean_bytes(const struct tn_plan *plan)
{
    for (int i = 0; i < plan->section_count; i++)
        if (strcmp(plan->section[i].tag, "LEAN") == 0)
            return plan->section[i].length;
    return TN_UNKNOWN;
}

static bool lean_inside_other_release(const struct tn_plan *plan,
                                      const struct tn_compat_target *target,
                                      struct tn_reason *reason)
{
    const struct tn_version *inside = lean_release_by_size(lean_bytes(plan));

    (void)target;
    if (plan->lean_runtime_inside != 1 || !inside || builder(plan)->parts == 0 ||
        tn_version_same(inside, builder(plan)))
        return false;
    cure(reason, "build it again with the lean library of %s beside the builder",
         built_by_text(plan).is);
    return fired(reason,
                 "built by %s, but the lean runtime inside has the size of the one of %s, "
                 "which cannot read it",
                 built_by_text(plan).is, release(TN_FLAVOR_TENSORRT, inside).is);
}

/* Crossings of a major version that any document allows: 8 to 9 to 10 (10.x documents), 8 to 10 and
 * 10 to 11 (matrix of 11.4). */
static bool crossing_documented(uint32_t from, uint32_t to)
{
    return (from == 8 && (to == 9 || to == 10)) || (from == 9 && to == 10) ||
           (from == 10 && to == 11);
}

static bool vc_cannot_cross(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    uint32_t from = builder(plan)->part[0];
    uint32_t to = runs(target)->part[0];

    if (!through_lean(plan, target) || !majors_known(plan, target) || from == to ||
        crossing_documented(from, to))
        return false;
    cure(reason, "get one built by TensorRT %u: tenon get MODEL --runtime %s", to,
         runtime_option(target).is);
    return fired(reason, "built by %s; a version-compatible engine does not go to runtime %s",
                 built_by_text(plan).is, runtime_text(target).is);
}

static bool vc_crosses(const struct tn_plan *plan, const struct tn_compat_target *target,
                       struct tn_reason *reason)
{
    uint32_t from = builder(plan)->part[0];
    uint32_t to = runs(target)->part[0];

    if (!through_lean(plan, target) || !majors_known(plan, target) ||
        !crossing_documented(from, to))
        return false;
    cure(reason,
         "do not plan on it: prove it with a trial load, or get one for %s: tenon get MODEL",
         runtime_text(target).is);
    return fired(reason,
                 "built by %s, version-compatible; from major %u to %u documents and field "
                 "reports disagree",
                 built_by_text(plan).is, from, to);
}

static bool same_major(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return majors_known(plan, target) && builder(plan)->part[0] == runs(target)->part[0];
}

static bool vc_backwards(const struct tn_plan *plan, const struct tn_compat_target *target,
                         struct tn_reason *reason)
{
    if (!through_lean(plan, target) || !same_major(plan, target) ||
        tn_version_compare(builder(plan), runs(target)) <= 0)
        return false;
    cure(reason, "prove it with a trial load, or get one for %s: tenon get MODEL",
         runtime_text(target).is);
    return fired(reason,
                 "built by %s, version-compatible, but the runtime %s is older: only the "
                 "way forward is promised",
                 built_by_text(plan).is, runtime_text(target).is);
}

static bool vc_forwards(const struct tn_plan *plan, const struct tn_compat_target *target,
                        struct tn_reason *reason)
{
    if (!through_lean(plan, target) || !same_major(plan, target) ||
        tn_version_compare(builder(plan), runs(target)) > 0)
        return false;
    cure(reason, "prove it with a trial load for this pair of builder and runtime");
    return fired(reason,
                 "built by %s, version-compatible; runtime %s should run it through the "
                 "lean runtime, one of two field reports says it does not",
                 built_by_text(plan).is, runtime_text(target).is);
}

static bool fits_by_version(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return majors_known(plan, target) && tn_version_compare(builder(plan), runs(target)) == 0;
}

static bool lean_ordinary(const struct tn_plan *plan, const struct tn_compat_target *target,
                          struct tn_reason *reason)
{
    bool lean = target->runtime.kind == TN_RUNTIME_LEAN && fits_by_version(plan, target);

    if (plan->version_compatible != 0 || !(lean || uses_library(plan, target)))
        return false;
    cure(reason, "build it version-compatible, or use the full runtime %s", built_by_text(plan).is);
    return fired(reason, "an ordinary engine; a lean runtime runs version-compatible ones only");
}

static bool lean_not_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    if (target->runtime.kind != TN_RUNTIME_LEAN || !fits_by_version(plan, target) ||
        through_lean(plan, target) || plan->version_compatible >= 0)
        return false;
    cure(reason, "prove it with a trial load, or use the full runtime %s", built_by_text(plan).is);
    return fired(reason, "a lean runtime runs version-compatible engines only; the bytes do not "
                         "tell whether this is one");
}

/* ---- version ------------------------------------------------------------------------------ */

/* A dispatch runtime never comes as far as comparing its own release. */
static bool version_counts(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return !through_lean(plan, target) && !is_dispatch(target) && !other_mark(plan, target) &&
           target->runtime.kind != TN_RUNTIME_UNKNOWN && builder(plan)->parts > 0;
}

static bool mark_differs(const struct tn_plan *plan, const struct tn_compat_target *target,
                         struct tn_reason *reason)
{
    if (!other_mark(plan, target))
        return false;
    cure(reason, "get one for it: tenon get MODEL --runtime %s; or run it with %s",
         runtime_option(target).is, built_by_text(plan).is);
    return fired(reason, "built by %s, this runtime is %s; the format changed with 8.6",
                 built_by_text(plan).is, runtime_text(target).is);
}

static bool version_differs(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    if (!version_counts(plan, target) || tn_version_compare(builder(plan), runs(target)) == 0)
        return false;
    cure(reason, "get one for it: tenon get MODEL --runtime %s; or run it with %s",
         runtime_option(target).is, built_by_text(plan).is);
    return fired(reason, "built by %s, this runtime is %s", built_by_text(plan).is,
                 runtime_text(target).is);
}

static bool version_partly_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                                 struct tn_reason *reason)
{
    const struct tn_version *here = runs(target);

    if (!version_counts(plan, target) || tn_version_compare(builder(plan), here) != 0 ||
        tn_version_same(builder(plan), here))
        return false;
    cure(reason, "name all four parts of the runtime's version, or prove it with a trial load");
    if (here->parts == 0)
        return fired(reason, "built by %s; the release of this runtime is not known",
                     built_by_text(plan).is);
    return fired(reason,
                 "built by %s; of this runtime only %s is known, and the build number "
                 "counts too",
                 built_by_text(plan).is, runtime_text(target).is);
}

/* The payload says nothing, only the outer header does: believed as far as "it differs". */
static bool version_from_outside(const struct tn_plan *plan, const struct tn_compat_target *target,
                                 struct tn_reason *reason)
{
    if (plan->version.parts > 0 || plan->version_outer.parts == 0 ||
        !version_counts(plan, target) || !tn_version_same(&plan->version_outer, runs(target)))
        return false;
    cure(reason, "prove it with a trial load");
    return fired(reason,
                 "the header says %s; the version that the runtime compares lies in a part "
                 "of unknown layout",
                 built_by_text(plan).is);
}

/* ---- GPU ---------------------------------------------------------------------------------- */

static bool gpu_not_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                          struct tn_reason *reason)
{
    (void)plan;
    if (cc_known(target->gpu))
        return false;
    cure(reason, "name a device: --device t4, --device FINGERPRINT.json");
    return fired(reason, "the GPU is not known");
}

static bool builders_gpu_not_known(const struct tn_plan *plan,
                                   const struct tn_compat_target *target, struct tn_reason *reason)
{
    if (cc_known(&plan->gpu) || !cc_known(target->gpu))
        return false;
    cure(reason, "prove it with a trial load");
    return fired(reason, "the engine does not tell for which GPU it was built");
}

static bool both_cc_known(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return cc_known(&plan->gpu) && cc_known(target->gpu);
}

static bool cc_differs(const struct tn_plan *plan, const struct tn_compat_target *target,
                       struct tn_reason *reason)
{
    enum tn_hw_compat level = level_of(plan);
    bool portable;

    if (!both_cc_known(plan, target) || cc_of(&plan->gpu) == cc_of(target->gpu))
        return false;
    /* a level that could not be read still cannot be ampere+ on one of these */
    portable = level == TN_HW_COMPAT_AMPERE_PLUS || level == TN_HW_COMPAT_UNKNOWN;
    if (portable && cc_of(&plan->gpu) >= 80 && cc_of(target->gpu) >= 80)
        return false;
    cure(reason, "build it on this GPU: tenon get MODEL%s",
         cc_of(&plan->gpu) >= 80 && cc_of(target->gpu) >= 80 && !is_tegra(target)
             ? "; or with hardware-compatibility ampere+ for both"
             : "");
    return fired(reason, "built for compute capability %s%s, %s has %s", cc_text(&plan->gpu).is,
                 level == TN_HW_COMPAT_AMPERE_PLUS ? " and later (ampere+)" : "",
                 gpu_word(target->gpu), cc_text(target->gpu).is);
}

static bool level_not_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    if (!both_cc_known(plan, target) || level_of(plan) != TN_HW_COMPAT_UNKNOWN ||
        cc_of(&plan->gpu) == cc_of(target->gpu) || cc_of(&plan->gpu) < 80 ||
        cc_of(target->gpu) < 80)
        return false;
    cure(reason, "build it on this GPU: tenon get MODEL");
    return fired(reason,
                 "built on compute capability %s, %s has %s; only an ampere+ engine would "
                 "load, and whether this is one cannot be read",
                 cc_text(&plan->gpu).is, gpu_word(target->gpu), cc_text(target->gpu).is);
}

static bool level_on_jetson(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    if (level_of(plan) <= TN_HW_COMPAT_NONE || !is_tegra(target))
        return false;
    cure(reason, "build it on the Jetson without a level: tenon get MODEL there");
    return fired(reason, "built with hardware compatibility %s, which JetPack does not support",
                 tn_hw_compat_name(plan->hw_compat));
}

static bool cc_below_release(const struct tn_plan *plan, const struct tn_compat_target *target,
                             struct tn_reason *reason)
{
    static const struct {
        uint32_t major, minor;
        int cc;
    } floor[] = { { 10, 5, 75 }, { 10, 0, 70 }, { 9, 0, 60 }, { 8, 6, 50 } };

    (void)plan;
    if (!cc_known(target->gpu) || runs(target)->parts < 2 || target->runtime.kind == TN_RUNTIME_RTX)
        return false;
    for (size_t i = 0; i < TN_COUNT(floor); i++) {
        if (!at_least(runs(target), floor[i].major, floor[i].minor, 0))
            continue;
        if (cc_of(target->gpu) >= floor[i].cc)
            return false;
        cure(reason, "use a TensorRT before %u.%u on this GPU", floor[i].major, floor[i].minor);
        return fired(reason, "%s has compute capability %s; TensorRT %u.%u and later need %d.%d",
                     gpu_word(target->gpu), cc_text(target->gpu).is, floor[i].major, floor[i].minor,
                     floor[i].cc / 10, floor[i].cc % 10);
    }
    return false;
}

/* Parts of the device class, named for people. Memory counts in whole GiB, rounded up. */
enum { CLASS_PARTS = 5 };

struct class_part {
    int64_t built, here;
    const char *unit;
    const char *name;
};

static int64_t whole_gib(int64_t bytes)
{
    static const int64_t gib = 1024LL * MIB;

    return bytes < 0 ? TN_UNKNOWN : bytes / gib + (bytes % gib != 0);
}

static void class_parts(const struct tn_gpu *built, const struct tn_gpu *here,
                        struct class_part ret_part[CLASS_PARTS])
{
    ret_part[0] = (struct class_part) { built->sm_count, here->sm_count, "SM", "SM count" };
    ret_part[1] = (struct class_part) { built->bus_bits, here->bus_bits, "bit bus", "bus width" };
    ret_part[2] = (struct class_part) { built->l2_bytes, here->l2_bytes, "bytes of L2", "L2 size" };
    ret_part[3] = (struct class_part) { whole_gib(built->memory_bytes),
                                        whole_gib(here->memory_bytes), "GiB", "memory size" };
    ret_part[4] = (struct class_part) { built->integrated, here->integrated, "integrated",
                                        "integrated or discrete" };
}

/* An engine without a level is tuned for one class. For the others the class does not matter. */
static bool class_counts(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return both_cc_known(plan, target) && cc_of(&plan->gpu) == cc_of(target->gpu) &&
           level_of(plan) <= TN_HW_COMPAT_NONE;
}

static bool other_class(const struct tn_plan *plan, const struct tn_compat_target *target,
                        struct tn_reason *reason)
{
    struct class_part part[CLASS_PARTS];
    char built[96] = "", here[96] = "";

    if (!class_counts(plan, target))
        return false;
    class_parts(&plan->gpu, target->gpu, part);
    for (int i = 0; i < CLASS_PARTS; i++) {
        if (part[i].built < 0 || part[i].here < 0 || part[i].built == part[i].here)
            continue;
        add(built, sizeof(built), "%s%lld %s", built[0] ? ", " : "", (long long)part[i].built,
            part[i].unit);
        add(here, sizeof(here), "%s%lld", here[0] ? ", " : "", (long long)part[i].here);
    }
    if (!built[0])
        return false;
    cure(reason, "runs as a rule, slower than its own build: tenon get MODEL builds one here; else "
                 "--accept may-load");
    return fired(reason, "built on another board of compute capability %s: %s; %s has %s",
                 cc_text(&plan->gpu).is, built, gpu_word(target->gpu), here);
}

static bool class_not_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    struct class_part part[CLASS_PARTS];
    char missing[96] = "";

    if (!class_counts(plan, target))
        return false;
    class_parts(&plan->gpu, target->gpu, part);
    for (int i = 0; i < CLASS_PARTS; i++) {
        if (part[i].built >= 0 && part[i].here >= 0 && part[i].built != part[i].here)
            return false; /* other_class() has said it */
        if (part[i].built < 0 || part[i].here < 0)
            add(missing, sizeof(missing), "%s%s", missing[0] ? ", " : "", part[i].name);
    }
    if (!missing[0])
        return false;
    cure(reason,
         "check against the device's own fingerprint: tenon device --output FILE.json there");
    return fired(reason, "same compute capability %s, but not known of engine or board: %s",
                 cc_text(&plan->gpu).is, missing);
}

/* ---- TensorRT-RTX ------------------------------------------------------------------------- */

static bool named_in_mask(const struct tn_plan *plan, int cc)
{
    for (int i = 0; i < plan->ccs.count; i++)
        if (plan->ccs.cc[i] == cc)
            return true;
    /* the last bit is ">12.0" in the runtime's own words */
    return plan->ccs.later && cc > 120;
}

static bool outside_mask(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    return cc_known(target->gpu) && !named_in_mask(plan, cc_of(target->gpu));
}

static void mask_text(const struct tn_plan *plan, char *ret_text, size_t size)
{
    ret_text[0] = '\0';
    for (int i = 0; i < plan->ccs.count; i++)
        add(ret_text, size, "%s%d.%d", i ? " " : "", plan->ccs.cc[i] / 10, plan->ccs.cc[i] % 10);
    if (plan->ccs.later)
        add(ret_text, size, "%slater", ret_text[0] ? " and " : "");
    if (!ret_text[0])
        add(ret_text, size, "none");
}

/* What setComputeCapability() of 1.4 to 1.7 takes. */
static bool rtx_builds_for(int cc)
{
    return cc == 75 || cc == 80 || cc == 86 || cc == 89 || cc == 120 || cc == 121;
}

static bool say_outside(const struct tn_plan *plan, const struct tn_compat_target *target,
                        struct tn_reason *reason)
{
    char mask[64];
    mask_text(plan, mask, sizeof(mask));
    if (rtx_builds_for(cc_of(target->gpu)))
        cure(reason, "get one that names %s: tenon get MODEL", cc_text(target->gpu).is);
    else
        cure(reason,
             "TensorRT-RTX does not build for %s; use TensorRT on this GPU: tenon get "
             "MODEL --runtime trt",
             cc_text(target->gpu).is);
    return fired(reason, "built for compute capabilities %s; %s has %s", mask,
                 gpu_word(target->gpu), cc_text(target->gpu).is);
}

/* Where no runtime is named it can only be the engine's own release: no other one loads it. */
static bool mask_enforced(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    const struct tn_version *version = runs(target);

    return at_least(version->parts > 0 ? version : &plan->version, 1, 7, 0);
}

static bool rtx_mask_refuses(const struct tn_plan *plan, const struct tn_compat_target *target,
                             struct tn_reason *reason)
{
    return outside_mask(plan, target) && mask_enforced(plan, target) &&
           say_outside(plan, target, reason);
}

static bool rtx_mask_lenient(const struct tn_plan *plan, const struct tn_compat_target *target,
                             struct tn_reason *reason)
{
    return outside_mask(plan, target) && !mask_enforced(plan, target) &&
           say_outside(plan, target, reason);
}

static bool rtx_driver_old(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    if (target->cuda_driver <= 0 || plan->cuda_driver <= target->cuda_driver)
        return false;
    cure(reason, "update the driver, or build it here: tenon get MODEL");
    return fired(reason, "built under a driver for CUDA %lld.%lld; this driver speaks %lld.%lld",
                 (long long)(plan->cuda_driver / 1000), (long long)(plan->cuda_driver % 1000 / 10),
                 (long long)(target->cuda_driver / 1000),
                 (long long)(target->cuda_driver % 1000 / 10));
}

static bool rtx_cuda_newer(const struct tn_plan *plan, const struct tn_compat_target *target,
                           struct tn_reason *reason)
{
    if (target->cuda_driver <= 0 || plan->cuda_runtime / 1000 <= target->cuda_driver / 1000)
        return false;
    cure(reason, "update the driver to one that speaks CUDA %lld",
         (long long)(plan->cuda_runtime / 1000));
    return fired(
        reason, "built with CUDA %lld.%lld; this driver speaks %lld.%lld",
        (long long)(plan->cuda_runtime / 1000), (long long)(plan->cuda_runtime % 1000 / 10),
        (long long)(target->cuda_driver / 1000), (long long)(target->cuda_driver % 1000 / 10));
}

/* ---- driver, weights, memory --------------------------------------------------------------- */

static bool release_needs_driver(const struct tn_plan *plan, const struct tn_compat_target *target,
                                 struct tn_reason *reason)
{
    static const struct {
        uint32_t major, minor, patch;
        int cuda;
        const char *driver;
    } row[] = { { 10, 13, 2, 12, "525" } };

    (void)plan;
    if (target->cuda_driver <= 0 || target->runtime.kind == TN_RUNTIME_RTX)
        return false;
    for (size_t i = 0; i < TN_COUNT(row); i++) {
        if (!at_least(runs(target), row[i].major, row[i].minor, row[i].patch) ||
            target->cuda_driver >= row[i].cuda * 1000)
            continue;
        cure(reason, "update the driver to %s or newer (CUDA %d)", row[i].driver, row[i].cuda);
        return fired(reason, "TensorRT %s needs CUDA %d or newer; this driver speaks %lld.%lld",
                     runtime_text(target).is, row[i].cuda, (long long)(target->cuda_driver / 1000),
                     (long long)(target->cuda_driver % 1000 / 10));
    }
    return false;
}

static bool stripped(const struct tn_plan *plan, const struct tn_compat_target *target,
                     struct tn_reason *reason)
{
    (void)target;
    if (plan->stripped != 1)
        return false;
    cure(reason, "refit it from its ONNX model before use, or get one with weights: tenon get "
                 "MODEL");
    return fired(reason, "built without its weights: it loads without a message and returns zeros "
                         "until it is refitted");
}

/* Stripping came with 10.0 (9.x called it weightless). */
static bool strip_not_known(const struct tn_plan *plan, const struct tn_compat_target *target,
                            struct tn_reason *reason)
{
    (void)target;
    if (plan->stripped >= 0 ||
        (plan->flavor == TN_FLAVOR_TENSORRT && !at_least(builder(plan), 9, 0, 0)))
        return false;
    cure(reason, "run it once and look at the numbers, or build it again: tenon get MODEL");
    return fired(reason, "whether its weights were stripped cannot be read in this layout; without "
                         "them it returns zeros");
}

static bool memory_short(const struct tn_plan *plan, const struct tn_compat_target *target,
                         struct tn_reason *reason)
{
    const int64_t needed = plan->size + 512LL * MIB;

    if (target->gpu_free_bytes < 0 || target->gpu_free_bytes >= needed)
        return false;
    cure(reason, "free GPU memory and try again; the engine itself is kept");
    return fired(reason,
                 "%lld MiB of GPU memory are free, the engine and its start need about %lld",
                 (long long)(target->gpu_free_bytes / MIB), (long long)(needed / MIB));
}

/* ---- the table ----------------------------------------------------------------------------- */

#define MEASURED(text)   TN_GROUND_MEASURED, "measured: " text
#define DOCUMENTED(text) TN_GROUND_DOCUMENTED, "documented: " text
#define FIELD(text)      TN_GROUND_FIELD_REPORT, "field report: " text
#define INFERRED(text)   TN_GROUND_INFERRED, "inferred: " text

#define WONT TN_VERDICT_WONT_LOAD
#define MAY  TN_VERDICT_MAY_LOAD
#define OPEN TN_VERDICT_UNKNOWN

#define F TN_RULE_FILE
#define E TN_RULE_ENGINE
#define T TN_RULE_TENSORRT
#define R TN_RULE_RTX

static const struct tn_rule rules[] = {
    { "not-an-engine", TN_REASON_NOT_AN_ENGINE, WONT,
      MEASURED("every runtime tried refuses a timing cache, an ONNX model and empty bytes"), F,
      not_an_engine },
    { "no-known-magic", TN_REASON_NOT_AN_ENGINE, WONT,
      MEASURED("8.6, 10.6, 10.15, 11.2 and RTX refuse bytes without their mark"), F,
      no_known_magic },
    { "unknown-file", TN_REASON_NOT_AN_ENGINE, OPEN,
      INFERRED("a later release may know a layout that this Tenon does not"), F, unknown_file },
    { "wrapped", TN_REASON_WRAPPED, WONT,
      DOCUMENTED("the wrapper's own loader skips these bytes, TensorRT does not"), F, wrapped },
    { "truncated", TN_REASON_TRUNCATED, WONT,
      MEASURED("8.6, 10.6 and RTX refuse every cut and every appended byte"), F, truncated },
    { "checksum-wrong", TN_REASON_CORRUPT, WONT,
      MEASURED("the CRC-32 of TensorRT 6.0 to 8.0 held in 73 of 73 engines"), F, checksum_wrong },
    { "other-flavor", TN_REASON_FLAVOR, WONT,
      MEASURED("RTX engines on 8.6 to 11.4 and TensorRT engines on RTX: all refused"), E,
      other_flavor },
    { "runtime-not-named", TN_REASON_UNKNOWN, MAY,
      DOCUMENTED("without a runtime the version gate cannot be passed"), E, runtime_not_named },
    { "builder-unknown", TN_REASON_UNKNOWN, OPEN,
      DOCUMENTED("without the builder's release the version gate cannot be passed"), E,
      builder_unknown },

    { "mark-differs", TN_REASON_TRT_VERSION, WONT,
      MEASURED(
          "8.6, 10.6, 10.15, 11.2, every lean and dispatch runtime refuse engines of 7 and 8.4"),
      T, mark_differs },
    { "other-platform", TN_REASON_PLATFORM, WONT,
      MEASURED("10.6 refuses another platform tag; operating system and architecture must match"),
      T, other_platform },
    { "platform-unsure", TN_REASON_PLATFORM, MAY,
      INFERRED("tags of Linux x86-64 and of Jetson are established, the others are not"), T,
      platform_unsure },
    { "integrated-differs", TN_REASON_PLATFORM, WONT,
      DOCUMENTED("an engine never moves between x86 and Jetson; up to 8.6 only the GPU tells"), T,
      integrated_differs },
    { "rtx-other-platform", TN_REASON_PLATFORM, MAY,
      DOCUMENTED("RTX engines go between Windows and Linux; other moves are not stated"), R,
      rtx_other_platform },

    { "host-code", TN_REASON_HOST_CODE, WONT,
      MEASURED("every runtime from 8.6 to 11.4 refuses it first, before any other check"), T,
      host_code },
    { "dispatch-without-lean", TN_REASON_LEAN_RUNTIME, WONT,
      MEASURED("dispatch 10.15 and 11.2: call to a stub, whatever built the engine"), T,
      dispatch_without_lean },
    { "dispatch-lean-unknown", TN_REASON_LEAN_RUNTIME, MAY,
      MEASURED("dispatch 10.15 and 11.2 need a lean runtime inside"), T, dispatch_lean_unknown },
    { "lean-library-other-major", TN_REASON_LEAN_RUNTIME, WONT,
      MEASURED(
          "28 of 28 loads of a newer major's library died by SIGSEGV; an older one is refused"),
      T, lean_library_other_major },
    { "lean-library-other-release", TN_REASON_TRT_VERSION, WONT,
      MEASURED("lean 10.15 and 10.16 refuse a 10.6 engine, lean 11 an 8.6 and a 10.6 one"), T,
      lean_library_other_release },
    { "lean-library-release-unknown", TN_REASON_TRT_VERSION, MAY,
      MEASURED("lean 10.15 and 10.16 refuse a 10.6 engine: the same major is not enough"), T,
      lean_library_release_unknown },
    { "lean-inside-other-release", TN_REASON_TRT_VERSION, WONT,
      MEASURED("10.6 built an engine around lean 10.15 without a word; no runtime loads it"), T,
      lean_inside_other_release },
    { "vc-cannot-cross", TN_REASON_TRT_VERSION, WONT,
      DOCUMENTED("8 to 10 and 10 to 11 are the only crossings; measured: 8.6 refuses 10.6"), T,
      vc_cannot_cross },
    { "vc-crosses", TN_REASON_TRT_VERSION, MAY, FIELD("10 to 11 failed, the 11.4 matrix allows it"),
      T, vc_crosses },
    { "vc-backwards", TN_REASON_TRT_VERSION, MAY,
      FIELD("worked once from 11.3 to 11.2; documents promise the way forward only"), T,
      vc_backwards },
    { "vc-forwards", TN_REASON_TRT_VERSION, MAY,
      FIELD("11.2 to 11.3 worked, 10.13 to 10.16 failed, against the documents"), T, vc_forwards },
    { "lean-ordinary", TN_REASON_LEAN_RUNTIME, WONT,
      DOCUMENTED("a lean runtime runs version-compatible engines of its release only"), T,
      lean_ordinary },
    { "lean-not-known", TN_REASON_LEAN_RUNTIME, MAY,
      DOCUMENTED("a lean runtime runs version-compatible engines of its release only"), T,
      lean_not_known },

    { "rtx-mask-refuses", TN_REASON_COMPUTE_CAPABILITY, WONT,
      MEASURED("RTX 1.7 refuses a GPU outside the engine's list before it looks at the version"), R,
      rtx_mask_refuses },

    { "version-differs", TN_REASON_TRT_VERSION, WONT,
      MEASURED("only the exact release loads an engine; every other one tried refused it"), T | R,
      version_differs },
    { "version-partly-known", TN_REASON_TRT_VERSION, MAY,
      DOCUMENTED("major, minor, patch and build must all be equal"), T | R, version_partly_known },
    { "version-from-outside", TN_REASON_TRT_VERSION, MAY,
      MEASURED("the runtime ignores the outer version and compares the one in the payload"), T | R,
      version_from_outside },

    { "rtx-mask-lenient", TN_REASON_COMPUTE_CAPABILITY, MAY,
      MEASURED("RTX 1.4 loaded five of five engines outside their list; 1.5 and 1.6 were not "
               "tried"),
      R, rtx_mask_lenient },
    { "gpu-not-known", TN_REASON_UNKNOWN, MAY,
      DOCUMENTED("without the GPU the compute capability gate cannot be passed"), E,
      gpu_not_known },
    { "builders-gpu-not-known", TN_REASON_UNKNOWN, MAY,
      DOCUMENTED("without the builder's GPU the compute capability gate cannot be passed"), T,
      builders_gpu_not_known },
    { "cc-differs", TN_REASON_COMPUTE_CAPABILITY, WONT,
      MEASURED("8.6 and 10.6 refuse any other compute capability, 9.0 against 9.1 too"), T,
      cc_differs },
    { "level-not-known", TN_REASON_COMPUTE_CAPABILITY, MAY,
      DOCUMENTED("only an engine built with a hardware compatibility level moves"), T,
      level_not_known },
    { "level-on-jetson", TN_REASON_COMPUTE_CAPABILITY, WONT,
      DOCUMENTED("hardware compatibility levels exist neither on JetPack nor on DRIVE OS"), T,
      level_on_jetson },
    { "cc-below-release", TN_REASON_COMPUTE_CAPABILITY, WONT,
      DOCUMENTED("support matrices: 8.6 needs 5.0, 9.0 6.0, 10.0 7.0, 10.5 and later 7.5"), T,
      cc_below_release },
    { "other-class", TN_REASON_DEVICE_MODEL, MAY,
      MEASURED("any other difference of the GPU gives a warning and equal numbers; field: now and "
               "then a failure"),
      T, other_class },
    { "class-not-known", TN_REASON_DEVICE_MODEL, MAY,
      MEASURED("another board of the same compute capability gives only a warning"), T,
      class_not_known },

    { "rtx-driver-old", TN_REASON_DRIVER_OLD, MAY,
      MEASURED("RTX 1.4 reports an old driver and loads nevertheless"), R, rtx_driver_old },
    { "rtx-cuda-newer", TN_REASON_DRIVER_OLD, MAY,
      MEASURED("RTX 1.4 reports an old CUDA and loads nevertheless"), R, rtx_cuda_newer },
    { "release-needs-driver", TN_REASON_DRIVER_OLD, WONT,
      DOCUMENTED("10.13.2 dropped CUDA 11; CUDA 12 needs driver 525"), T, release_needs_driver },
    { "stripped", TN_REASON_NEEDS_REFIT, WONT,
      MEASURED("10.6 and RTX 1.4 load it without a message and return zeros"), T | R, stripped },
    { "strip-not-known", TN_REASON_NEEDS_REFIT, MAY,
      MEASURED("a stripped engine loads without a message and returns zeros"), T | R,
      strip_not_known },
    { "memory-short", TN_REASON_NO_MEMORY, MAY,
      MEASURED("a load took the engine's size and about 100 MiB beside the CUDA context"), T | R,
      memory_short },
};

const struct tn_rule *tn_compat_rules(size_t *ret_count)
{
    *ret_count = TN_COUNT(rules);
    return rules;
}
