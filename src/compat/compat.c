#include "compat/compat.h"

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
