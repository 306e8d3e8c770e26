#include "cli/progress.h"

#include "base/text.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct tn_meter tn_meter_start(const struct tn_invocation *call)
{
    return (struct tn_meter) { .quiet = call->quiet, .terminal = isatty(STDERR_FILENO) == 1 };
}

static int columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw(struct tn_meter *meter, const char *step, const char *phase, tn_nsec elapsed)
{
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(1024);

    tn_buf_addf(&line, "%6.1f s  %s%s%s", (double)elapsed / 1e9, step, *phase ? ": " : "", phase);
    if (meter->terminal)
        (void)fprintf(stderr, "\r\033[K%.*s", columns() - 1, tn_buf_text(&line));
    else
        (void)fprintf(stderr, "%s\n", tn_buf_text(&line));
    (void)fflush(stderr);
    meter->drawn = meter->terminal;
}

void tn_meter_show(struct tn_meter *meter, const char *step, const char *phase, tn_nsec elapsed)
{
    tn_nsec now = tn_clock_monotonic();
    bool changed = strcmp(step, meter->step) != 0;
    tn_nsec pause = meter->terminal ? TN_NSEC_PER_S / 10 : 30 * TN_NSEC_PER_S;

    if (meter->quiet || (!changed && now - meter->last < pause))
        return;
    (void)tn_text_copy(meter->step, sizeof(meter->step), step);
    meter->last = now;
    draw(meter, step, phase, elapsed);
}

void tn_meter_end(struct tn_meter *meter)
{
    if (meter->drawn)
        (void)fputs("\r\033[K", stderr);
    meter->drawn = false;
}
