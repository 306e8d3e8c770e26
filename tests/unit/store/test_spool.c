#include "fixture.h"

#include "base/text.h"
#include "store/spool.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Number `n` of writer `writer`, long enough that a file is full after a few hundred. */
static struct tn_outcome outcome_of(int writer, int n)
{
    struct tn_outcome outcome = { .by = TN_OUTCOME_TRIAL,
                                  .result = TN_OUTCOME_FAILED,
                                  .time = 1795400000 * TN_NSEC_PER_S,
                                  .bytes = n,
                                  .rung = 2,
                                  .seconds = 0.25,
                                  .cold = 1,
                                  .lasting = true };

    (void)snprintf(outcome.model, sizeof(outcome.model), "m%d", writer);
    (void)snprintf(outcome.name, sizeof(outcome.name), "m_1x3_rtx1.7.1.116_sm89_fp16.engine");
    (void)snprintf(outcome.class_name, sizeof(outcome.class_name), "trt-version");
    memset(outcome.first_line, 'x', sizeof(outcome.first_line) - 1);
    return outcome;
}

static void add(struct place *place, int writer, int n)
{
    struct tn_outcome outcome = outcome_of(writer, n);
    struct tn_error err = { 0 };

    if (tn_spool_add(place->store, &outcome, &err) != TN_OK)
        fail_msg("%s", err.text);
}

enum { WRITERS = 4 };

struct seen {
    int64_t count, dropped;
    int64_t last[WRITERS]; /* of each writer */
    bool disorder;
    struct tn_outcome latest;
    int64_t position;   /* of the one before */
    bool elsewhere;     /* of another spool than that, or not behind it */
    int64_t stop_after; /* 0 = never */
};

static bool see(const struct tn_outcome *outcome, void *user)
{
    struct seen *seen = user;
    int writer = outcome->model[1] - '0';

    assert_in_range(writer, 0, WRITERS - 1);
    seen->disorder |= outcome->bytes <= seen->last[writer];
    seen->last[writer] = outcome->bytes;
    seen->elsewhere |= outcome->position <= seen->position ||
                       (seen->count > 0 && strcmp(outcome->spool, seen->latest.spool) != 0);
    seen->position = outcome->position;
    seen->latest = *outcome;
    return ++seen->count != seen->stop_after;
}

static struct seen look(struct place *place)
{
    struct seen seen = { .count = 0 };
    struct tn_error err = { 0 };

    if (tn_spool_each(place->store, see, &seen, &seen.dropped, &err) != TN_OK)
        fail_msg("%s", err.text);
    return seen;
}

static char *current_path(struct place *place)
{
    return tn_store_path(place->store, 0, "hosts/%s/spool/outcomes.jsonl",
                         tn_store_host(place->store));
}

static void append(struct place *place, const char *text)
{
    tn_auto(tn_str_free) char *path = current_path(place);
    tn_auto(tn_fd_done) int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(tn_file_write_all(fd, text, strlen(text), NULL), TN_OK);
}

/* Files of the spool, and whether each of their lines is JSON. */
static int files_of(struct place *place, int64_t *ret_largest)
{
    tn_auto(tn_str_free) char *folder =
        tn_store_path(place->store, 0, "hosts/%s/spool", tn_store_host(place->store));
    tn_auto(tn_dir_done) DIR *dir = opendir(folder);
    const struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    *ret_largest = 0;
    while ((entry = readdir(dir)) != NULL) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(2 << 20);
        tn_auto(tn_str_free) char *path = tn_path_join(folder, entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        count++;
        assert_int_equal(tn_file_read(path, &text, NULL), TN_OK);
        if ((int64_t)text.size > *ret_largest)
            *ret_largest = (int64_t)text.size;
        for (const char *at = tn_buf_text(&text); *at; at += strcspn(at, "\n") + 1) {
            tn_auto(tn_json_done) json_t *json = NULL;

            if (*at == '\n')
                continue; /* before it a writer met a line that was still being written */
            assert_int_equal(tn_json_parse(at, strcspn(at, "\n"), "line", &json, NULL), TN_OK);
        }
    }
    return count;
}

