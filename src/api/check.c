/* Questions behind the public interface: will it load, and what is this machine. */
#include "loader/check.h"

#include "api/loader.h"

#include <stdlib.h>

static void add(json_t *list, json_t *answer, int *rc, struct tn_error *err)
{
    if (json_array_append_new(list, answer) < 0)
        *rc = tn_fail(err, TN_E_NOMEM, "an answer");
}

static int answer_all(const struct tn_check *check, const char *path, json_t *list,
                      struct tn_error *err)
{
    struct tn_check_place nowhere;
    struct tn_check_result result;
    struct tn_plan plan;
    int rc = tn_check_read(path, &plan, err);

    if (rc < 0)
        return tn_while(err, rc, "check '%s'", path);
    if (check->nowhere) {
        tn_check_nowhere(check, &nowhere, &result);
        add(list, tn_check_to_json(path, &nowhere, &result), &rc, err);
    }
    for (size_t i = 0; rc == TN_OK && i < check->place_count; i++) {
        tn_check_answer(check, &check->place[i], path, &plan, &result);
        add(list, tn_check_to_json(path, &check->place[i], &result), &rc, err);
    }
    return rc;
}

int tn_check(const char *path, const struct tn_check_options *options, char **ret_json,
             struct tn_error *err)
{
    struct tn_check_options mine;
    struct tn_check_wish wish;
    tn_auto(tn_check_done) struct tn_check check = { .nowhere = false };
    tn_auto(tn_json_done) json_t *list = json_array();
    int rc = tn_api_options(&mine, sizeof(mine), options, options ? options->size : 0, err);

    if (rc == TN_OK && (!path || !ret_json))
        rc = tn_fail(err, TN_E_USAGE, "tn_check: path and ret_json are needed");
    if (rc == TN_OK && mine.trial_limit_ms < 0)
        rc = tn_fail(err, TN_E_USAGE, "tn_check: trial_limit_ms is negative");
    if (rc < 0)
        return rc;
    wish = (struct tn_check_wish) { .device = &mine.device,
                                    .device_count = mine.device != NULL,
                                    .runtime = mine.runtime,
                                    .gpu = mine.gpu,
                                    .python = mine.python,
                                    .allow_host_code = mine.allow_host_code,
                                    .trial = mine.trial,
                                    .trial_time_limit = mine.trial_limit_ms * TN_NSEC_PER_MS };
    rc = tn_check_begin(&wish, &check, err);
    if (rc == TN_OK)
        rc = answer_all(&check, path, list, err);
    return rc == TN_OK ? tn_api_text(list, ret_json, err) : rc;
}

int tn_device_probe(char **ret_json, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_device *device;
    int rc;

    if (!ret_json)
        return tn_fail(err, TN_E_USAGE, "tn_device_probe: ret_json is needed");
    device = malloc(sizeof(*device)); /* too large for the stack of somebody's thread */
    if (!device)
        return tn_fail(err, TN_E_NOMEM, "probe this machine");
    rc = tn_device_learn(&(struct tn_probe_options) { 0 }, device, err);
    if (rc == TN_OK)
        json = tn_device_to_json(device);
    free(device);
    return rc == TN_OK ? tn_api_text(json, ret_json, err) : rc;
}
