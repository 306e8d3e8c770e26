/*
 * Running workers/tenon_worker.py once: environment, temporary folder, limits.
 *
 * Any thread; nothing is kept.
 */
#ifndef TN_TOOLCHAIN_WORKER_H
#define TN_TOOLCHAIN_WORKER_H

#include "base/json.h"
#include "base/proc.h"
#include "toolchain/toolchain.h"

/** A request for `op` with the flavor and modules of the toolchain; NULL when memory has run out.
 */
json_t *tn_worker_request(const struct tn_toolchain *toolchain, const char *op);

/** One run of the worker. All borrowed. */
struct tn_worker_run {
    const struct tn_toolchain *toolchain;
    json_t *request;         /* object; `parent` and `limits` are added */
    const char *output_path; /* the file it makes; a folder beside it is its TMPDIR */
    const char *visible_gpu; /* CUDA_VISIBLE_DEVICES; "" = none */
    struct tn_child_limits limits;
    tn_line_fn line;
    void *user;
};

/**
 * Runs the worker to its end. Its temporary folder is gone afterwards.
 * @return 0; TN_E_NOTFOUND (interpreter or worker), TN_E_UNTRUSTED, TN_E_INVALID (a path that is
 * not UTF-8), TN_E_NOMEM, TN_E_IO
 */
int tn_worker_run(const struct tn_worker_run *run, struct tn_proc_result *ret_end,
                  struct tn_error *err);

#endif
