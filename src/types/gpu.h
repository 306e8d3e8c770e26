/*
 * Facts of one GPU as CUDA attributes give them (plans store exactly those), and its device class.
 * A plan's header, a fingerprint and a bundled board all speak in this struct.
 */
#ifndef TN_TYPES_GPU_H
#define TN_TYPES_GPU_H

#include "base/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** Every number is TN_UNKNOWN (-1) where it is not known. Initialise with tn_gpu_unknown(). */
struct tn_gpu {
    int64_t index;
    char uuid[64];    /* "GPU-…", "MIG-…"; "" unknown */
    char name[96];    /* "NVIDIA H200"; not an identity */
    char product[48]; /* short name for file names: "h200", "t4"; "" unknown */
    int64_t cc_major, cc_minor;
    int64_t sm_count;
    int64_t memory_bytes; /* CUDA's total, not NVML's */
    int64_t l2_bytes;
    int64_t bus_bits;
    int64_t core_khz, memory_khz;
    int64_t integrated; /* 0, 1 */
    int64_t ecc;        /* 0, 1 */
    char mig[48];       /* MIG profile such as "1g.18gb"; "" = none */
};

struct tn_gpu tn_gpu_unknown(void);

#define TN_CC_TEXT 24
enum { TN_CC_PART_MOST = 999 }; /* no half of a compute capability that is read is larger */

/** "8.9"; "" when unknown. */
void tn_gpu_cc_print(const struct tn_gpu *gpu, char ret_text[TN_CC_TEXT]);

/** Members of the contract (`index uuid name product compute_capability sm_count …`), new
 * reference. */
json_t *tn_gpu_to_json(const struct tn_gpu *gpu);

/** The reverse; unknown or missing members stay unknown. @return 0 or TN_E_INVALID */
int tn_gpu_from_json(const json_t *json, struct tn_gpu *ret_gpu, struct tn_error *err);

/**
 * Appends the device class of a classic plan, the value of the key field `class`:
 * "sm89-128sm-384bit-l2.75497472-24GiB-discrete[-mig.1g.18gb]"; memory rounded up to whole GiB.
 * @return whether every part of it was known; an unknown part is written as "?"
 */
bool tn_gpu_class_add(struct tn_buf *text, const struct tn_gpu *gpu);

#endif
