#include "fleet/pairs.h"

#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

bool tn_pairs_next(const struct tn_pairs *pairs, size_t *at, const char **ret_name,
                   const char **ret_value)
{
    if (*at >= pairs->size)
        return false;
    *ret_name = pairs->text + *at;
    *ret_value = *ret_name + strlen(*ret_name) + 1;
    *at = (size_t)(*ret_value - pairs->text) + strlen(*ret_value) + 1;
    return true;
}

/* Where the pair of a name begins, or would; `ret_end` is where it ends. */
static size_t find(const struct tn_pairs *pairs, const char *name, size_t *ret_end)
{
    const char *other, *value;
    size_t at = 0;
    size_t start = 0;

    while (tn_pairs_next(pairs, &at, &other, &value)) {
        int order = strcmp(other, name);

        if (order >= 0) {
            *ret_end = order == 0 ? at : start;
            return start;
        }
        start = at;
    }
    *ret_end = start;
    return start;
}

const char *tn_pairs_get(const struct tn_pairs *pairs, const char *name)
{
    size_t end;
    size_t start = find(pairs, name, &end);

    return end > start ? pairs->text + start + strlen(name) + 1 : NULL;
}

/* Whole UTF-8 without control bytes: it is shown on terminals and stands in logs. */
static bool is_plain(const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(8 * TN_PAIR_TEXT_MAX);
    const char *end = text;

    while (*end >= ' ' && *end < 0x7f)
        end++;
    if (!*end)
        return true; /* ASCII, as nearly all are */
    tn_text_add_safe(&safe, text, strlen(text));
    return strcmp(tn_buf_text(&safe), text) == 0;
}

static int check_text(const char *what, const char *text, struct tn_error *err)
{
    if (strlen(text) > TN_PAIR_TEXT_MAX)
        return tn_fail(err, TN_E_INVALID, "%s '%.40s…' is longer than %d bytes", what, text,
                       (int)TN_PAIR_TEXT_MAX);
    if (!is_plain(text))
        return tn_fail(err, TN_E_INVALID, "%s '%.128s' is not plain text", what, text);
    return TN_OK;
}

static int splice(struct tn_pairs *pairs, size_t start, size_t end, const char *insert,
                  size_t insert_bytes, struct tn_error *err)
{
    size_t size = pairs->size - (end - start) + insert_bytes;
    char *text = malloc(size ? size : 1);

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "attributes");
    if (start > 0)
        memcpy(text, pairs->text, start);
    if (insert_bytes > 0)
        memcpy(text + start, insert, insert_bytes);
    if (pairs->size > end)
        memcpy(text + start + insert_bytes, pairs->text + end, pairs->size - end);
    free(pairs->text);
    pairs->text = text;
    pairs->size = size;
    return TN_OK;
}

int tn_pairs_set(struct tn_pairs *pairs, const char *name, const char *value, size_t most,
                 struct tn_error *err)
{
    char pair[2 * (TN_PAIR_TEXT_MAX + 1)];
    size_t end;
    size_t start;
    bool there;
    int rc =
        name[0] ? check_text("the name", name, err) : tn_fail(err, TN_E_INVALID, "a name is empty");

    if (rc == TN_OK && value)
        rc = check_text("the value", value, err);
    if (rc < 0)
        return rc;
    start = find(pairs, name, &end);
    there = end > start;
    if (!value && !there)
        return TN_OK;
    if (value && !there && pairs->count >= most)
        return tn_fail(err, TN_E_TOOBIG, "more than %zu of them", most);
    if (value) {
        memcpy(pair, name, strlen(name) + 1);
        memcpy(pair + strlen(name) + 1, value, strlen(value) + 1);
    }
    rc = splice(pairs, start, end, pair, value ? strlen(name) + strlen(value) + 2 : 0, err);
    if (rc == TN_OK)
        pairs->count = pairs->count + (value != NULL) - there;
    return rc;
}

/* One allocation for all: a server that starts reads a million of them. */
int tn_pairs_read(const char *text, struct tn_pairs *ret_pairs, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *json = NULL;
    struct tn_pairs pairs = { .text = NULL };
    const char *name, *before = "";
    json_t *value;
    int rc = tn_json_parse(text, strlen(text), "attributes", &json, err);

    if (rc == TN_OK && (pairs.text = malloc(strlen(text))) == NULL)
        rc = tn_fail(err, TN_E_NOMEM, "attributes");
    json_object_foreach(json, name, value)
    {
        const char *word = json_string_value(value);

        if (rc == TN_OK && (!word || strcmp(before, name) >= 0))
            rc = tn_fail(err, TN_E_CORRUPT, "attributes out of order at '%.128s'", name);
        if (rc < 0)
            break;
        memcpy(pairs.text + pairs.size, name, strlen(name) + 1);
        pairs.size += strlen(name) + 1;
        memcpy(pairs.text + pairs.size, word, strlen(word) + 1);
        pairs.size += strlen(word) + 1;
        pairs.count++;
        before = name;
    }
    if (rc < 0)
        tn_pairs_done(&pairs);
    else
        *ret_pairs = pairs;
    return rc;
}

bool tn_pairs_equal(const struct tn_pairs *a, const struct tn_pairs *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->text, b->text, a->size) == 0);
}

int tn_pairs_copy(const struct tn_pairs *pairs, struct tn_pairs *ret_copy, struct tn_error *err)
{
    struct tn_pairs copy = { .count = pairs->count };
    int rc = splice(&copy, 0, 0, pairs->text, pairs->size, err);

    if (rc == TN_OK)
        *ret_copy = copy;
    return rc;
}

json_t *tn_pairs_to_json(const struct tn_pairs *pairs)
{
    json_t *json = json_object();
    const char *name, *value;
    size_t at = 0;

    while (tn_pairs_next(pairs, &at, &name, &value))
        tn_json_set(json, name, json_string(value));
    return json;
}

void tn_pairs_done(struct tn_pairs *pairs)
{
    free(pairs->text);
    *pairs = (struct tn_pairs) { .text = NULL };
}
