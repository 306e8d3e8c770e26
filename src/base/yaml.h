/*
 * YAML by table: one row per key that a file may hold. Unknown keys, wrong types, duplicate keys,
 * aliases, tags and second documents are refused with file, line and column. The same rows print
 * the documentation of the keys.
 *
 * Built on libyaml's events. A document is a tree that belongs to one thread.
 */
#ifndef TN_BASE_YAML_H
#define TN_BASE_YAML_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum tn_yaml_type {
    TN_YAML_STRING,
    TN_YAML_BOOL, /* true or false, nothing else */
    TN_YAML_INT,
    TN_YAML_NUMBER,
    TN_YAML_SIZE,     /* bytes: 64MiB, 2GiB */
    TN_YAML_DURATION, /* 90s, 30m */
    TN_YAML_CHOICE,   /* one of `choices` ("none|all") */
    TN_YAML_MAP,
    TN_YAML_LIST,
    TN_YAML_LIST_OR_CHOICE, /* a list, or one of `choices` */
};

/** One key. `path` joins keys by '.', '*' stands for any key, "[]" for any item of a list:
 * "policy.build", "shapes.*.min", "plugins[].library", "options.flags[]", "[].id" where the
 * document itself is a list. Maps and lists that only stand in the middle of a path need no row. A
 * MAP or LIST row with no row below it holds plain texts under any key. Where two rows match, the
 * first counts. A row without a default must be there wherever the map around it is. */
struct tn_yaml_row {
    const char *path; /* NULL ends the table */
    enum tn_yaml_type type;
    const char *choices;
    const char *otherwise; /* the default as text, for documents; NULL = required */
    const char *help;
};

struct tn_yaml_node {
    enum { TN_YAML_SCALAR_NODE, TN_YAML_MAP_NODE, TN_YAML_LIST_NODE } kind;
    const char *text; /* of a scalar; UTF-8 without NUL */
    bool quoted;
    int line, column;         /* of the value, from 1 */
    int key_line, key_column; /* of the key that it stands under; 0 for an item or the root */
    size_t count;             /* of a map or list */
    struct tn_yaml_node **item;
    const char **key; /* of a map, beside item */
};

struct tn_yaml;

enum {
    TN_YAML_BYTES_MAX = 1 << 20,
    TN_YAML_DEPTH_MAX = 16, /* maps and lists inside one another */
    TN_YAML_NODES_MAX = 20000,
    TN_YAML_KEYS_MAX = 512, /* of one map */
};

/** Parses one document. `what` names the text in messages. An empty document is an empty map (or
 * list). A key with an empty value, "null" or "~" is refused. @return 0, TN_E_INVALID, TN_E_TOOBIG
 * (a limit above), TN_E_NOMEM */
int tn_yaml_parse(const char *text, size_t size, const char *what, const struct tn_yaml_row *rows,
                  struct tn_yaml **ret_yaml, struct tn_error *err);
int tn_yaml_read(const char *path, const struct tn_yaml_row *rows, struct tn_yaml **ret_yaml,
                 struct tn_error *err);
void tn_yaml_free(struct tn_yaml *yaml);

/** The value at a path of plain keys ("policy.build"; "" = the root), or NULL. Items of a list or a
 * free map are walked through the node. Owned by the document. */
const struct tn_yaml_node *tn_yaml_find(const struct tn_yaml *yaml, const char *path);
const struct tn_yaml_node *tn_yaml_child(const struct tn_yaml_node *map, const char *key);

/** Typed values; the types were checked when parsing. `node` may be NULL: the default. */
const char *tn_yaml_text(const struct tn_yaml_node *node, const char *otherwise);
bool tn_yaml_bool(const struct tn_yaml_node *node, bool otherwise);
int64_t tn_yaml_int(const struct tn_yaml_node *node, int64_t otherwise);
double tn_yaml_number(const struct tn_yaml_node *node, double otherwise);
int64_t tn_yaml_size(const struct tn_yaml_node *node, int64_t otherwise);
int64_t tn_yaml_duration(const struct tn_yaml_node *node, int64_t otherwise); /* ns */

/** Fails with "WHAT:LINE:COLUMN: …" of a node. @return `code` */
int tn_yaml_fail(const struct tn_yaml *yaml, const struct tn_yaml_node *node, int code,
                 struct tn_error *err, const char *format, ...) TN_PRINTF(5, 6);

/** The same at the node's key. */
int tn_yaml_fail_key(const struct tn_yaml *yaml, const struct tn_yaml_node *node, int code,
                     struct tn_error *err, const char *format, ...) TN_PRINTF(5, 6);

/** Appends a Markdown table of the rows: key, type, default, meaning. */
void tn_yaml_document(struct tn_buf *text, const struct tn_yaml_row *rows);

#endif