TEST(spool__gives_back_every_member_of_an_outcome)
{
    struct place place = place_new();
    struct tn_outcome written = outcome_of(1, 77);
    struct seen seen;

    assert_int_equal(tn_digest_of("d", 1, &written.digest, NULL), TN_OK);
    assert_int_equal(tn_digest_of("k", 1, &written.key, NULL), TN_OK);
    (void)tn_text_copy(written.precision, sizeof(written.precision), "fp16");
    (void)tn_text_copy(written.flavor, sizeof(written.flavor), "tensorrt-rtx");
    (void)tn_text_copy(written.runtime, sizeof(written.runtime), "rtx1.7.1.116");
    (void)tn_text_copy(written.source, sizeof(written.source), "built");
    (void)tn_text_copy(written.gpu, sizeof(written.gpu), "NVIDIA H200");
    (void)tn_text_copy(written.gpu_class, sizeof(written.gpu_class), "sm90-132");
    (void)tn_text_copy(written.driver, sizeof(written.driver), "570.86.15");
    (void)tn_text_copy(written.first_line, sizeof(written.first_line), "a \"line\" \\x07 é");
    assert_int_equal(tn_spool_add(place.store, &written, NULL), TN_OK);
    seen = look(&place);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.dropped, 0);
    assert_int_equal(seen.latest.by, TN_OUTCOME_TRIAL);
    assert_int_equal(seen.latest.result, TN_OUTCOME_FAILED);
    assert_true(seen.latest.time == written.time);
    assert_true(tn_digest_equal(&seen.latest.digest, &written.digest));
    assert_true(tn_digest_equal(&seen.latest.key, &written.key));
    assert_int_equal(seen.latest.bytes, 77);
    assert_int_equal(seen.latest.rung, 2);
    assert_true(seen.latest.seconds == 0.25);
    assert_int_equal(seen.latest.cold, 1);
    assert_true(seen.latest.lasting);
    assert_string_equal(seen.latest.name, written.name);
    assert_string_equal(seen.latest.model, "m1");
    assert_string_equal(seen.latest.precision, "fp16");
    assert_string_equal(seen.latest.flavor, "tensorrt-rtx");
    assert_string_equal(seen.latest.runtime, "rtx1.7.1.116");
    assert_string_equal(seen.latest.source, "built");
    assert_string_equal(seen.latest.gpu, "NVIDIA H200");
    assert_string_equal(seen.latest.gpu_class, "sm90-132");
    assert_string_equal(seen.latest.driver, "570.86.15");
    assert_string_equal(seen.latest.class_name, "trt-version");
    assert_string_equal(seen.latest.first_line, "a \"line\" \\x07 é");
    place_done(&place);
}

TEST(spool__says_null_of_what_is_not_known)
{
    struct place place = place_new();
    struct tn_outcome outcome = outcome_of(1, 1);
    struct seen seen;

    outcome.cold = TN_UNKNOWN;
    outcome.seconds = -1;
    outcome.lasting = false;
    assert_int_equal(tn_spool_add(place.store, &outcome, NULL), TN_OK);
    seen = look(&place);
    assert_int_equal(seen.latest.cold, TN_UNKNOWN);
    assert_true(seen.latest.seconds < 0);
    assert_false(seen.latest.lasting);
    place_done(&place);
}

TEST(spool__names_each_outcome_the_same_whenever_it_is_read)
{
    enum { COUNT = 700 /* more than one file */ };
    struct place place = place_new();
    struct seen before, after;

    add(&place, 0, 1);
    before = look(&place);
    assert_int_equal(strlen(before.latest.spool), TN_SPOOL_ID_BYTES - 1);
    assert_true(before.position > 0);
    for (int n = 2; n <= COUNT; n++)
        add(&place, 0, n);
    after = (struct seen) { .stop_after = 1 };
    assert_int_equal(tn_spool_each(place.store, see, &after, NULL, NULL), TN_OK);
    assert_int_equal(after.position, before.position);
    assert_string_equal(after.latest.spool, before.latest.spool);
    after = look(&place);
    assert_int_equal(after.count, COUNT);
    assert_false(after.elsewhere);
    place_done(&place);
}

TEST(spool__that_is_made_anew_is_another_one)
{
    struct place place = place_new();
    tn_auto(tn_str_free) char *path = current_path(&place);
    struct seen before, after;

    add(&place, 0, 1);
    before = look(&place);
    assert_int_equal(unlink(path), 0);
    add(&place, 0, 2);
    after = look(&place);
    assert_int_equal(after.position, before.position);
    assert_string_not_equal(after.latest.spool, before.latest.spool);
    place_done(&place);
}

TEST(spool__of_a_store_without_one_is_empty)
{
    struct place place = place_new();

    assert_int_equal(look(&place).count, 0);
    place_done(&place);
}

