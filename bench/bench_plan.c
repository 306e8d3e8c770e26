/*
 * Nanoseconds per tn_plan_parse() of each file named, median of many short runs (a busy machine
 * interrupts few of them). bench_plan FILE…
 */
#include "base/clock.h"
#include "base/macros.h"
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum { RUNS = 401, PARSES = 200 };

static int by_value(const void *a, const void *b)
{
    tn_nsec x = *(const tn_nsec *)a;
    tn_nsec y = *(const tn_nsec *)b;

    return (x > y) - (x < y);
}

static double median_ns(const unsigned char *data, size_t size)
{
    size_t head = size < TN_PLAN_HEAD_BYTES ? size : TN_PLAN_HEAD_BYTES;
    size_t tail = size < TN_PLAN_TAIL_BYTES ? size : TN_PLAN_TAIL_BYTES;
    tn_nsec run[RUNS];
    struct tn_plan plan;

    for (int i = 0; i < RUNS; i++) {
        tn_nsec start = tn_clock_monotonic();

        for (int n = 0; n < PARSES; n++) {
            tn_plan_parse(data, head, data + size - tail, tail, (int64_t)size, &plan);
            __asm__ volatile("" : : "r"(&plan) : "memory"); /* keeps the call */
        }
        run[i] = tn_clock_monotonic() - start;
    }
    qsort(run, RUNS, sizeof(run[0]), by_value);
    return (double)run[RUNS / 2] / PARSES;
}

int main(int argc, char **argv)
{
    static unsigned char data[1 << 16];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t size = file ? fread(data, 1, sizeof(data), file) : 0;

        if (!file || size == 0) {
            (void)fprintf(stderr, "bench_plan: cannot read '%s'\n", argv[i]);
            return 1;
        }
        (void)fclose(file);
        (void)printf("%8.1f ns  %s\n", median_ns(data, size), argv[i]);
    }
    return 0;
}
