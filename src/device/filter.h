/*
 * The grammar of --require and --where: comparisons of attributes joined by and, or, not, ().
 *
 *   expression := term { "or" term } ;  term := factor { "and" factor }
 *   factor := "not" factor | "(" expression ")" | NAME op VALUE | NAME "in" "(" VALUE { "," VALUE }
 * ")" op := = | != | < | <= | > | >=
 *
 * Two values that both look like versions compare as versions by the parts that the shorter gives;
 * else both numbers as numbers; else as text without case. A comparison with a missing attribute is
 * false. Aliases: cc trt rtx gpu jetpack driver.
 */
#ifndef TN_DEVICE_FILTER_H
#define TN_DEVICE_FILTER_H

#include "base/buf.h"
#include "device/device.h"

/** The value of an attribute ("gpu.compute_capability") or NULL; valid until the next call. */
typedef const char *(*tn_attribute_fn)(const char *name, void *user);

struct tn_filter;

/** @return 0, TN_E_INVALID with the column and what was expected, TN_E_TOOBIG, TN_E_NOMEM */
int tn_filter_parse(const char *text, struct tn_filter **ret_filter, struct tn_error *err);
bool tn_filter_matches(const struct tn_filter *filter, tn_attribute_fn attribute, void *user);
/** Appends each comparison that is false with the value found: "trt = 8.2.1.8, wanted >= 8.4". */
void tn_filter_explain(const struct tn_filter *filter, tn_attribute_fn attribute, void *user,
                       struct tn_buf *text);
void tn_filter_free(struct tn_filter *filter);

/** Flattened attributes of a fingerprint, dots between names, no paths: "gpu.sm_count",
 * "gpu1.name", "runtime.trt", "driver", "jetson.jetpack". A JSON object of strings and numbers, new
 * reference. */
json_t *tn_device_attributes(const struct tn_device *device);

#endif
