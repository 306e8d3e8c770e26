/*
 * JSON through jansson: strict bounded reading, reading of untrusted members, one-line printing.
 *
 * Objects are jansson's: json_decref() or tn_auto(tn_json_done).
 */
#ifndef TN_BASE_JSON_H
#define TN_BASE_JSON_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/file.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void tn_json_done(json_t **json);

/** Parses one JSON object or array; duplicate keys and trailing bytes are refused.
 * @return 0 or TN_E_INVALID with line and column */
int tn_json_parse(const char *text, size_t size, const char *what, json_t **ret_json,
                  struct tn_error *err);

/** Reads and parses a file of at most `limit` bytes. */
int tn_json_read(const char *path, size_t limit, json_t **ret_json, struct tn_error *err);

/** Members of foreign objects: a missing, null or wrongly typed one gives the default. */
const char *tn_json_str(const json_t *object, const char *key, const char *otherwise);
int64_t tn_json_int(const json_t *object, const char *key, int64_t otherwise);
bool tn_json_bool(const json_t *object, const char *key, bool otherwise);

/** Setters for answers: unknown is null. Memory trouble shows at tn_json_line(). Text that is not
 * UTF-8 is stored with its broken bytes as \xNN. */
void tn_json_set(json_t *object, const char *key, json_t *value_steal);
void tn_json_set_str(json_t *object, const char *key, const char *text); /* NULL or "" -> null */
void tn_json_set_int(json_t *object, const char *key, int64_t value);    /* negative -> null */
void tn_json_set_tri(json_t *object, const char *key,
                     int yes_no_unknown); /* 1, 0, negative -> null */
void tn_json_append_str(json_t *array, const char *text);

/* ---- writing text without objects: for what is written with every request ---- */

/** Appends a bracket ("{" or "["), a key, a text (NULL is null) or a number, and before it the
 * comma where one must stand. What ends an object or array is appended as it is. Text that is not
 * UTF-8 as in tn_json_set_str(). */
void tn_json_add_open(struct tn_buf *json, const char *bracket);
void tn_json_add_key(struct tn_buf *json, const char *key);
void tn_json_add_text(struct tn_buf *json, const char *text);
void tn_json_add_int(struct tn_buf *json, int64_t value);

/** A stamp as an object, and back; false when a member is missing or of another type. */
json_t *tn_stamp_to_json(const struct tn_stamp *stamp);
bool tn_stamp_from_json(const json_t *json, struct tn_stamp *ret_stamp);

/** Writes one line: compact, keys sorted. @return 0, TN_E_NOMEM or TN_E_IO */
int tn_json_line(FILE *out, const json_t *json, struct tn_error *err);

/** The same bytes as a new string (free it), or NULL. */
char *tn_json_text(const json_t *json);

#endif
