/*
 * The parts of the plan parser; internal to src/plan. Each fills what it establishes in `plan` and
 * leaves the rest unknown. Offsets written to `plan` count from the start of the file.
 */
#ifndef TN_PLAN_PARSE_H
#define TN_PLAN_PARSE_H

#include "plan/plan.h"
#include "plan/stream.h"

/** The first and last bytes of a plan, a wrapper's prefix already taken off. */
struct tn_plan_bytes {
    const uint8_t *head;
    size_t head_bytes;
    const uint8_t *tail; /* the last `tail_bytes` of the file; NULL */
    size_t tail_bytes;
    int64_t base; /* where the plan begins in the file */
    int64_t size; /* bytes from there to the end of the file */
};

/** `ptrt`, `ftrt`, `vtrt`. @return whether the magic is one of them */
bool tn_plan_envelope(const struct tn_plan_bytes *bytes, struct tn_plan *plan);

/**
 * An archive (`ptrt` …) that lies at `offset` of the file, as one section or as the whole plan, and
 * the tagged stream in it.
 * @param length bytes of the archive as its section states them; TN_UNKNOWN
 */
void tn_plan_archive(const uint8_t *data, size_t size, int64_t offset, int64_t length,
                     struct tn_plan *plan);

/** The tagged stream: version, device block, flags. `s` stands at its first byte. */
void tn_plan_payload(struct tn_stream *s, struct tn_plan *plan);

/** TensorRT 5: a flatbuffer without magic. @return whether it is one */
bool tn_plan_flatbuffer(const struct tn_plan_bytes *bytes, struct tn_plan *plan);

/** Whether a length-prefixed JSON object (Ultralytics) stands before the plan. @return its bytes
 * with the prefix, or 0 */
int64_t tn_plan_wrapper_bytes(const uint8_t *head, size_t head_bytes, int64_t file_size);

/** Whether the first bytes are those of an ONNX model. */
bool tn_plan_looks_like_onnx(const uint8_t *head, size_t head_bytes, int64_t file_size);

/** What lies behind a wrapper's prefix (`bytes->base` > 0). @return whether it is a plan */
bool tn_plan_inner(const struct tn_plan_bytes *bytes, struct tn_plan *plan);

/** What a release cannot have because the feature came later. */
void tn_plan_flags_by_release(struct tn_plan *plan);

#endif
