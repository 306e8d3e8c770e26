#include "base/json.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void tn_json_done(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

int tn_json_parse(const char *text, size_t size, const char *what, json_t **ret_json,
                  struct tn_error *err)
{
    json_error_t problem;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);

    if (!json)
        return tn_fail(err, TN_E_INVALID, "%s: line %d, column %d: %s", what, problem.line,
                       problem.column, problem.text);
    *ret_json = json;
    return TN_OK;
}

int tn_json_read(const char *path, size_t limit, json_t **ret_json, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(limit);
    int rc = tn_file_read(path, &text, err);

    return rc < 0 ? rc : tn_json_parse(tn_buf_text(&text), text.size, path, ret_json, err);
}

const char *tn_json_str(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : otherwise;
}

int64_t tn_json_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

bool tn_json_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

void tn_json_set(json_t *object, const char *key, json_t *value_steal)
{
    (void)json_object_set_new(object, key, value_steal ? value_steal : json_null());
}

static json_t *safe_string(const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(1 << 20);
    json_t *value = json_string(text);

    if (value)
        return value;
    tn_text_add_safe(&safe, text, strlen(text));
    return json_string(tn_buf_text(&safe));
}

void tn_json_set_str(json_t *object, const char *key, const char *text)
{
    tn_json_set(object, key, text && *text ? safe_string(text) : json_null());
}

void tn_json_set_int(json_t *object, const char *key, int64_t value)
{
    tn_json_set(object, key, value >= 0 ? json_integer(value) : json_null());
}

void tn_json_set_tri(json_t *object, const char *key, int yes_no_unknown)
{
    tn_json_set(object, key, yes_no_unknown < 0 ? json_null() : json_boolean(yes_no_unknown));
}

void tn_json_append_str(json_t *array, const char *text)
{
    (void)json_array_append_new(array, safe_string(text));
}

/* ---- writing text ---- */

/* Nothing else ends with one of these: a text ends with its quotation mark. */
static void add_comma(struct tn_buf *json)
{
    if (json->size > 0 && !strchr("{[:", json->data[json->size - 1]))
        tn_buf_add(json, ",", 1);
}

void tn_json_add_open(struct tn_buf *json, const char *bracket)
{
    add_comma(json);
    tn_buf_adds(json, bracket);
}

static void add_plain(struct tn_buf *json, const char *text, size_t length)
{
    add_comma(json);
    tn_buf_add(json, "\"", 1);
    tn_buf_add(json, text, length);
    tn_buf_add(json, "\"", 1);
}

/* Whether it stands in JSON as it is, ASCII alone; the rest is left to jansson. */
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((signed char)text[i] < ' ' || text[i] == 0x7f || text[i] == '"' || text[i] == '\\')
            return false;
    return true;
}

void tn_json_add_key(struct tn_buf *json, const char *key)
{
    tn_json_add_text(json, key);
    tn_buf_add(json, ":", 1);
}

void tn_json_add_text(struct tn_buf *json, const char *text)
{
    tn_auto(tn_json_done) json_t *value = NULL;
    tn_auto(tn_str_free) char *written = NULL;
    size_t length = text ? strlen(text) : 0;

    if (text && is_plain(text, length)) {
        add_plain(json, text, length);
        return;
    }
    value = text ? safe_string(text) : json_null();
    written = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (!written) {
        json->failed = TN_E_NOMEM;
        return;
    }
    add_comma(json);
    tn_buf_adds(json, written);
}

void tn_json_add_int(struct tn_buf *json, int64_t value)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%" PRId64, value);
    add_comma(json);
    tn_buf_adds(json, digits);
}

json_t *tn_stamp_to_json(const struct tn_stamp *stamp)
{
    return json_pack("{sI sI sI sI sI}", "device", (json_int_t)stamp->device, "inode",
                     (json_int_t)stamp->inode, "size", (json_int_t)stamp->size, "mtime",
                     (json_int_t)stamp->mtime, "ctime", (json_int_t)stamp->ctime);
}

bool tn_stamp_from_json(const json_t *json, struct tn_stamp *ret_stamp)
{
    json_int_t device, inode, size, mtime, ctime;

    if (json_unpack((json_t *)json, "{sI sI sI sI sI}", "device", &device, "inode", &inode, "size",
                    &size, "mtime", &mtime, "ctime", &ctime) != 0)
        return false;
    *ret_stamp = (struct tn_stamp) { .device = (uint64_t)device,
                                     .inode = (uint64_t)inode,
                                     .size = size,
                                     .mtime = mtime,
                                     .ctime = ctime };
    return true;
}

char *tn_json_text(const json_t *json)
{
    /* seconds are all that is not an integer: nine digits, not 0.51320393600000003 */
    return json_dumps(json,
                      JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
}

int tn_json_line(FILE *out, const json_t *json, struct tn_error *err)
{
    tn_auto(tn_str_free) char *text = tn_json_text(json);

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "print JSON");
    if (fprintf(out, "%s\n", text) < 0)
        return tn_fail_os(err, TN_E_IO, "print JSON");
    return TN_OK;
}
