#include "compat/applog.h"

#include "base/text.h"

#include <string.h>

void tn_applog_init(struct tn_log *log)
{
    *log = (struct tn_log) { .mutex = PTHREAD_MUTEX_INITIALIZER };
}

void tn_applog_done(struct tn_log *log)
{
    (void)pthread_mutex_destroy(&log->mutex);
}

static enum tn_applog_rank rank_of(int severity, const struct tn_log_class *row)
{
    if (severity > TN_LINE_WARNING)
        return TN_APPLOG_NOTHING;
    if (row && strcmp(row->name, "no-memory") == 0)
        return TN_APPLOG_MEMORY;
    if (severity == TN_LINE_WARNING || (row && row->scope == TN_LOG_WARNING))
        return TN_APPLOG_NOTHING;
    if (!row)
        return TN_APPLOG_UNKNOWN;
    return row->scope == TN_LOG_GENERIC ? TN_APPLOG_GENERIC : TN_APPLOG_KNOWN;
}

void tn_log_line(struct tn_log *log, int severity, const char *text)
{
    char head[TN_APPLOG_LINE_MAX];
    const struct tn_log_class *row;
    enum tn_applog_rank rank;

    if (!log || !text || severity > TN_LINE_WARNING)
        return; /* most lines: not worth a lock */
    (void)tn_text_copy(head, sizeof(head), text);
    if (head[strspn(head, " \t\r\n")] == '\0')
        return;
    row = tn_log_classify(head);
    rank = rank_of(severity, row);
    (void)pthread_mutex_lock(&log->mutex);
    if (rank > log->rank) {
        log->rank = rank;
        log->row = row;
        tn_text_one_line(log->line, sizeof(log->line), head);
    }
    (void)pthread_mutex_unlock(&log->mutex);
}
