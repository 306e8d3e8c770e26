#include "plan/plan.h"

#include "base/macros.h"
#include "plan/parse.h"

#include <assert.h>
#include <string.h>

const char *tn_file_kind_name(enum tn_file_kind kind)
{
    static const char *const names[] = {
        [TN_FILE_UNKNOWN] = "unknown",
        [TN_FILE_ENGINE] = "engine",
        [TN_FILE_TIMING_CACHE] = "timing-cache",
        [TN_FILE_GIT_LFS_POINTER] = "git-lfs-pointer",
        [TN_FILE_ONNX] = "onnx",
        [TN_FILE_EMPTY] = "empty",
    };

    return names[kind];
}

const char *tn_hw_compat_name(enum tn_hw_compat level)
{
    static const char *const names[] = { "none", "ampere+", "same-compute-capability" };

    return level < 0 || level >= (int)TN_COUNT(names) ? NULL : names[level];
}

const char *tn_refit_name(enum tn_refit refit)
{
    static const char *const names[] = { [TN_REFIT_NONE] = "none",
                                         [TN_REFIT_ANY] = "refit",
                                         [TN_REFIT_IDENTICAL] = "refit-identical",
                                         [TN_REFIT_INDIVIDUAL] = "refit-individual" };

    return refit < 0 || refit >= (int)TN_COUNT(names) ? NULL : names[refit];
}

static bool is_lfs_pointer(const uint8_t *head, size_t head_bytes)
{
    static const char start[] = "version https://git-lfs";

    return head_bytes >= sizeof(start) - 1 && memcmp(head, start, sizeof(start) - 1) == 0;
}

bool tn_plan_inner(const struct tn_plan_bytes *bytes, struct tn_plan *plan)
{
    if (!tn_plan_envelope(bytes, plan) && !tn_plan_flatbuffer(bytes, plan)) {
        plan->wrapper[0] = '\0';
        plan->wrapper_bytes = 0;
        return false;
    }
    tn_plan_flags_by_release(plan);
    return true;
}

static bool parse_wrapped(const struct tn_plan_bytes *whole, struct tn_plan *plan)
{
    int64_t skip = tn_plan_wrapper_bytes(whole->head, whole->head_bytes, plan->size);
    struct tn_plan_bytes inner = *whole;

    if (skip == 0)
        return false;
    memcpy(plan->wrapper, "ultralytics", sizeof("ultralytics"));
    plan->wrapper_bytes = skip;
    if ((int64_t)whole->head_bytes < skip + 4)
        return true; /* the plan lies beyond the bytes given */
    inner.head += skip;
    inner.head_bytes -= (size_t)skip;
    inner.base = skip;
    inner.size = plan->size - skip;
    return tn_plan_inner(&inner, plan);
}

/* Field by field: a temporary of this size copied over would cost as much as all the parsing. */
static void init_plan(struct tn_plan *plan, int64_t file_size)
{
    memset(plan, 0, sizeof(*plan));
    plan->size = file_size;
    plan->expected_size = TN_UNKNOWN;
    plan->complete = TN_UNKNOWN;
    plan->serialization_number = TN_UNKNOWN;
    plan->max_batch = TN_UNKNOWN;
    plan->gpu = tn_gpu_unknown();
    plan->cuda_runtime = plan->cuda_driver = TN_UNKNOWN;
    plan->weight_bytes = TN_UNKNOWN;
    plan->hw_compat = TN_HW_COMPAT_UNKNOWN;
    plan->refit = TN_REFIT_UNKNOWN;
    plan->lean_runtime_inside = plan->stripped = TN_UNKNOWN;
    plan->weight_streaming = plan->version_compatible = TN_UNKNOWN;
    plan->payload_offset = TN_UNKNOWN;
}

void tn_plan_parse(const void *head, size_t head_bytes, const void *tail, size_t tail_bytes,
                   int64_t file_size, struct tn_plan *ret_plan)
{
    struct tn_plan_bytes bytes = { .head = head,
                                   .head_bytes = head_bytes,
                                   .tail = tail,
                                   .tail_bytes = tail ? tail_bytes : 0,
                                   .size = file_size };
    struct tn_plan *plan = ret_plan;

    assert(file_size >= 0);
    if ((int64_t)bytes.head_bytes > file_size)
        bytes.head_bytes = (size_t)file_size;
    init_plan(plan, file_size);
    if (file_size == 0)
        plan->kind = TN_FILE_EMPTY;
    else if (is_lfs_pointer(bytes.head, bytes.head_bytes))
        plan->kind = TN_FILE_GIT_LFS_POINTER;
    else if (!tn_plan_envelope(&bytes, plan) && !tn_plan_flatbuffer(&bytes, plan) &&
             !parse_wrapped(&bytes, plan) &&
             tn_plan_looks_like_onnx(bytes.head, bytes.head_bytes, file_size))
        plan->kind = TN_FILE_ONNX;
    else if (plan->kind == TN_FILE_ENGINE)
        tn_plan_flags_by_release(plan);
}
