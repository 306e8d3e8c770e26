/* The public functions of libtenon that are not a module's own. */
#include "base/file.h"
#include "base/json.h"
#include "plan/plan_json.h"

#include <stdlib.h>
#include <tenon/tenon.h>

const char *tn_library_version(void)
{
    return TN_VERSION;
}

void tn_free(void *memory)
{
    free(memory);
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
    *ret_json = json ? tn_json_text(json) : NULL;
    return *ret_json ? TN_OK : tn_fail(err, TN_E_NOMEM, "inspect '%s'", path);
}
