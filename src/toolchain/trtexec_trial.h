/*
 * Trial loads with trtexec, 8.2 to 11, for who has no Python environment of a release. Entered
 * through tn_trial_run().
 *
 * Two children, one after the other, both tied to this process: tenon-gpu asks the driver and looks
 * at the free memory, since trtexec aborts where none answers and its words about memory are few;
 * then trtexec loads the engine and runs it once. It looks at no output, so `suspect` stays empty.
 *
 * trtexec passes engines that applications are refused (bytes appended) and aborts over what is no
 * engine: the file's own header is read before.
 */
#ifndef TN_TOOLCHAIN_TRTEXEC_TRIAL_H
#define TN_TOOLCHAIN_TRTEXEC_TRIAL_H

#include "toolchain/trial.h"

/**
 * @param output a name in a temporary folder of the caller's; the children's own lies beside it
 * @param limit  for both children together
 * @return as tn_trial_run(); TN_E_NOTFOUND, TN_E_ACCESS, … when the plan cannot be read
 */
int tn_trtexec_trial(const struct tn_trial_request *request, const char *output, tn_nsec limit,
                     struct tn_trial_result *ret_result, struct tn_error *err);

#endif
