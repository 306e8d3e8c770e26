#include "types/flavor.h"

#include <stdio.h>
#include <string.h>

static const char *const flavor_names[] = { NULL, "tensorrt", "tensorrt-rtx" };
static const char *const kind_names[] = { NULL, "trt", "lean", "dispatch", "rtx" };

const char *tn_flavor_name(enum tn_flavor flavor)
{
    return flavor_names[flavor];
}

enum tn_flavor tn_flavor_parse(const char *text)
{
    for (size_t i = 1; i < TN_COUNT(flavor_names); i++)
        if (strcmp(text, flavor_names[i]) == 0)
            return (enum tn_flavor)i;
    return TN_FLAVOR_UNKNOWN;
}

const char *tn_runtime_kind_name(enum tn_runtime_kind kind)
{
    return kind_names[kind];
}

enum tn_runtime_kind tn_runtime_kind_parse(const char *text, size_t length)
{
    for (size_t i = 1; i < TN_COUNT(kind_names); i++)
        if (strlen(kind_names[i]) == length && memcmp(text, kind_names[i], length) == 0)
            return (enum tn_runtime_kind)i;
    return TN_RUNTIME_UNKNOWN;
}

enum tn_flavor tn_runtime_flavor(enum tn_runtime_kind kind)
{
    if (kind == TN_RUNTIME_UNKNOWN)
        return TN_FLAVOR_UNKNOWN;
    return kind == TN_RUNTIME_RTX ? TN_FLAVOR_RTX : TN_FLAVOR_TENSORRT;
}

int tn_runtime_id_parse(const char *text, struct tn_runtime_id *ret_id, struct tn_error *err)
{
    size_t letters = strcspn(text, "0123456789");
    struct tn_runtime_id id = { .kind = tn_runtime_kind_parse(text, letters) };

    if (id.kind == TN_RUNTIME_UNKNOWN ||
        tn_version_parse(text + letters, &id.version, NULL) != TN_OK)
        return tn_fail(
            err, TN_E_INVALID,
            "'%.80s' is not a runtime such as trt10.6.0.26, lean10.15.1.29, dispatch11.2.1.2 or "
            "rtx1.7.1.116",
            text);
    *ret_id = id;
    return TN_OK;
}

void tn_runtime_id_print(const struct tn_runtime_id *id, char ret_text[TN_RUNTIME_TEXT])
{
    char version[TN_VERSION_TEXT];

    tn_version_print(&id->version, version);
    (void)snprintf(ret_text, TN_RUNTIME_TEXT, "%s%s", id->kind ? kind_names[id->kind] : "?",
                   version);
}
