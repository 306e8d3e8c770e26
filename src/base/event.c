#include "base/event.h"

#include "base/clock.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
    [TN_EVENT_DEBUG] = "debug",
    [TN_EVENT_INFO] = "info",
    [TN_EVENT_WARNING] = "warning",
    [TN_EVENT_ERROR] = "error",
};

static const char cut[] = "…\n"; /* how a line ends that was too long */

/* Adds all of it or nothing; what does not fit ends the line. */
static void add(struct tn_event *event, const char *text, size_t length)
{
    event->full = event->full || event->used + length + sizeof(cut) > sizeof(event->line);
    if (event->full)
        return;
    (void)memcpy(event->line + event->used, text, length);
    event->used += length;
}

static void add_key(struct tn_event *event, const char *key)
{
    if (event->used > 0)
        add(event, " ", 1);
    add(event, key, strlen(key));
    add(event, "=", 1);
}

void tn_event_begin(struct tn_event *event, enum tn_event_level level, const char *name)
{
    char now[TN_RFC3339_BYTES];

    assert((size_t)level < TN_COUNT(level_names));
    event->used = 0;
    event->full = false;
    tn_clock_rfc3339(tn_clock_wall(), now);
    add_key(event, "time");
    add(event, now, strlen(now));
    tn_event_text(event, "level", level_names[level]);
    tn_event_text(event, "event", name);
}

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] == '"' || text[i] == '=' || text[i] == '\\' ||
            (unsigned char)text[i] >= 0x7f)
            return false;
    return length > 0;
}

static void add_quoted(struct tn_event *event, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(TN_EVENT_MOST);

    tn_text_add_safe(&safe, text, strlen(text));
    add(event, "\"", 1);
    for (const char *at = tn_buf_text(&safe); *at; at++) {
        if (*at == '"')
            add(event, "\\", 1);
        add(event, at, 1);
    }
    add(event, "\"", 1);
}

void tn_event_text(struct tn_event *event, const char *key, const char *value)
{
    if (!value)
        return;
    add_key(event, key);
    if (is_plain(value, strlen(value)))
        add(event, value, strlen(value));
    else
        add_quoted(event, value);
}

void tn_event_int(struct tn_event *event, const char *key, int64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRId64, value);

    add_key(event, key);
    add(event, digits, (size_t)length);
}

void tn_event_end(struct tn_event *event)
{
    const char *end = event->full ? cut : "\n";

    (void)memcpy(event->line + event->used, end, strlen(end));
    event->used += strlen(end);
    if (write(STDERR_FILENO, event->line, event->used) < 0)
        return; /* nowhere to say it */
}

void tn_event_error(const char *name, const struct tn_error *err)
{
    struct tn_event event;

    tn_event_begin(&event, TN_EVENT_ERROR, name);
    tn_event_text(&event, "code", tn_error_name(err->code));
    tn_event_text(&event, "error", err->text);
    tn_event_end(&event);
}
