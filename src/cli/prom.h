/*
 * The text format of Prometheus, as node-exporter's textfile collector reads it.
 */
#ifndef TN_CLI_PROM_H
#define TN_CLI_PROM_H

#include "base/buf.h"

struct tn_metric {
    const char *name, *type, *help;
};

/** The two lines before a metric's samples. */
void tn_prom_head(struct tn_buf *text, const struct tn_metric *metric);

/** `before` is "{" for the first label of a sample, else ",". Escapes the value. */
void tn_prom_label(struct tn_buf *text, const char *before, const char *name, const char *value);

#endif
