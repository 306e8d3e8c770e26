#include "base/yaml.h"

#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Everything that a document owns is cut from blocks, which are freed together. */
struct block {
    struct block *next;
    size_t used, size;
    max_align_t data[];
};

enum { BLOCK_BYTES = 16384, KNOWN_MAX = 64, WHAT_SHOWN = 160, VALUE_SHOWN = 60 };

struct tn_yaml {
    struct block *blocks;
    const char *what;
    struct tn_yaml_node *root;
};

/* One step from the root to a node: under a key, or (key NULL) item number `index` of a list. */
struct step {
    const char *key;
    size_t index;
};

struct reader {
    yaml_parser_t parser;
    struct tn_yaml *yaml;
    const struct tn_yaml_row *rows;
    const char *text;
    size_t size;
    struct step trail[TN_YAML_DEPTH_MAX];
    int depth; /* steps in the trail */
    int nodes;
    struct tn_error *err;
};

/* What the rows say of the node at the trail. */
struct rule {
    const struct tn_yaml_row *row; /* its own row, or NULL */
    bool keys_below, items_below;  /* whether rows go on below it */
};

static const struct tn_yaml_row free_text = { .type = TN_YAML_STRING };

/* ---- memory ---- */

static void *take(struct tn_yaml *yaml, size_t size)
{
    struct block *block = yaml->blocks;
    size_t rounded = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    char *start;

    if (!block || block->size - block->used < rounded) {
        size_t room = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;

        block = calloc(1, sizeof(*block) + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = yaml->blocks;
        yaml->blocks = block;
    }
    start = (char *)block->data + block->used;
    block->used += rounded;
    return start;
}

static char *take_text(struct tn_yaml *yaml, const void *text, size_t length)
{
    char *copy = take(yaml, length + 1);

    if (copy)
        memcpy(copy, text, length);
    return copy;
}

void tn_yaml_free(struct tn_yaml *yaml)
{
    struct block *next;

    if (!yaml)
        return;
    for (struct block *block = yaml->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    free(yaml);
}

static void yaml_done(struct tn_yaml **yaml)
{
    tn_yaml_free(*yaml);
}

/* ---- messages ---- */

TN_PRINTF(6, 0)
static int fail_va(const struct tn_yaml *yaml, int line, int column, int code, struct tn_error *err,
                   const char *format, va_list args)
{
    char text[sizeof(err->text)];

    (void)vsnprintf(text, sizeof(text), format, args);
    return tn_fail(err, code, "%.*s:%d:%d: %s", WHAT_SHOWN, yaml->what, line, column, text);
}

int tn_yaml_fail(const struct tn_yaml *yaml, const struct tn_yaml_node *node, int code,
                 struct tn_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fail_va(yaml, node->line, node->column, code, err, format, args);
    va_end(args);
    return code;
}

int tn_yaml_fail_key(const struct tn_yaml *yaml, const struct tn_yaml_node *node, int code,
                     struct tn_error *err, const char *format, ...)
{
    bool has_key = node->key_line > 0;
    va_list args;

    va_start(args, format);
    (void)fail_va(yaml, has_key ? node->key_line : node->line,
                  has_key ? node->key_column : node->column, code, err, format, args);
    va_end(args);
    return code;
}

TN_PRINTF(4, 5)
static int fail_at(struct reader *reader, yaml_mark_t mark, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fail_va(reader->yaml, (int)mark.line + 1, (int)mark.column + 1, code, reader->err, format,
                  args);
    va_end(args);
    return code;
}

static int out_of_memory(struct reader *reader)
{
    return tn_fail(reader->err, TN_E_NOMEM, "read '%.*s'", WHAT_SHOWN, reader->yaml->what);
}

/* libyaml gives no line for bytes that are not UTF-8, only their place. */
static yaml_mark_t mark_of_offset(const struct reader *reader, size_t offset)
{
    yaml_mark_t mark = { 0 };

    for (size_t i = 0; i < offset && i < reader->size; i++) {
        mark.column++;
        if (reader->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int fail_of_libyaml(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";

    if (parser->error == YAML_MEMORY_ERROR)
        return out_of_memory(reader);
    if (parser->error == YAML_READER_ERROR)
        return fail_at(reader, mark_of_offset(reader, parser->problem_offset), TN_E_INVALID,
                       "not text in UTF-8: %s", problem);
    return fail_at(reader, parser->problem_mark, TN_E_INVALID, "%s%s%s", problem,
                   parser->context ? ", " : "", parser->context ? parser->context : "");
}

/* The trail as "plugins[1].library", for messages. */
static const char *trail_text(const struct reader *reader, char *text, size_t size)
{
    size_t used = 0;

    (void)tn_text_copy(text, size, "the document");
    for (int i = 0; i < reader->depth && used + 1 < size; i++) {
        const struct step *step = &reader->trail[i];
        int n = step->key ? snprintf(text + used, size - used, "%s%.*s", i ? "." : "", VALUE_SHOWN,
                                     step->key)
                          : snprintf(text + used, size - used, "[%zu]", step->index);

        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}

/* ---- rows ---- */

enum { STEP_END, STEP_KEY, STEP_ITEM };

/* Cuts the next step from a row's path. */
static int next_step(const char **path, const char **ret_key, size_t *ret_length)
{
    const char *at = *path;

    if (at[0] == '\0')
        return STEP_END;
    if (at[0] == '[') {
        *path = at + 2 + (at[2] == '.');
        return STEP_ITEM;
    }
    *ret_key = at;
    *ret_length = strcspn(at, ".[");
    at += *ret_length;
    *path = at + (at[0] == '.');
    return STEP_KEY;
}

/* Follows the trail through a row's path; gives what is left of the path where it fits. */
static bool fits(const struct reader *reader, const struct tn_yaml_row *row, const char **ret_rest)
{
    const char *path = row->path;

    for (int i = 0; i < reader->depth; i++) {
        const struct step *step = &reader->trail[i];
        const char *key = "";
        size_t length = 0;
        int kind = next_step(&path, &key, &length);

        if (kind != (step->key ? STEP_KEY : STEP_ITEM))
            return false;
        if (kind == STEP_KEY && !(length == 1 && key[0] == '*') &&
            (strlen(step->key) != length || memcmp(step->key, key, length) != 0))
            return false;
    }
    *ret_rest = path;
    return true;
}

static struct rule find_rule(const struct reader *reader)
{
    struct rule rule = { 0 };
    const char *rest;

    for (const struct tn_yaml_row *row = reader->rows; row->path; row++) {
        if (!fits(reader, row, &rest))
            continue;
        if (rest[0] == '\0' && !rule.row)
            rule.row = row;
        rule.keys_below |= rest[0] != '\0' && rest[0] != '[';
        rule.items_below |= rest[0] == '[';
    }
    return rule;
}

static bool rule_empty(const struct rule *rule)
{
    return !rule->row && !rule->keys_below && !rule->items_below;
}

static bool is_free(const struct rule *rule)
{
    return rule->row && rule->row != &free_text && !rule->keys_below && !rule->items_below;
}

static bool takes_map(const struct rule *rule)
{
    return rule->row ? rule->row->type == TN_YAML_MAP : rule->keys_below;
}

static bool takes_list(const struct rule *rule)
{
    if (!rule->row)
        return rule->items_below;
    return rule->row->type == TN_YAML_LIST || rule->row->type == TN_YAML_LIST_OR_CHOICE;
}

/* The keys that the rows know below the trail; names point into `store`. */
static void known_keys(const struct reader *reader, char store[KNOWN_MAX][64],
                       const char *known[KNOWN_MAX + 1])
{
    size_t count = 0;
    const char *rest, *key;
    size_t length;

    for (const struct tn_yaml_row *row = reader->rows; row->path && count < KNOWN_MAX; row++) {
        if (!fits(reader, row, &rest) || next_step(&rest, &key, &length) != STEP_KEY ||
            (length == 1 && key[0] == '*'))
            continue;
        (void)tn_text_copy_n(store[count], sizeof(store[count]), key, length);
        known[count] = store[count];
        count++;
    }
    known[count] = NULL;
}

static int unknown_key(struct reader *reader, yaml_mark_t mark, const char *key)
{
    char store[KNOWN_MAX][64];
    const char *known[KNOWN_MAX + 1];
    const char *nearest;

    reader->depth--; /* the map around the key */
    known_keys(reader, store, known);
    reader->depth++;
    nearest = tn_text_nearest(key, known);
    if (nearest)
        return fail_at(reader, mark, TN_E_INVALID, "unknown key '%.*s'; did you mean '%s'?",
                       VALUE_SHOWN, key, nearest);
    return fail_at(reader, mark, TN_E_INVALID, "unknown key '%.*s'", VALUE_SHOWN, key);
}

/* Every row without a default whose map is here must be in it. */
static int check_required(struct reader *reader, yaml_mark_t mark, const struct tn_yaml_node *map)
{
    for (const struct tn_yaml_row *row = reader->rows; row->path; row++) {
        const char *rest, *key;
        char name[64];
        size_t length;

        if (row->otherwise || !fits(reader, row, &rest) ||
            next_step(&rest, &key, &length) != STEP_KEY || rest[0] != '\0' || key[length] != '\0' ||
            (length == 1 && key[0] == '*'))
            continue;
        (void)tn_text_copy_n(name, sizeof(name), key, length);
        if (!tn_yaml_child(map, name))
            return fail_at(reader, mark, TN_E_INVALID, "key '%s' is missing", name);
    }
    return TN_OK;
}

/* ---- scalars ---- */

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);

    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (length > 0 && strncmp(at, text, length) == 0 &&
            (at[length] == '|' || at[length] == '\0'))
            return true;
    return false;
}

static bool read_number(const char *text, double *ret_value)
{
    char *end;
    double value;

    if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text))
        return false;
    value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

static bool is_bool(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

static bool scalar_fits(const struct tn_yaml_row *row, const struct tn_yaml_node *node)
{
    int64_t value;
    double number;

    switch (row->type) {
    case TN_YAML_STRING:
        return true;
    case TN_YAML_BOOL:
        return !node->quoted && is_bool(node->text);
    case TN_YAML_INT:
        return !node->quoted && tn_text_i64(node->text, &value);
    case TN_YAML_NUMBER:
        return !node->quoted && read_number(node->text, &number);
    case TN_YAML_SIZE:
        return tn_text_size(node->text, &value);
    case TN_YAML_DURATION:
        return tn_text_duration(node->text, &value);
    case TN_YAML_CHOICE:
    case TN_YAML_LIST_OR_CHOICE:
        return is_choice(row->choices, node->text);
    case TN_YAML_MAP:
    case TN_YAML_LIST:
        return false;
    }
    return false;
}

static void add_choices(struct tn_buf *text, const char *choices, const char *quote)
{
    while (choices && *choices) {
        size_t length = strcspn(choices, "|");

        tn_buf_addf(text, "%s%.*s%s", quote, (int)length, choices, quote);
        choices += length;
        if (*choices == '|') {
            choices++;
            tn_buf_adds(text, strchr(choices, '|') ? ", " : " or ");
        }
    }
}

/* What a row takes, in words: for messages and documents. */
static void add_type(struct tn_buf *text, const struct tn_yaml_row *row, const char *quote)
{
    static const char *const words[] = {
        [TN_YAML_STRING] = "text",
        [TN_YAML_BOOL] = "true or false",
        [TN_YAML_INT] = "a whole number",
        [TN_YAML_NUMBER] = "a number",
        [TN_YAML_SIZE] = "a size in bytes such as 64MiB",
        [TN_YAML_DURATION] = "a time such as 90s or 30m",
        [TN_YAML_CHOICE] = "",
        [TN_YAML_MAP] = "a map",
        [TN_YAML_LIST] = "a list",
        [TN_YAML_LIST_OR_CHOICE] = "a list, or ",
    };

    tn_buf_adds(text, words[row->type]);
    add_choices(text, row->choices, quote);
}

static int wrong_type(struct reader *reader, yaml_mark_t mark, const struct rule *rule,
                      const char *found)
{
    tn_auto(tn_buf_done) struct tn_buf wanted = TN_BUF(256);
    const struct tn_yaml_row implied = { .type = rule->items_below ? TN_YAML_LIST : TN_YAML_MAP };
    char trail[200];

    add_type(&wanted, rule->row ? rule->row : &implied, "");
    return fail_at(reader, mark, TN_E_INVALID, "%s must be %s, not %s",
                   trail_text(reader, trail, sizeof(trail)), tn_buf_text(&wanted), found);
}

static bool is_null(const struct tn_yaml_node *node)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL" };

    for (size_t i = 0; i < TN_COUNT(words); i++)
        if (!node->quoted && strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, const struct rule *rule,
                       struct tn_yaml_node *node)
{
    size_t length = event->data.scalar.length;
    char found[VALUE_SHOWN + 8], trail[200];

    if (memchr(event->data.scalar.value, '\0', length))
        return fail_at(reader, event->start_mark, TN_E_INVALID, "%s holds a NUL character",
                       trail_text(reader, trail, sizeof(trail)));
    node->kind = TN_YAML_SCALAR_NODE;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = take_text(reader->yaml, event->data.scalar.value, length);
    if (!node->text)
        return out_of_memory(reader);
    if (is_null(node))
        return fail_at(reader, event->start_mark, TN_E_INVALID,
                       "%s has no value: give one, or leave the key out",
                       trail_text(reader, trail, sizeof(trail)));
    if (rule->row && scalar_fits(rule->row, node))
        return TN_OK;
    (void)snprintf(found, sizeof(found), "'%.*s'", VALUE_SHOWN, node->text);
    return wrong_type(reader, event->start_mark, rule, found);
}

/* ---- maps and lists ---- */

static int read_node(struct reader *reader, const yaml_event_t *event, const struct rule *rule,
                     struct tn_yaml_node **ret_node);

static int next_event(struct reader *reader, yaml_event_t *ret_event)
{
    return yaml_parser_parse(&reader->parser, ret_event) ? TN_OK : fail_of_libyaml(reader);
}

/* Room for one more child; the arrays double, so what is left behind in the blocks is bounded. */
static bool grow(struct tn_yaml *yaml, struct tn_yaml_node *node)
{
    bool full = node->count == 0 || (node->count >= 4 && (node->count & (node->count - 1)) == 0);
    size_t room = node->count == 0 ? 4 : node->count * 2;
    struct tn_yaml_node **item;
    const char **key;

    if (!full)
        return true;
    item = take(yaml, room * sizeof(*item));
    key = node->kind == TN_YAML_MAP_NODE ? take(yaml, room * sizeof(*key)) : NULL;
    if (!item || (node->kind == TN_YAML_MAP_NODE && !key))
        return false;
    if (node->count > 0)
        memcpy(item, node->item, node->count * sizeof(*item));
    if (key && node->count > 0)
        memcpy(key, node->key, node->count * sizeof(*key));
    node->item = item;
    node->key = key;
    return true;
}

static int enter(struct reader *reader, yaml_mark_t mark)
{
    if (reader->depth == TN_YAML_DEPTH_MAX)
        return fail_at(reader, mark, TN_E_TOOBIG, "more than %d maps and lists in one another",
                       TN_YAML_DEPTH_MAX);
    reader->depth++;
    return TN_OK;
}

static int read_item(struct reader *reader, const yaml_event_t *event, const struct rule *parent,
                     struct tn_yaml_node *list)
{
    struct rule rule = { 0 };
    int rc;

    reader->trail[reader->depth - 1] = (struct step) { .index = list->count };
    rule = is_free(parent) ? (struct rule) { .row = &free_text } : find_rule(reader);
    if (!grow(reader->yaml, list))
        return out_of_memory(reader);
    rc = read_node(reader, event, &rule, &list->item[list->count]);
    if (rc == TN_OK)
        list->count++;
    return rc;
}

static int read_list(struct reader *reader, const yaml_event_t *start, const struct rule *rule,
                     struct tn_yaml_node *node)
{
    int rc = takes_list(rule) ? enter(reader, start->start_mark)
                              : wrong_type(reader, start->start_mark, rule, "a list");

    node->kind = TN_YAML_LIST_NODE;
    while (rc == TN_OK) {
        tn_auto(yaml_event_delete) yaml_event_t event = { 0 };

        rc = next_event(reader, &event);
        if (rc == TN_OK && event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (rc == TN_OK)
            rc = read_item(reader, &event, rule, node);
    }
    if (rc == TN_OK)
        reader->depth--;
    return rc;
}

static int check_plain(struct reader *reader, const yaml_event_t *event);

static int read_key(struct reader *reader, const yaml_event_t *event,
                    const struct tn_yaml_node *map, const char **ret_key)
{
    size_t length = event->data.scalar.length;
    int rc = check_plain(reader, event);

    if (rc < 0)
        return rc;
    if (event->type != YAML_SCALAR_EVENT)
        return fail_at(reader, event->start_mark, TN_E_INVALID, "a key must be plain text");
    if (length == 0 || memchr(event->data.scalar.value, '\0', length))
        return fail_at(reader, event->start_mark, TN_E_INVALID,
                       "a key must be text without NUL characters");
    *ret_key = take_text(reader->yaml, event->data.scalar.value, length);
    if (!*ret_key)
        return out_of_memory(reader);
    if (tn_yaml_child(map, *ret_key))
        return fail_at(reader, event->start_mark, TN_E_INVALID, "key '%.*s' stands twice",
                       VALUE_SHOWN, *ret_key);
    /* the test above looks at every key before: the bound keeps it from growing quadratic */
    if (map->count == TN_YAML_KEYS_MAX)
        return fail_at(reader, event->start_mark, TN_E_TOOBIG, "more than %d keys in one map",
                       TN_YAML_KEYS_MAX);
    return TN_OK;
}

static int read_pair(struct reader *reader, const yaml_event_t *key_event,
                     const struct rule *parent, struct tn_yaml_node *map)
{
    tn_auto(yaml_event_delete) yaml_event_t event = { 0 };
    struct rule rule = { .row = &free_text };
    struct tn_yaml_node *value = NULL;
    const char *key = NULL;
    int rc = read_key(reader, key_event, map, &key);

    if (rc < 0)
        return rc;
    reader->trail[reader->depth - 1] = (struct step) { .key = key };
    if (!is_free(parent))
        rule = find_rule(reader);
    if (rule_empty(&rule))
        return unknown_key(reader, key_event->start_mark, key);
    rc = next_event(reader, &event);
    if (rc == TN_OK && !grow(reader->yaml, map))
        rc = out_of_memory(reader);
    if (rc == TN_OK)
        rc = read_node(reader, &event, &rule, &value);
    if (rc < 0)
        return rc;
    value->key_line = (int)key_event->start_mark.line + 1;
    value->key_column = (int)key_event->start_mark.column + 1;
    map->key[map->count] = key;
    map->item[map->count++] = value;
    return TN_OK;
}

static int read_map(struct reader *reader, const yaml_event_t *start, const struct rule *rule,
                    struct tn_yaml_node *node)
{
    int rc = takes_map(rule) ? enter(reader, start->start_mark)
                             : wrong_type(reader, start->start_mark, rule, "a map");

    node->kind = TN_YAML_MAP_NODE;
    while (rc == TN_OK) {
        tn_auto(yaml_event_delete) yaml_event_t event = { 0 };

        rc = next_event(reader, &event);
        if (rc == TN_OK && event.type == YAML_MAPPING_END_EVENT)
            break;
        if (rc == TN_OK)
            rc = read_pair(reader, &event, rule, node);
    }
    if (rc < 0)
        return rc;
    reader->depth--;
    return check_required(reader, start->start_mark, node);
}

/* Aliases make a small file large, tags make a text something else: neither is needed here. */
static int check_plain(struct reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_ALIAS_EVENT) {
        anchor = event->data.alias.anchor;
    } else if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return fail_at(reader, event->start_mark, TN_E_INVALID,
                       "anchors and aliases ('%.*s') are not read: write the value out",
                       VALUE_SHOWN, (const char *)anchor);
    if (tag)
        return fail_at(reader, event->start_mark, TN_E_INVALID, "tags ('%.*s') are not read",
                       VALUE_SHOWN, (const char *)tag);
    return TN_OK;
}

static int read_node(struct reader *reader, const yaml_event_t *event, const struct rule *rule,
                     struct tn_yaml_node **ret_node)
{
    struct tn_yaml_node *node;
    int rc = check_plain(reader, event);

    if (rc < 0)
        return rc;
    if (reader->nodes++ == TN_YAML_NODES_MAX)
        return fail_at(reader, event->start_mark, TN_E_TOOBIG, "more than %d values",
                       TN_YAML_NODES_MAX);
    node = take(reader->yaml, sizeof(*node));
    if (!node)
        return out_of_memory(reader);
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    if (event->type == YAML_SCALAR_EVENT)
        rc = read_scalar(reader, event, rule, node);
    else if (event->type == YAML_MAPPING_START_EVENT)
        rc = read_map(reader, event, rule, node);
    else
        rc = read_list(reader, event, rule, node);
    if (rc == TN_OK)
        *ret_node = node;
    return rc;
}

/* ---- documents ---- */

/* A file of comments, or nothing between the marks: the map or list that the rows want, empty. */
static int empty_document(struct reader *reader, const struct rule *rule)
{
    struct tn_yaml_node *root = take(reader->yaml, sizeof(*root));

    if (!root)
        return out_of_memory(reader);
    root->line = root->column = 1;
    root->kind = takes_list(rule) ? TN_YAML_LIST_NODE : TN_YAML_MAP_NODE;
    reader->yaml->root = root;
    return check_required(reader, (yaml_mark_t) { 0 }, root);
}

static bool is_empty_root(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag &&
           !event->data.scalar.anchor;
}

/* The root's value and the two events after it: the document's end and the stream's. */
static int read_document(struct reader *reader, const struct rule *rule)
{
    tn_auto(yaml_event_delete) yaml_event_t value = { 0 };
    tn_auto(yaml_event_delete) yaml_event_t end = { 0 };
    tn_auto(yaml_event_delete) yaml_event_t after = { 0 };
    int rc = next_event(reader, &value);

    if (rc == TN_OK)
        rc = is_empty_root(&value) ? empty_document(reader, rule)
                                   : read_node(reader, &value, rule, &reader->yaml->root);
    if (rc == TN_OK)
        rc = next_event(reader, &end);
    if (rc == TN_OK)
        rc = next_event(reader, &after);
    if (rc == TN_OK && after.type != YAML_STREAM_END_EVENT)
        rc = fail_at(reader, after.start_mark, TN_E_INVALID, "a second document begins here");
    return rc;
}

static int read_stream(struct reader *reader)
{
    tn_auto(yaml_event_delete) yaml_event_t start = { 0 };
    tn_auto(yaml_event_delete) yaml_event_t document = { 0 };
    struct rule rule = find_rule(reader);
    int rc = next_event(reader, &start);

    if (rc == TN_OK)
        rc = next_event(reader, &document);
    if (rc < 0)
        return rc;
    return document.type == YAML_STREAM_END_EVENT ? empty_document(reader, &rule)
                                                  : read_document(reader, &rule);
}

int tn_yaml_parse(const char *text, size_t size, const char *what, const struct tn_yaml_row *rows,
                  struct tn_yaml **ret_yaml, struct tn_error *err)
{
    tn_auto(yaml_done) struct tn_yaml *yaml = calloc(1, sizeof(*yaml));
    struct reader reader = { .yaml = yaml, .rows = rows, .text = text, .size = size, .err = err };
    int rc;

    if (size > TN_YAML_BYTES_MAX)
        return tn_fail(err, TN_E_TOOBIG, "'%.*s' is larger than %d bytes", WHAT_SHOWN, what,
                       TN_YAML_BYTES_MAX);
    if (yaml)
        yaml->what = take_text(yaml, what, strlen(what));
    if (!yaml || !yaml->what || !yaml_parser_initialize(&reader.parser))
        return tn_fail(err, TN_E_NOMEM, "read '%.*s'", WHAT_SHOWN, what);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    rc = read_stream(&reader);
    yaml_parser_delete(&reader.parser);
    if (rc < 0)
        return rc;
    *ret_yaml = yaml;
    yaml = NULL;
    return TN_OK;
}

int tn_yaml_read(const char *path, const struct tn_yaml_row *rows, struct tn_yaml **ret_yaml,
                 struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_YAML_BYTES_MAX);
    int rc = tn_file_read(path, &text, err);

    return rc < 0 ? rc : tn_yaml_parse(tn_buf_text(&text), text.size, path, rows, ret_yaml, err);
}

/* ---- values ---- */

static const struct tn_yaml_node *child_n(const struct tn_yaml_node *map, const char *key,
                                          size_t length)
{
    if (!map || map->kind != TN_YAML_MAP_NODE)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strncmp(map->key[i], key, length) == 0 && map->key[i][length] == '\0')
            return map->item[i];
    return NULL;
}

const struct tn_yaml_node *tn_yaml_child(const struct tn_yaml_node *map, const char *key)
{
    return child_n(map, key, strlen(key));
}

const struct tn_yaml_node *tn_yaml_find(const struct tn_yaml *yaml, const char *path)
{
    const struct tn_yaml_node *node = yaml->root;

    while (node && *path) {
        size_t length = strcspn(path, ".");

        node = child_n(node, path, length);
        path += length + (path[length] == '.');
    }
    return node;
}

static const char *scalar(const struct tn_yaml_node *node)
{
    return node && node->kind == TN_YAML_SCALAR_NODE ? node->text : NULL;
}

const char *tn_yaml_text(const struct tn_yaml_node *node, const char *otherwise)
{
    const char *text = scalar(node);

    return text ? text : otherwise;
}

bool tn_yaml_bool(const struct tn_yaml_node *node, bool otherwise)
{
    const char *text = scalar(node);

    return text && is_bool(text) ? text[0] == 't' : otherwise;
}

int64_t tn_yaml_int(const struct tn_yaml_node *node, int64_t otherwise)
{
    const char *text = scalar(node);
    int64_t value;

    return text && tn_text_i64(text, &value) ? value : otherwise;
}

double tn_yaml_number(const struct tn_yaml_node *node, double otherwise)
{
    const char *text = scalar(node);
    double value;

    return text && read_number(text, &value) ? value : otherwise;
}

int64_t tn_yaml_size(const struct tn_yaml_node *node, int64_t otherwise)
{
    const char *text = scalar(node);
    int64_t value;

    return text && tn_text_size(text, &value) ? value : otherwise;
}

int64_t tn_yaml_duration(const struct tn_yaml_node *node, int64_t otherwise)
{
    const char *text = scalar(node);
    int64_t value;

    return text && tn_text_duration(text, &value) ? value : otherwise;
}

/* ---- documents of the rows ---- */

void tn_yaml_document(struct tn_buf *text, const struct tn_yaml_row *rows)
{
    tn_buf_adds(text, "| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    for (const struct tn_yaml_row *row = rows; row->path; row++) {
        tn_buf_addf(text, "| `%s` | ", row->path);
        add_type(text, row, "`");
        if (!row->otherwise)
            tn_buf_adds(text, " | required | ");
        else if (row->otherwise[0] == '\0')
            tn_buf_adds(text, " | | ");
        else
            tn_buf_addf(text, " | `%s` | ", row->otherwise);
        tn_buf_addf(text, "%s |\n", row->help);
    }
}
