#include "fixture.h"

#include "store/loading.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tn_digest digest_of(const char *text)
{
    struct tn_digest digest;

    assert_int_equal(tn_digest_of(text, strlen(text), &digest, NULL), TN_OK);
    return digest;
}

static struct tn_loading begin(struct place *place, const struct tn_digest *digest)
{
    struct tn_loading mark = TN_LOADING_NONE;
    struct tn_error err = { 0 };

    if (tn_loading_begin(place->store, digest, &mark, &err) != TN_OK)
        fail_msg("%s", err.text);
    return mark;
}

/* A process that dies by `number` while it deserializes. */
static void crash(struct place *place, const struct tn_digest *digest, int number)
{
    struct tn_loading mark = TN_LOADING_NONE;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(number, SIG_DFL);
        if (tn_loading_begin(place->store, digest, &mark, NULL) == TN_OK)
            (void)raise(number);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == number);
}

TEST(loading__process_that_comes_out_leaves_nothing)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of("a");
    struct tn_loading mark = begin(&place, &digest);

    assert_int_equal(tn_loading_crashes(place.store, &digest), 0); /* it lives */
    tn_loading_done(&mark);
    assert_int_equal(tn_loading_crashes(place.store, &digest), 0);
    tn_loading_done(&mark);
    place_done(&place);
}

TEST(loading__deaths_are_counted_by_engine_until_they_are_forgotten)
{
    struct place place = place_new();
    struct tn_digest a = digest_of("a"), b = digest_of("b");
    struct tn_loading alive = begin(&place, &a);

    crash(&place, &a, SIGKILL);
    crash(&place, &a, SIGSEGV);
    crash(&place, &b, SIGKILL);
    assert_int_equal(tn_loading_crashes(place.store, &a), 2);
    assert_int_equal(tn_loading_crashes(place.store, &b), 1);
    tn_loading_forget(place.store, &a);
    assert_int_equal(tn_loading_crashes(place.store, &a), 0);
    assert_int_equal(access(alive.path, F_OK), 0); /* the mark of the living stays */
    assert_int_equal(tn_loading_crashes(place.store, &b), 1);
    tn_loading_done(&alive);
    place_done(&place);
}

TEST(loading__crash_loop_leaves_a_bounded_number_of_marks)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of("a");
    tn_auto(tn_str_free) char *folder =
        tn_store_path(place.store, 0, "hosts/%s/loading", tn_store_host(place.store));
    tn_auto(tn_dir_done) DIR *dir = NULL;
    const struct dirent *entry;
    int files = 0;

    for (int i = 0; i < TN_LOADING_KEPT_MAX + 4; i++)
        crash(&place, &digest, SIGKILL);
    assert_int_equal(tn_loading_crashes(place.store, &digest), TN_LOADING_KEPT_MAX);
    dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        files += entry->d_name[0] != '.';
    assert_int_equal(files, TN_LOADING_KEPT_MAX);
    place_done(&place);
}

TEST(loading__store_that_cannot_be_written_costs_the_mark_alone)
{
    struct tn_store *store = NULL;
    struct tn_digest digest = digest_of("a");
    struct tn_loading mark = TN_LOADING_NONE;
    struct tn_error err = { 0 };

    assert_int_equal(tn_store_look("/nonexistent/tenon", &store, NULL), TN_OK);
    assert_true(tn_loading_begin(store, &digest, &mark, &err) < 0);
    assert_true(err.text[0]);
    assert_int_equal(tn_loading_crashes(store, &digest), 0);
    tn_loading_done(&mark);
    tn_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading__process_that_comes_out_leaves_nothing),
        cmocka_unit_test(loading__deaths_are_counted_by_engine_until_they_are_forgotten),
        cmocka_unit_test(loading__crash_loop_leaves_a_bounded_number_of_marks),
        cmocka_unit_test(loading__store_that_cannot_be_written_costs_the_mark_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
