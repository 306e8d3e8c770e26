/*
 * /metrics in Prometheus' text format: every family is a row of one table, docs/metrics.md is cut
 * from it, and what the fleet reports under a name without a row is an error of the tests.
 */
#ifndef TN_TENOND_METRICS_H
#define TN_TENOND_METRICS_H

#include "base/buf.h"
#include "tenond/tenond.h"

#include <stdio.h>

/** Appends all families that have samples. @return 0, TN_E_TOOBIG, TN_E_NOMEM */
int tn_metrics_write(struct tn_tenond *tenond, struct tn_buf *text, struct tn_error *err);

/** Whether a family (or its _bucket, _sum, _count) has a row. */
bool tn_metrics_known(const char *name);

void tn_metrics_markdown(FILE *out);

#endif
