/*
 * Flavors of TensorRT and the kinds of runtime that load plans.
 */
#ifndef TN_TYPES_FLAVOR_H
#define TN_TYPES_FLAVOR_H

#include "types/version.h"

#include <stddef.h>

enum tn_flavor {
    TN_FLAVOR_UNKNOWN = 0,
    TN_FLAVOR_TENSORRT,
    TN_FLAVOR_RTX, /* TensorRT-RTX; neither loads the other's plans */
};

enum tn_runtime_kind {
    TN_RUNTIME_UNKNOWN = 0,
    TN_RUNTIME_TRT, /* the full library, libnvinfer */
    TN_RUNTIME_LEAN,
    TN_RUNTIME_DISPATCH,
    TN_RUNTIME_RTX,
};

/** "tensorrt", "tensorrt-rtx", NULL for unknown. */
const char *tn_flavor_name(enum tn_flavor flavor);
enum tn_flavor tn_flavor_parse(const char *text);

/** "trt", "lean", "dispatch", "rtx", NULL for unknown. */
const char *tn_runtime_kind_name(enum tn_runtime_kind kind);
enum tn_runtime_kind tn_runtime_kind_parse(const char *text, size_t length);

/** The flavor whose plans a runtime of this kind reads. */
enum tn_flavor tn_runtime_flavor(enum tn_runtime_kind kind);

/** A runtime without its place: "trt10.6.0.26", "lean10.15.1.29", "rtx1.7.1.116", "trt8.4". */
struct tn_runtime_id {
    enum tn_runtime_kind kind;
    struct tn_version version;
};

#define TN_RUNTIME_TEXT (TN_VERSION_TEXT + 12)

int tn_runtime_id_parse(const char *text, struct tn_runtime_id *ret_id, struct tn_error *err);
void tn_runtime_id_print(const struct tn_runtime_id *id, char ret_text[TN_RUNTIME_TEXT]);

#endif
