/*
 * What the children of a trial said, as the trial's result; and how much GPU memory it asks for.
 *
 * Any thread; nothing is kept.
 */
#ifndef TN_TOOLCHAIN_TRIAL_RESULT_H
#define TN_TOOLCHAIN_TRIAL_RESULT_H

#include "toolchain/hearing.h"
#include "toolchain/trial.h"

/** Kept free beside the plan for contexts and activations (design.md §7), in bytes. */
#define TN_TRIAL_MARGIN (INT64_C(512) << 20)

/** Takes a child's end in: its outcome stands for the trial's, its phases and time are added. */
void tn_trial_result_take(struct tn_trial_result *result, const struct tn_hearing *hearing,
                          const struct tn_build_result *judged);

/** Makes a result one that failed in `stage` for a reason that is no child's.
 * @param reason a row of hearing.c's own classes */
void tn_trial_result_fail(struct tn_trial_result *result, const char *stage, const char *reason,
                          const char *text);

#endif
