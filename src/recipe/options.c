#include "recipe/options.h"

#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct tn_build_options tn_options_default(void)
{
    return (struct tn_build_options) {
        .tf32 = true, .hw_compat = TN_HW_COMPAT_NONE, .dla_core = -1, .optimization_level = -1
    };
}

/* ---- flags ---- */

static const struct {
    const char *name, *instead;
} refused_flags[] = {
    { "FP16", "the ladder chooses the precision" },
    { "BF16", "the ladder chooses the precision" },
    { "FP8", "the ladder chooses the precision" },
    { "FP4", "the ladder chooses the precision" },
    { "INT8", "the ladder chooses the precision" },
    { "INT4", "the ladder chooses the precision" },
    { "TF32", "it is the option tf32" },
};

/* "kStripPlan" never occurs: TensorRT writes kSTRIP_PLAN, people write strip-plan. */
static bool normalize_flag(const char *name, char *ret_flag, size_t size)
{
    size_t length;

    if (name[0] == 'k' && isupper((unsigned char)name[1]))
        name++;
    length = strlen(name);
    if (length >= size || !isalpha((unsigned char)name[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
        ret_flag[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    }
    ret_flag[length] = '\0';
    return true;
}

int tn_options_add_flag(struct tn_build_options *options, const char *name, struct tn_error *err)
{
    char flag[sizeof(options->flag[0])];
    int at = 0;

    if (!normalize_flag(name, flag, sizeof(flag)))
        return tn_fail(err, TN_E_INVALID, "'%.60s' is not a builder flag such as REFIT", name);
    for (size_t i = 0; i < TN_COUNT(refused_flags); i++)
        if (strcmp(flag, refused_flags[i].name) == 0)
            return tn_fail(err, TN_E_INVALID, "flag %s is not taken: %s", flag,
                           refused_flags[i].instead);
    while (at < options->flag_count && strcmp(options->flag[at], flag) < 0)
        at++;
    if (at < options->flag_count && strcmp(options->flag[at], flag) == 0)
        return TN_OK;
    if (options->flag_count == TN_FLAGS_MAX)
        return tn_fail(err, TN_E_TOOBIG, "more than %d builder flags", TN_FLAGS_MAX);
    memmove(options->flag[at + 1], options->flag[at],
            (size_t)(options->flag_count - at) * sizeof(options->flag[0]));
    memcpy(options->flag[at], flag, sizeof(flag));
    options->flag_count++;
    return TN_OK;
}

/* ---- compute capabilities ---- */

/* "75", "120", "8.9", "sm89". The minor number is one digit in every one that NVIDIA has named. */
static bool parse_cc(const char *text, size_t length, int *ret_cc)
{
    const char *dot;
    uint64_t major, minor, cc;

    if (length > 2 && memcmp(text, "sm", 2) == 0) {
        text += 2;
        length -= 2;
    }
    dot = memchr(text, '.', length);
    if (dot) {
        size_t head = (size_t)(dot - text);

        if (!tn_text_u64(text, head, &major) || !tn_text_u64(dot + 1, length - head - 1, &minor) ||
            major > 99 || minor > 9)
            return false;
        cc = major * 10 + minor;
    } else if (!tn_text_u64(text, length, &cc)) {
        return false;
    }
    *ret_cc = (int)cc;
    return cc >= 10 && cc <= 999;
}

static int compare_ints(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;

    return (left > right) - (left < right);
}

static bool has_cc(const int *list, int count, int cc)
{
    for (int i = 0; i < count; i++)
        if (list[i] == cc)
            return true;
    return false;
}

int tn_options_set_ccs(struct tn_build_options *options, const char *text, struct tn_error *err)
{
    int list[TN_PLAN_CCS_MAX];
    int count = 0;

    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        int cc;

        if (!parse_cc(at, length, &cc))
            return tn_fail(err, TN_E_INVALID,
                           "'%.*s' is not a compute capability such as 8.9 or 89",
                           (int)(length > 40 ? 40 : length), at);
        if (!has_cc(list, count, cc)) {
            if (count == TN_PLAN_CCS_MAX)
                return tn_fail(err, TN_E_TOOBIG, "more than %d compute capabilities",
                               TN_PLAN_CCS_MAX);
            list[count++] = cc;
        }
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    qsort(list, (size_t)count, sizeof(list[0]), compare_ints);
    memset(options->cc, 0, sizeof(options->cc));
    memcpy(options->cc, list, (size_t)count * sizeof(list[0]));
    options->cc_count = count;
    return TN_OK;
}
