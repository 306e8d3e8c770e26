#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static tn_nsec read_clock(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (tn_nsec)now.tv_sec * TN_NSEC_PER_S + now.tv_nsec;
}

tn_nsec tn_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

tn_nsec tn_clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

void tn_clock_rfc3339(tn_nsec wall, char ret_text[TN_RFC3339_BYTES])
{
    time_t seconds = (time_t)(wall / TN_NSEC_PER_S);
    struct tm utc;

    if (!gmtime_r(&seconds, &utc) ||
        strftime(ret_text, TN_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        (void)snprintf(ret_text, TN_RFC3339_BYTES, "1970-01-01T00:00:00Z");
}
