#include "compat/logscan.h"

#include "base/macros.h"

#include <string.h>

enum { PREFIX_MAX = 96, ESCAPE = 0x1b, BELL = 0x07 };

/* ---- severity ---- */

/* Words of prefixes, as TensorRT 5 to 11, trtexec, ONNX Runtime, DeepStream and Python's logging
 * write them. The most severe one at a line's head counts: wrappers put their own before it. */
static const struct {
    const char *word;
    enum tn_log_severity severity;
} words[] = {
    { "[E]", TN_SEVERITY_ERROR },
    { "[F]", TN_SEVERITY_ERROR },
    { "ERROR:", TN_SEVERITY_ERROR },
    { "[ERROR]", TN_SEVERITY_ERROR },
    { "INTERNAL_ERROR", TN_SEVERITY_ERROR },
    { "[E:", TN_SEVERITY_ERROR },
    { "Error[", TN_SEVERITY_ERROR },

    { "Error Code", TN_SEVERITY_ERROR },
    { "[W]", TN_SEVERITY_WARNING },
    { "WARNING", TN_SEVERITY_WARNING },
    { "Warning:", TN_SEVERITY_WARNING },
    { "[W:", TN_SEVERITY_WARNING },
    { "[I]", TN_SEVERITY_INFO },
    { "[V]", TN_SEVERITY_INFO },
    { "[I:", TN_SEVERITY_INFO },
    { "INFO", TN_SEVERITY_INFO },
    { "VERBOSE", TN_SEVERITY_INFO },
    { "[X]", TN_SEVERITY_INFO },
    { "&&&& RUNNING", TN_SEVERITY_INFO },
};

static enum tn_log_severity of_letter(char letter)
{
    switch (letter) {
    case 'E':
    case 'F':
    case 'P': /* Tenon's own log: what the ONNX parser refused */
        return TN_SEVERITY_ERROR;
    case 'W':
        return TN_SEVERITY_WARNING;
    case 'I':
    case 'V':
        return TN_SEVERITY_INFO;
    default:
        return TN_SEVERITY_UNKNOWN;
    }
}

/* "    0.012 E text": a build log of Tenon. "E1123 10:00:00.1 …": glog, as Triton writes it. */
static enum tn_log_severity of_short_form(const char *line)
{
    const char *at = line + strspn(line, " ");
    size_t number = strspn(at, "0123456789.");

    if (number >= 3 && at[number] == ' ' && at[number + 1] && at[number + 2] == ' ')
        return of_letter(at[number + 1]);
    if (*at && strspn(at + 1, "0123456789") == 4 && at[5] == ' ')
        return of_letter(*at);
    return TN_SEVERITY_UNKNOWN;
}

enum tn_log_severity tn_log_severity_of(const char *line)
{
    enum tn_log_severity most = of_short_form(line);
    char head[PREFIX_MAX + 1];
    size_t length = strnlen(line, PREFIX_MAX);

    memcpy(head, line, length);
    head[length] = '\0';
    for (size_t i = 0; i < TN_COUNT(words); i++)
        if (words[i].severity > most && strstr(head, words[i].word))
            most = words[i].severity;
    return most;
}

/* ---- lines ---- */

static enum tn_logscan_rank rank_of(const char *line, const struct tn_log_class *row)
{
    enum tn_log_severity severity = tn_log_severity_of(line);

    if (line[strspn(line, " \t")] == '\0' || severity == TN_SEVERITY_INFO)
        return TN_LOGSCAN_NOTHING;
    if (row && row->scope == TN_LOG_GENERIC)
        return TN_LOGSCAN_GENERIC;
    if (row && (row->scope == TN_LOG_WARNING || severity == TN_SEVERITY_WARNING))
        return TN_LOGSCAN_WARNING;
    if (row)
        return TN_LOGSCAN_KNOWN_ERROR;
    return severity == TN_SEVERITY_ERROR ? TN_LOGSCAN_UNKNOWN_ERROR : TN_LOGSCAN_NOTHING;
}

static void take_line(struct tn_logscan *scan)
{
    const struct tn_log_class *row;
    enum tn_logscan_rank rank;

    scan->text[scan->size] = '\0';
    row = tn_log_classify(scan->text);
    rank = rank_of(scan->text, row);
    if (rank > scan->rank) {
        scan->rank = rank;
        scan->row = row;
        scan->line_number = scan->at;
        memcpy(scan->line, scan->text, scan->size + 1);
    }
    scan->size = 0;
}

/* @return whether the byte belongs to a colour code */
static bool skip_escape(struct tn_logscan *scan, char byte)
{
    if (scan->escape == 0) {
        scan->escape = byte == ESCAPE;
    } else if (byte == '\n') {
        scan->escape = 0; /* cut short */
    } else if (scan->escape == 1) {
        scan->escape = byte == '[' ? 2 : byte == ']' ? 3 : 0;
        return true;
    } else if (scan->escape == 2) {
        if (byte >= 0x40 && byte <= 0x7e)
            scan->escape = 0;
        return true;
    } else {
        if (byte == BELL || byte == ESCAPE)
            scan->escape = byte == ESCAPE;
        return true;
    }
    return scan->escape == 1;
}

static void take_byte(struct tn_logscan *scan, char byte)
{
    if (skip_escape(scan, byte))
        return;
    if (byte == '\n' || byte == '\r') {
        take_line(scan);
        scan->at += byte == '\n';
    } else if (scan->size + 1 < sizeof(scan->text)) {
        scan->text[scan->size++] = byte ? byte : ' ';
    }
}

void tn_logscan_init(struct tn_logscan *scan)
{
    *scan = (struct tn_logscan) { .at = 1 };
}

void tn_logscan_feed(struct tn_logscan *scan, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        take_byte(scan, bytes[i]);
}

void tn_logscan_end(struct tn_logscan *scan)
{
    if (scan->size > 0)
        take_line(scan);
}
