/*
 * A warm tn_engine_get() in process against the least that any such call does: open, fstat, mmap,
 * munmap and close of the plan. bench_get STORE MODEL RUNTIME
 *
 * Prints "OURS_NS ANCHOR_NS PATH": medians of 1000 interleaved calls with one loader. The store
 * must hold the engine.
 */
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tenon/tenon.h>
#include <unistd.h>

enum { CALLS = 1000 };

static int by_value(const void *a, const void *b)
{
    tn_nsec x = *(const tn_nsec *)a, y = *(const tn_nsec *)b;

    return (x > y) - (x < y);
}

static tn_nsec median(tn_nsec *values)
{
    qsort(values, CALLS, sizeof(values[0]), by_value);
    return values[CALLS / 2];
}

/* One call and its close; `ret_path` (may be NULL) is taken from the engine. */
static tn_nsec get_once(struct tn_loader *loader, const char *model,
                        const struct tn_engine_options *want, char *ret_path, size_t size)
{
    struct tn_error err = { .code = 0 };
    struct tn_engine *engine = NULL;
    tn_nsec start = tn_clock_monotonic(), took;

    if (tn_engine_get(loader, model, want, &engine, &err) < 0) {
        (void)fprintf(stderr, "bench_get: %s\n", err.text);
        exit(1);
    }
    if (ret_path)
        (void)snprintf(ret_path, size, "%s", tn_engine_path(engine));
    tn_engine_close(engine);
    took = tn_clock_monotonic() - start;
    return took;
}

static tn_nsec map_once(const char *path)
{
    tn_nsec start = tn_clock_monotonic();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *bytes;

    if (fd < 0 || fstat(fd, &st) < 0)
        exit(1);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED || munmap(bytes, (size_t)st.st_size) < 0 || close(fd) < 0)
        exit(1);
    return tn_clock_monotonic() - start;
}

int main(int argc, char **argv)
{
    static tn_nsec ours[CALLS], anchor[CALLS];
    struct tn_loader_options at = { .size = sizeof(at) };
    struct tn_engine_options want = { .size = sizeof(want), .no_build = true };
    struct tn_loader *loader = NULL;
    struct tn_error err = { .code = 0 };
    char path[2048];

    if (argc != 4)
        return 2;
    at.store = argv[1];
    want.runtime = argv[3];
    if (tn_loader_open(&at, &loader, &err) < 0) {
        (void)fprintf(stderr, "bench_get: %s\n", err.text);
        return 1;
    }
    (void)get_once(loader, argv[2], &want, path, sizeof(path));
    (void)sleep(3); /* what that call noted is believed from then on */
    for (int i = 0; i < 3; i++)
        (void)get_once(loader, argv[2], &want, path, sizeof(path));
    for (int i = 0; i < CALLS; i++) {
        ours[i] = get_once(loader, argv[2], &want, NULL, 0);
        anchor[i] = map_once(path);
    }
    (void)printf("%lld %lld %s\n", (long long)median(ours), (long long)median(anchor), path);
    tn_loader_close(loader);
    return 0;
}
