/*
 * The grammar of --require and --where: comparisons of attributes joined by and, or, not, ().
 *
 *   expression := term { "or" term } ;  term := factor { "and" factor }
 *   factor := "not" factor | "(" expression ")" | NAME op VALUE | NAME "in" "(" VALUE { "," VALUE }
 * ")" op := = | != | < | <= | > | >=
 *
 * Two values that both look like versions compare as versions by the parts that the shorter gives;
 * else both numbers as numbers; else as text without case. A comparison with a missing attribute is
 * false; so `not (rtx >= 1.7)` is true without one. A value with spaces stands in quotes; == is =.
 * Aliases: cc = gpu.compute_capability, trt = runtime.trt, rtx = runtime.rtx, gpu = gpu.product
 * (the short name, "h200"), jetpack = jetson.jetpack, driver = driver.
 *
 * Limits: 4096 bytes, 512 terms, 32 levels, 128 bytes per name or value.
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
/** Whether a filter can name it: letters, digits and ._-+:/@~*%, bytes of UTF-8. */
bool tn_filter_is_name(const char *text);
bool tn_filter_matches(const struct tn_filter *filter, tn_attribute_fn attribute, void *user);
/** Appends each comparison that is false with the value found: "trt = 8.2.1.8, wanted >= 8.4". */
void tn_filter_explain(const struct tn_filter *filter, tn_attribute_fn attribute, void *user,
                       struct tn_buf *text);
void tn_filter_free(struct tn_filter *filter);
/** Each attribute that it names, aliases in full; one that stands there twice comes twice. */
void tn_filter_names(const struct tn_filter *filter, void (*each)(const char *name, void *user),
                     void *user);

/** A tn_attribute_fn over a flat JSON object of strings and numbers; `user` is a struct
 * tn_flat_attributes. */
struct tn_flat_attributes {
    const json_t *json; /* borrowed */
    char number[32];
};
const char *tn_flat_attribute(const char *name, void *user);

/** Flattened attributes of a fingerprint, dots between names, no paths: "gpu.sm_count",
 * "gpu1.name", "runtime.trt", "driver", "jetson.jetpack". What is not known has none. A JSON object
 * of strings and numbers, new reference. */
json_t *tn_device_attributes(const struct tn_device *device);

enum { TN_DEVICE_FACTS_RUNTIMES = 4 /* one of each kind */ };

/** What of a device decides whether an engine loads on its first GPU. */
struct tn_device_facts {
    char platform[32]; /* "" unknown */
    int64_t cuda;      /* 13000; TN_UNKNOWN */
    struct tn_gpu gpu;
    struct tn_runtime_id runtime[TN_DEVICE_FACTS_RUNTIMES];
    int runtime_count;
};

/** The reverse of tn_device_attributes(). Attributes that are missing or make no sense leave their
 * fact unknown; a device that names a bundled board (gpu.product) and no compute capability has the
 * board's facts. */
void tn_device_facts(tn_attribute_fn attribute, void *user, struct tn_device_facts *ret_facts);

#endif
