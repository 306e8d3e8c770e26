#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static void read_boot(char *ret_boot, size_t size)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, ret_boot, size - 1);

    ret_boot[got > 0 ? got : 0] = '\0';
    ret_boot[strcspn(ret_boot, "\n")] = '\0';
    if (fd >= 0)
        (void)close(fd);
}

void tn_clock_moment(struct tn_moment *ret_moment)
{
    ret_moment->monotonic = tn_clock_monotonic();
    ret_moment->wall = tn_clock_wall();
    read_boot(ret_moment->boot, sizeof(ret_moment->boot));
}

void tn_clock_rfc3339(tn_nsec wall, char ret_text[TN_RFC3339_BYTES])
{
    time_t seconds = (time_t)(wall / TN_NSEC_PER_S);
    struct tm utc;

    if (!gmtime_r(&seconds, &utc) ||
        strftime(ret_text, TN_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        (void)snprintf(ret_text, TN_RFC3339_BYTES, "1970-01-01T00:00:00Z");
}

bool tn_clock_parse(const char *text, tn_nsec *ret_wall)
{
    struct tm utc = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);

    if (!end || *end)
        return false;
    *ret_wall = (tn_nsec)timegm(&utc) * TN_NSEC_PER_S;
    return true;
}
