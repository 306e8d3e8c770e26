#include "compat/compat.h"

#include <string.h>

static const char *const verdict_names[] = { "loads", "may-load", "unknown", "wont-load" };

static const char *const reason_names[] = {
#define X(name, text) text,
    TN_REASONS(X)
#undef X
};

const char *tn_verdict_name(enum tn_verdict verdict)
{
    return verdict_names[verdict];
}

const char *tn_reason_name(enum tn_reason_code code)
{
    return reason_names[code];
}

/* Which rows are asked: those about flavors' insides only where plan and runtime are of one flavor,
 * since everything after a foreign magic number would be noise. */
static unsigned rows_for(const struct tn_plan *plan, const struct tn_compat_target *target)
{
    enum tn_flavor reads = tn_runtime_flavor(target->runtime.kind);

    if (plan->kind != TN_FILE_ENGINE)
        return TN_RULE_FILE;
    if (reads != TN_FLAVOR_UNKNOWN && plan->flavor != TN_FLAVOR_UNKNOWN && reads != plan->flavor)
        return TN_RULE_FILE | TN_RULE_ENGINE;
    if (plan->flavor == TN_FLAVOR_RTX)
        return TN_RULE_FILE | TN_RULE_ENGINE | TN_RULE_RTX;
    return TN_RULE_FILE | TN_RULE_ENGINE | TN_RULE_TENSORRT;
}

/* Keeps what decides in front; among equals the order of the rules, which is a runtime's own. */
static void add_reason(struct tn_answer *answer, const struct tn_reason *reason)
{
    int at = answer->reason_count;

    if (at == TN_REASONS_MAX)
        return;
    for (; at > 0 && answer->reason[at - 1].verdict < reason->verdict; at--)
        answer->reason[at] = answer->reason[at - 1];
    answer->reason[at] = *reason;
    answer->reason_count++;
}

/* The reasons take 11 KiB: only what is said is written. */
void tn_compat_check(const struct tn_plan *plan, const struct tn_compat_target *target,
                     struct tn_answer *ret_answer)
{
    unsigned asked = rows_for(plan, target);
    struct tn_reason reason;
    size_t count;
    const struct tn_rule *rule = tn_compat_rules(&count);

    ret_answer->verdict = TN_VERDICT_LOADS;
    ret_answer->reason_count = 0;
    ret_answer->by = "rule";
    for (; count > 0; count--, rule++) {
        if (!(rule->applies & asked))
            continue;
        reason.code = rule->code;
        reason.verdict = rule->verdict;
        reason.ground = rule->why;
        reason.detail[0] = reason.remedy[0] = '\0';
        if (!rule->fires(plan, target, &reason))
            continue;
        if (reason.verdict > ret_answer->verdict)
            ret_answer->verdict = reason.verdict;
        add_reason(ret_answer, &reason);
    }
}

/* ---- the part of a plan that counts ---- */

static struct tn_gpu gpu_part(const struct tn_gpu *gpu)
{
    struct tn_gpu part = tn_gpu_unknown();

    part.cc_major = gpu->cc_major;
    part.cc_minor = gpu->cc_minor;
    part.sm_count = gpu->sm_count;
    part.memory_bytes = gpu->memory_bytes;
    part.l2_bytes = gpu->l2_bytes;
    part.bus_bits = gpu->bus_bits;
    part.integrated = gpu->integrated;
    memcpy(part.mig, gpu->mig, sizeof(part.mig));
    return part;
}

/* Of the sections only the length of a lean runtime tells something: its release. */
static void section_part(const struct tn_plan *plan, struct tn_plan *part)
{
    for (int i = 0; i < plan->section_count && part->section_count == 0; i++)
        if (strcmp(plan->section[i].tag, "LEAN") == 0)
            part->section[part->section_count++] = (struct tn_plan_section) {
                .tag = "LEAN", .offset = TN_UNKNOWN, .length = plan->section[i].length
            };
}

struct tn_plan tn_compat_part(const struct tn_plan *plan)
{
    struct tn_plan part = {
        .kind = plan->kind,
        .flavor = plan->flavor,
        .size = TN_UNKNOWN,
        .expected_size = TN_UNKNOWN,
        .complete = plan->complete,
        .integrity = plan->integrity,
        .version = plan->version,
        .version_outer = plan->version_outer,
        .serialization_number = TN_UNKNOWN,
        .max_batch = TN_UNKNOWN,
        .gpu = gpu_part(&plan->gpu),
        .has_gpu = plan->has_gpu,
        .ccs = plan->ccs,
        .cuda_runtime = plan->cuda_runtime,
        .cuda_driver = plan->cuda_driver,
        .weight_bytes = TN_UNKNOWN,
        .hw_compat = plan->hw_compat,
        .refit = TN_REFIT_UNKNOWN,
        .lean_runtime_inside = plan->lean_runtime_inside,
        .stripped = plan->stripped,
        .weight_streaming = -1,
        .version_compatible = plan->version_compatible,
        .payload_offset = TN_UNKNOWN,
    };

    memcpy(part.platform, plan->platform, sizeof(part.platform));
    memcpy(part.wrapper, plan->wrapper, sizeof(part.wrapper));
    section_part(plan, &part);
    return part;
}

static void add_version(struct tn_buf *text, const struct tn_version *version)
{
    char number[TN_VERSION_TEXT];

    tn_version_print(version, number);
    tn_buf_addf(text, " v%s", number);
}

static void add_numbers(struct tn_buf *text, const int64_t *number, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tn_buf_addf(text, " %lld", (long long)number[i]);
}

static void add_ccs(struct tn_buf *text, const struct tn_cc_set *ccs)
{
    tn_buf_addf(text, " ccs%llx,%d", (unsigned long long)ccs->mask, ccs->later);
    for (int i = 0; i < ccs->count; i++)
        tn_buf_addf(text, ",%d", ccs->cc[i]);
}

void tn_compat_part_add(struct tn_buf *text, const struct tn_plan *part)
{
    const struct tn_gpu *gpu = &part->gpu;
    const int64_t number[] = { part->kind,
                               part->flavor,
                               part->complete,
                               part->integrity,
                               part->has_gpu,
                               gpu->cc_major,
                               gpu->cc_minor,
                               gpu->sm_count,
                               gpu->memory_bytes,
                               gpu->l2_bytes,
                               gpu->bus_bits,
                               gpu->integrated,
                               part->cuda_runtime,
                               part->cuda_driver,
                               part->hw_compat,
                               part->lean_runtime_inside,
                               part->stripped,
                               part->version_compatible,
                               part->section_count ? part->section[0].length : TN_UNKNOWN };

    tn_buf_addf(text, "%zu:%s %zu:%s %zu:%s", strlen(part->platform), part->platform,
                strlen(part->wrapper), part->wrapper, strlen(gpu->mig), gpu->mig);
    add_version(text, &part->version);
    add_version(text, &part->version_outer);
    add_ccs(text, &part->ccs);
    add_numbers(text, number, sizeof(number) / sizeof(number[0]));
}
