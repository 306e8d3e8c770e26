#include "toolchain/trial_result.h"

#include "base/json.h"
#include "base/text.h"

/* In the order in which a trial goes through them. */
static const char *const phases[] = { "driver",      "context",      "library", "runtime",
                                      "deserialize", "exec-context", "run" };

static void take_phases(const json_t *seconds, struct tn_trial_result *result)
{
    for (size_t i = 0; i < TN_COUNT(phases) && result->phase_count < TN_TRIAL_PHASES_MAX; i++) {
        const json_t *value = json_object_get(seconds, phases[i]);

        if (json_is_number(value))
            result->phase[result->phase_count++] =
                (struct tn_trial_phase) { phases[i],
                                          (int64_t)(json_number_value(value) * 1e3 + 0.5) };
    }
}

static void take_suspects(const json_t *names, struct tn_trial_result *result)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(65536);
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (!json_is_string(name))
            continue;
        tn_buf_adds(&text, text.size ? ", " : "");
        tn_text_add_safe(&text, json_string_value(name), json_string_length(name));
    }
    (void)tn_text_copy(result->suspect, sizeof(result->suspect), tn_buf_text(&text));
}

static void take_words(const struct tn_build_result *judged, struct tn_trial_result *result)
{
    result->outcome = judged->outcome;
    (void)tn_text_copy(result->stage, sizeof(result->stage), judged->stage);
    (void)tn_text_copy(result->reason, sizeof(result->reason), judged->reason);
    (void)tn_text_copy(result->first_line, sizeof(result->first_line), judged->first_line);
    (void)tn_text_copy(result->cure, sizeof(result->cure), judged->cure);
}

void tn_trial_result_take(struct tn_trial_result *result, const struct tn_hearing *hearing,
                          const struct tn_build_result *judged)
{
    take_words(judged, result);
    result->ran = tn_json_bool(hearing->answer, "ran", false);
    result->total_ms += (int64_t)(judged->total_seconds * 1e3);
    take_phases(json_object_get(hearing->answer, "seconds"), result);
    take_suspects(json_object_get(hearing->answer, "suspect"), result);
}

void tn_trial_result_fail(struct tn_trial_result *result, const char *stage, const char *reason,
                          const char *text)
{
    struct tn_build_result judged = { .outcome = TN_BUILD_TROUBLE };

    (void)tn_text_copy(judged.stage, sizeof(judged.stage), stage);
    tn_hearing_fail(&judged, reason, "%s", text);
    take_words(&judged, result);
}
