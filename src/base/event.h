/*
 * Log lines of programs that run on: one event per line with fields, in logfmt, on standard error.
 *
 *     time=2026-11-23T01:02:03Z level=warning event=commit_failed error="disk full"
 *
 * Library code does not log; the code that ends an error's journey does, once. A line is built on
 * the caller's stack and written by one write(2), so lines of several threads do not mix. A line
 * that grows beyond its limit ends in "…".
 */
#ifndef TN_BASE_EVENT_H
#define TN_BASE_EVENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tn_event_level { TN_EVENT_DEBUG, TN_EVENT_INFO, TN_EVENT_WARNING, TN_EVENT_ERROR };

enum { TN_EVENT_MOST = 1200 };

struct tn_event {
    size_t used;
    bool full; /* something did not fit */
    char line[TN_EVENT_MOST];
};

/** Begins a line; `name` is a word with underscores, told apart from others by people's searches.
 */
void tn_event_begin(struct tn_event *event, enum tn_event_level level, const char *name);

/** A field; foreign text is quoted, its control bytes become \xNN. NULL adds nothing. */
void tn_event_text(struct tn_event *event, const char *key, const char *value);
void tn_event_int(struct tn_event *event, const char *key, int64_t value);

/** Writes the line to standard error. A failure to write is tolerated: there is nowhere to say it.
 */
void tn_event_end(struct tn_event *event);

/** A whole line with the text of an error: event=NAME error="…". */
void tn_event_error(const char *name, const struct tn_error *err);

#endif
