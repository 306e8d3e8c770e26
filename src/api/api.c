/* The public functions of libtenon that are not a module's own. */
#include "api/loader.h"
#include "base/file.h"
#include "plan/plan_json.h"

#include <stdlib.h>
#include <string.h>

const char *tn_library_version(void)
{
    return TN_VERSION;
}

void tn_free(void *memory)
{
    free(memory);
}

int tn_api_options(void *ret_ours, size_t ours, const void *theirs, size_t size,
                   struct tn_error *err)
{
    memset(ret_ours, 0, ours);
    if (!theirs)
        return TN_OK;
    if (size < sizeof(size_t))
        return tn_fail(err, TN_E_USAGE, "options: size is not set");
    for (size_t i = ours; i < size; i++)
        if (((const char *)theirs)[i] != 0)
            return tn_fail(err, TN_E_USAGE, "options: this library %s is older than its caller",
                           TN_VERSION);
    memcpy(ret_ours, theirs, size < ours ? size : ours);
    return TN_OK;
}

int tn_api_text(const json_t *json, char **ret_json, struct tn_error *err)
{
    char *text = json ? tn_json_text(json) : NULL;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "an answer as text");
    *ret_json = text;
    return TN_OK;
}

int tn_plan_inspect(const char *path, char **ret_json, struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    tn_auto(tn_plan_io_done) struct tn_plan_io io = { 0 };
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_plan plan;
    struct stat st;
    int rc;

    if (!path || !ret_json)
        return tn_fail(err, TN_E_USAGE, "tn_plan_inspect: path and ret_json are needed");
    rc = tn_file_open(path, &fd, &st, err);
    if (rc == TN_OK)
        rc = tn_plan_read(fd, st.st_size, &plan, err);
    if (rc == TN_OK && plan.flavor == TN_FLAVOR_RTX)
        rc = tn_plan_read_io(fd, &plan, &io, err);
    if (rc < 0)
        return tn_while(err, rc, "inspect '%s'", path);
    json = tn_plan_to_json(&plan, &io);
    rc = tn_api_text(json, ret_json, err);
    return rc < 0 ? tn_while(err, rc, "inspect '%s'", path) : TN_OK;
}
