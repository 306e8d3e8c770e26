/*
 * Progress of long work on standard error: one line that is redrawn on a terminal, a line now and
 * then elsewhere, nothing with -q. A true percentage does not exist for an engine build: phase and
 * elapsed time are shown.
 */
#ifndef TN_CLI_PROGRESS_H
#define TN_CLI_PROGRESS_H

#include "base/clock.h"
#include "cli/command.h"

struct tn_meter {
    bool quiet, terminal;
    tn_nsec last;   /* monotonic, when something was drawn */
    bool drawn;     /* a line stands there that has to be cleared */
    char step[160]; /* what was announced last on a plain stream */
};

struct tn_meter tn_meter_start(const struct tn_invocation *call);

/** Shows "step  phase  12.3 s"; draws at most ten times a second on a terminal, and elsewhere when
 * the step changes and every 30 s. */
void tn_meter_show(struct tn_meter *meter, const char *step, const char *phase, tn_nsec elapsed);

/** Clears the line. */
void tn_meter_end(struct tn_meter *meter);

#endif
