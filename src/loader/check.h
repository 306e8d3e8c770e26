/*
 * Whether an engine will load somewhere, and if not, why: the places that are asked about, the
 * answer of the rules, and a trial on this machine where one is wanted.
 *
 * Reads the plan's own bytes, probes this machine unless devices are named, starts a child for a
 * trial, prints nothing, touches no store. An object belongs to one thread.
 */
#ifndef TN_LOADER_CHECK_H
#define TN_LOADER_CHECK_H

#include "base/json.h"
#include "compat/compat.h"
#include "toolchain/trial.h"

enum { TN_CHECK_PLACES_MAX = 256 };

/** What is asked. Strings borrowed for the life of the check; zeroed = this machine with the
 * runtime that an application here would load. */
struct tn_check_wish {
    const char *const *device; /* boards with runtimes ("t4+trt8.4.1.5") or fingerprint files */
    size_t device_count;
    const char *runtime; /* "trt10.6.0.26", "all"; NULL = decide */
    const char *gpu;     /* index, UUID or name; NULL = the first visible */
    const char *python;  /* an interpreter that may try; NULL = those found */
    bool allow_host_code;
    bool trial;               /* load it here in a child; only without devices */
    tn_nsec trial_time_limit; /* of one trial; 0 = the trial's own default */
};

/** One GPU with one runtime. Borrows from the check. */
struct tn_check_place {
    const struct tn_device *device;
    const struct tn_gpu *gpu; /* NULL = not known */
    struct tn_runtime_id runtime;
    bool others; /* the device has other GPUs too, and none was chosen: `gpu` is the first */
};

struct tn_check {
    struct tn_check_wish wish;
    struct tn_device *device; /* device_count of them */
    size_t device_count;
    struct tn_check_place *place; /* place_count of them; none when `nowhere` */
    size_t place_count;
    bool nowhere; /* no device was named, and no GPU answers here */
};

/** The answer for one engine at one place. */
struct tn_check_result {
    struct tn_answer answer;
    bool tried; /* `trial` says how it went */
    struct tn_trial_result trial;
    bool trouble;      /* of the device: a trial failed, or could not be made */
    char warning[640]; /* a trial that was wanted and not made, and why; "" = none */
};

/**
 * Finds the places.
 * @param ret_check end it with tn_check_done(), also after a failure
 * @return 0; TN_E_USAGE (trial with devices; a runtime or device that makes no sense),
 *         TN_E_NOTFOUND (no such board, file, GPU or runtime), TN_E_TOOBIG (places), TN_E_INVALID,
 *         TN_E_NOMEM
 */
int tn_check_begin(const struct tn_check_wish *wish, struct tn_check *ret_check,
                   struct tn_error *err);
void tn_check_done(struct tn_check *check);

/** The facts that the rules go by. @return as tn_file_open() and tn_plan_read() */
int tn_check_read(const char *path, struct tn_plan *ret_plan, struct tn_error *err);

/** Answers for the engine in `path`, whose facts are `plan`, at one place of the check. Blocks
 * while a trial runs. */
void tn_check_answer(const struct tn_check *check, const struct tn_check_place *place,
                     const char *path, const struct tn_plan *plan,
                     struct tn_check_result *ret_result);

/** The answer for every engine where there is nothing to compare with: `check->nowhere`. */
void tn_check_nowhere(const struct tn_check *check, struct tn_check_place *ret_place,
                      struct tn_check_result *ret_result);

/** Why there is nothing to compare with, and what to do. Static storage. */
const char *tn_check_nowhere_reason(const struct tn_check *check);
const char *tn_check_nowhere_remedy(void);

/** "rtx1.7.1.116", or NULL when the place names no runtime. */
const char *tn_check_runtime_name(const struct tn_check_place *place, char text[TN_RUNTIME_TEXT]);

/** "t4 has different GPUs; checked is Tesla T4 (--gpu chooses another)" for a place with others. */
void tn_check_others_text(const struct tn_check_place *place, struct tn_buf *text);

/** The object that `tenon check --json` prints; NULL when memory has run out. */
json_t *tn_check_to_json(const char *path, const struct tn_check_place *place,
                         const struct tn_check_result *result);

#endif
