/* Any bytes through the YAML reader, with rows of every type; every node that it gives is walked.
 */
#include "base/yaml.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tn_yaml_row rows[] = {
    { "s", TN_YAML_STRING, NULL, "", "" },
    { "b", TN_YAML_BOOL, NULL, "", "" },
    { "i", TN_YAML_INT, NULL, "", "" },
    { "n", TN_YAML_NUMBER, NULL, "", "" },
    { "z", TN_YAML_SIZE, NULL, "", "" },
    { "d", TN_YAML_DURATION, NULL, "", "" },
    { "c", TN_YAML_CHOICE, "one|two", "", "" },
    { "m", TN_YAML_MAP, NULL, "", "" },
    { "l", TN_YAML_LIST, NULL, "", "" },
    { "lc", TN_YAML_LIST_OR_CHOICE, "all", "", "" },
    { "lc[].k", TN_YAML_STRING, NULL, NULL, "" },
    { "any.*.x", TN_YAML_INT, NULL, NULL, "" },
    { "deep[][][].a.b[]", TN_YAML_LIST, NULL, "", "" },
    { 0 },
};

static void walk(const struct tn_yaml_node *node)
{
    (void)tn_yaml_bool(node, false);
    (void)tn_yaml_int(node, 0);
    (void)tn_yaml_number(node, 0);
    (void)tn_yaml_size(node, 0);
    (void)tn_yaml_duration(node, 0);
    if (node->kind == TN_YAML_SCALAR_NODE) {
        if (strlen(node->text) > TN_YAML_BYTES_MAX * 2)
            abort();
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == TN_YAML_MAP_NODE && tn_yaml_child(node, node->key[i]) != node->item[i])
            abort();
        walk(node->item[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_error err = { 0 };
    struct tn_yaml *yaml = NULL;

    if (tn_yaml_parse((const char *)data, size, "fuzz", rows, &yaml, &err) != TN_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    walk(tn_yaml_find(yaml, ""));
    tn_yaml_free(yaml);
    return 0;
}
