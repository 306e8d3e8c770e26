/*
 * Readers of a store alone, and beside writers: bench_readers STORE
 *
 * Eight processes find and verify one engine again and again; then the same beside eight that put
 * engines without pause. Prints "MEDIAN_NS P99_NS WAITS MEDIAN_NS P99_NS WAITS PUTS": the first
 * three without writers. WAITS are the readers' voluntary context switches for 1000 reads: who
 * waits for a lock or for a disk gives up the processor, who only shares it does not.
 */
#include "base/clock.h"
#include "base/json.h"
#include "store/object.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 8, WRITERS = 8, READS = 500 };

/* Shared by all processes. */
static struct board {
    tn_nsec read[READERS][READS];
    long waits[READERS];
    long puts[WRITERS];
} * board;

static void need(int rc, const struct tn_error *err)
{
    if (rc < 0) {
        (void)fprintf(stderr, "bench_readers: %s\n", err->text);
        exit(1);
    }
}

static struct tn_record record_of(const char *model)
{
    struct tn_record record = { .model_name = "m", .facts = json_object(), .built = json_object() };
    struct tn_error err = { .code = 0 };

    for (int i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup(i == TN_RECIPE_MODEL_DIGEST ? model : "-");
    need(tn_recipe_key(&record.recipe, &record.key, &err), &err);
    (void)snprintf(record.name, sizeof(record.name), "%.200s.engine", model);
    return record;
}

static void put(const struct tn_store *store, const char *model, const char *bytes)
{
    struct tn_record record = record_of(model);
    struct tn_put one = { .lock_fd = -1 };
    struct tn_entry entry = { 0 };
    struct tn_error err = { .code = 0 };
    FILE *file;

    need(tn_put_begin(store, &one, &err), &err);
    file = fopen(one.plan_path, "w");
    if (!file || fputs(bytes, file) < 0 || fclose(file) != 0)
        exit(1);
    need(tn_put_commit(&one, &record, &entry, &err), &err);
    tn_entry_done(&entry);
    tn_put_done(&one);
    tn_record_done(&record);
}

static void write_on(const struct tn_store *store, int number)
{
    for (;;) {
        char model[64], bytes[80];

        (void)snprintf(model, sizeof(model), "writer-%d-%ld", number, board->puts[number]);
        (void)snprintf(bytes, sizeof(bytes), "plan of %s", model);
        put(store, model, bytes);
        board->puts[number]++;
    }
}

static void read_once(const struct tn_store *store, const struct tn_digest *key)
{
    struct tn_entries found = { 0 };
    struct tn_error err = { .code = 0 };

    need(tn_objects_find(store, key, NULL, NULL, &found, &err), &err);
    if (found.count != 1)
        exit(1);
    need(tn_object_verify(store, &found.item[0], false, &err), &err);
    tn_entries_done(&found);
}

static void read_on(const struct tn_store *store, const struct tn_digest *key, int number)
{
    struct rusage before, after;

    read_once(store, key);
    (void)getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < READS; i++) {
        tn_nsec start = tn_clock_monotonic();

        read_once(store, key);
        board->read[number][i] = tn_clock_monotonic() - start;
    }
    (void)getrusage(RUSAGE_SELF, &after);
    board->waits[number] = after.ru_nvcsw - before.ru_nvcsw;
    exit(0);
}

static int by_value(const void *a, const void *b)
{
    tn_nsec x = *(const tn_nsec *)a, y = *(const tn_nsec *)b;

    return (x > y) - (x < y);
}

static void run_readers(const struct tn_store *store, const struct tn_digest *key)
{
    tn_nsec *all = &board->read[0][0];
    pid_t reader[READERS];
    long waits = 0;
    int status;

    for (int i = 0; i < READERS; i++) {
        reader[i] = fork();
        if (reader[i] == 0)
            read_on(store, key, i);
    }
    for (int i = 0; i < READERS; i++) {
        if (waitpid(reader[i], &status, 0) < 0 || status != 0)
            exit(1);
        waits += board->waits[i];
    }
    qsort(all, (size_t)READERS * READS, sizeof(*all), by_value);
    (void)printf("%lld %lld %ld ", (long long)all[READERS * READS / 2],
                 (long long)all[READERS * READS / 100 * 99], waits * 1000 / (READERS * READS));
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct tn_record record = record_of("read");
    struct tn_store *store = NULL;
    struct tn_error err = { .code = 0 };
    pid_t writer[WRITERS];
    long puts = 0;

    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc != 2 || board == MAP_FAILED)
        return 2;
    need(tn_store_open(argv[1], &store, &err), &err);
    put(store, "read", "plan that is read");
    (void)sleep(3); /* its stamp is believed from then on */
    run_readers(store, &record.key);
    for (int i = 0; i < WRITERS; i++) {
        writer[i] = fork();
        if (writer[i] == 0)
            write_on(store, i);
    }
    run_readers(store, &record.key);
    for (int i = 0; i < WRITERS; i++) {
        (void)kill(writer[i], SIGKILL);
        (void)waitpid(writer[i], NULL, 0);
        puts += board->puts[i];
    }
    (void)printf("%ld\n", puts);
    tn_record_done(&record);
    tn_store_close(store);
    return puts > 0 ? 0 : 1;
}