TEST(spool__is_bounded_and_counts_what_is_gone)
{
    enum { COUNT = 3000 };
    struct place place = place_new();
    int64_t largest;
    struct seen seen;

    for (int n = 1; n <= COUNT; n++)
        add(&place, 0, n);
    seen = look(&place);
    assert_int_equal(files_of(&place, &largest), TN_SPOOL_SEGMENTS_MAX);
    assert_in_range(largest, TN_SPOOL_SEGMENT_BYTES, TN_SPOOL_SEGMENT_BYTES + TN_SPOOL_LINE_MAX);
    assert_int_equal(seen.count + seen.dropped, COUNT);
    assert_true(seen.dropped > 0);
    assert_int_equal(seen.last[0], COUNT);
    assert_false(seen.disorder);
    place_done(&place);
}

TEST(spool__passes_over_torn_and_foreign_lines)
{
    struct place place = place_new();
    struct seen seen;

    add(&place, 0, 1);
    append(&place, "{\"schema\":\"tenon-outcome/2\",\"by\":\"trial\",\"result\":\"ok\"}\n[1]\n");
    append(&place, "{\"schema\":\"tenon-outcome/1\",\"by\":\"cat\",\"result\":\"ok\"}\n");
    append(&place, "{\"by\":\"application\",\"cla"); /* its writer died here */
    add(&place, 0, 2);
    append(&place, "{\"by\":"); /* and another one */
    seen = look(&place);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last[0], 2);
    place_done(&place);
}

TEST(spool__reader_stops_when_told_so)
{
    struct place place = place_new();
    struct seen seen = { .stop_after = 2 };

    for (int n = 1; n <= 5; n++)
        add(&place, 0, n);
    assert_int_equal(tn_spool_each(place.store, see, &seen, NULL, NULL), TN_OK);
    assert_int_equal(seen.count, 2);
    place_done(&place);
}

TEST(spool__begins_a_file_where_a_process_died_between_two)
{
    struct place place = place_new();
    tn_auto(tn_str_free) char *path = current_path(&place);
    tn_auto(tn_str_free) char *full = NULL;

    add(&place, 0, 1);
    full = tn_store_path(place.store, 0, "hosts/%s/spool/outcomes-00000001.jsonl",
                         tn_store_host(place.store));
    assert_int_equal(rename(path, full), 0);
    assert_int_equal(look(&place).count, 1);
    add(&place, 0, 2);
    assert_int_equal(look(&place).count, 2);
    place_done(&place);
}

static _Noreturn void write_many(const char *root, int writer, int count)
{
    struct tn_store *store = NULL;

    if (tn_store_open(root, &store, NULL) != TN_OK)
        _exit(1);
    for (int n = 1; n <= count; n++) {
        struct tn_outcome outcome = outcome_of(writer, n);
        struct tn_error err = { 0 };
        int rc;

        do
            rc = tn_spool_add(store, &outcome, &err);
        while (rc == TN_E_AGAIN); /* on a machine with much else to do */
        if (rc != TN_OK) {
            print_error("writer %d: %s\n", writer, err.text);
            _exit(1);
        }
    }
    tn_store_close(store);
    _exit(0);
}

TEST(spool__keeps_lines_whole_and_in_order_with_many_writers)
{
    enum { EACH = 1000 };
    struct place place = place_new();
    pid_t child[WRITERS];
    struct seen seen;
    int64_t largest;

    for (int i = 0; i < WRITERS; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0)
            write_many(place.root, i, EACH);
    }
    assert_false(look(&place).disorder); /* beside them */
    for (int i = 0; i < WRITERS; i++) {
        int status;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    seen = look(&place);
    assert_true(files_of(&place, &largest) <= TN_SPOOL_SEGMENTS_MAX);
    assert_false(seen.disorder);
    assert_true(seen.count > 0 && seen.dropped > 0);
    /* a writer that was held up while three files were filled may write into a file that is gone */
    assert_in_range(seen.count + seen.dropped, WRITERS * EACH * 9 / 10, WRITERS * EACH);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spool__gives_back_every_member_of_an_outcome),
        cmocka_unit_test(spool__says_null_of_what_is_not_known),
        cmocka_unit_test(spool__names_each_outcome_the_same_whenever_it_is_read),
        cmocka_unit_test(spool__that_is_made_anew_is_another_one),
        cmocka_unit_test(spool__of_a_store_without_one_is_empty),
        cmocka_unit_test(spool__is_bounded_and_counts_what_is_gone),
        cmocka_unit_test(spool__passes_over_torn_and_foreign_lines),
        cmocka_unit_test(spool__reader_stops_when_told_so),
        cmocka_unit_test(spool__begins_a_file_where_a_process_died_between_two),
        cmocka_unit_test(spool__keeps_lines_whole_and_in_order_with_many_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
