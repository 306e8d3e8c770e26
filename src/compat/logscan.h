/*
 * The telling line of a whole pasted log: feed it bytes, in pieces of any size, then ask.
 *
 * Reads logs of TensorRT, trtexec, Python, Triton, DeepStream and Tenon's own. Colour codes are
 * taken out; LF, CRLF and CR end a line. Memory is bounded: of a line its first TN_LOGSCAN_LINE_MAX
 * bytes count. Rank of lines, the first of the highest rank tells: an error that a row of
 * logclass.h knows; an error that no row knows; a known warning; a generic line. What a log itself
 * marks as information is never an error.
 */
#ifndef TN_COMPAT_LOGSCAN_H
#define TN_COMPAT_LOGSCAN_H

#include "compat/logclass.h"

#include <stdint.h>

enum { TN_LOGSCAN_LINE_MAX = 4096 };

enum tn_log_severity {
    TN_SEVERITY_UNKNOWN,
    TN_SEVERITY_INFO, /* and everything below */
    TN_SEVERITY_WARNING,
    TN_SEVERITY_ERROR,
};

enum tn_logscan_rank {
    TN_LOGSCAN_NOTHING,
    TN_LOGSCAN_GENERIC,
    TN_LOGSCAN_WARNING,
    TN_LOGSCAN_UNKNOWN_ERROR,
    TN_LOGSCAN_KNOWN_ERROR,
};

struct tn_logscan {
    /* the answer, once ended */
    enum tn_logscan_rank rank;
    const struct tn_log_class *row; /* NULL: nothing, or an error that no row knows */
    int64_t line_number;            /* from 1 */
    char line[TN_LOGSCAN_LINE_MAX]; /* without colour codes; otherwise foreign bytes */

    /* the line under way */
    char text[TN_LOGSCAN_LINE_MAX];
    size_t size;
    int64_t at;
    int escape; /* 0 no, 1 after ESC, 2 in "ESC [", 3 in "ESC ]" */
};

void tn_logscan_init(struct tn_logscan *scan);
void tn_logscan_feed(struct tn_logscan *scan, const char *bytes, size_t size);
/** Takes a last line without its end, too. */
void tn_logscan_end(struct tn_logscan *scan);

/** What a line's own prefix says of it. */
enum tn_log_severity tn_log_severity_of(const char *line);

#endif
