/*
 * Times two programs against each other: bench_spawn ROUNDS PROGRAM ARG… -- PROGRAM ARG…
 *
 * Prints "MEDIAN_NS MEDIAN_NS PEAK_RSS_KIB" (the peak is the first one's). It is small itself, so
 * that starting a program costs little and the kernel's peak, which starts at what the starter
 * held, is the program's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t run(char **argv, const posix_spawn_file_actions_t *quiet, long *peak_kib)
{
    int64_t start = now();
    struct rusage usage;
    int status;
    pid_t pid;
    int rc = posix_spawn(&pid, argv[0], quiet, NULL, argv, environ);

    if (rc != 0) {
        (void)fprintf(stderr, "bench_spawn: %s: %s\n", argv[0], strerror(rc));
        exit(2);
    }
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            exit(2);
    if (usage.ru_maxrss > *peak_kib)
        *peak_kib = usage.ru_maxrss;
    return now() - start;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    int64_t *first = calloc(rounds + 1, sizeof(*first));
    int64_t *second = calloc(rounds + 1, sizeof(*second));
    posix_spawn_file_actions_t quiet;
    long peak = 0, ignored = 0;
    int split = 2;

    while (split < argc && strcmp(argv[split], "--") != 0)
        split++;
    if (rounds == 0 || split + 1 >= argc || !first || !second)
        return 2;
    argv[split] = NULL;
    (void)posix_spawn_file_actions_init(&quiet);
    (void)posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; i < rounds; i++) {
        first[i] = run(argv + 2, &quiet, &peak);
        second[i] = run(argv + split + 1, &quiet, &ignored);
    }
    (void)printf("%lld %lld %ld\n", (long long)median(first, rounds),
                 (long long)median(second, rounds), peak);
    (void)posix_spawn_file_actions_destroy(&quiet);
    free(first);
    free(second);
    return 0;
}
