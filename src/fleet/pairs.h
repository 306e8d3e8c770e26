/*
 * A device's attributes or labels: a few dozen name-value pairs of short text, packed into one
 * piece of memory (a million devices have them), sorted by name. Zeroed = none.
 */
#ifndef TN_FLEET_PAIRS_H
#define TN_FLEET_PAIRS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { TN_PAIR_TEXT_MAX = 128 /* bytes of a name and of a value */ };

struct tn_pairs {
    char *text; /* name NUL value NUL … */
    size_t size, count;
};

/** The value, valid until the pairs change; NULL = none. */
const char *tn_pairs_get(const struct tn_pairs *pairs, const char *name);

/** Sets a pair, or removes it where `value` is NULL.
 * @return 0, TN_E_INVALID (an empty, too long or broken text), TN_E_TOOBIG (more than `most`),
 *         TN_E_NOMEM; nothing is changed then */
int tn_pairs_set(struct tn_pairs *pairs, const char *name, const char *value, size_t most,
                 struct tn_error *err);

/** Steps through them: begin with *at = 0. @return false at the end */
bool tn_pairs_next(const struct tn_pairs *pairs, size_t *at, const char **ret_name,
                   const char **ret_value);

bool tn_pairs_equal(const struct tn_pairs *a, const struct tn_pairs *b);
int tn_pairs_copy(const struct tn_pairs *pairs, struct tn_pairs *ret_copy, struct tn_error *err);
json_t *tn_pairs_to_json(const struct tn_pairs *pairs);
/** The reverse, of the text of an object with sorted keys as tn_json_text() prints it.
 * @return 0, TN_E_INVALID (no JSON), TN_E_CORRUPT (other JSON), TN_E_NOMEM */
int tn_pairs_read(const char *text, struct tn_pairs *ret_pairs, struct tn_error *err);
void tn_pairs_done(struct tn_pairs *pairs);

#endif
