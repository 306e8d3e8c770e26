/* Work beside the loop: every job comes back once, in the loop. */
#include "tn_test.h"

#include "http/work.h"

#include <poll.h>
#include <pthread.h>

enum { JOBS = 200 };

struct counted {
    struct tn_job job;
    pthread_t ran_in;
    int runs, ends;
};

static void count_run(struct tn_job *job)
{
    struct counted *counted = (struct counted *)job;

    counted->ran_in = pthread_self();
    counted->runs++;
}

static void count_end(struct tn_job *job)
{
    struct counted *counted = (struct counted *)job;

    assert_int_equal(counted->runs, 1);
    assert_false(pthread_equal(counted->ran_in, pthread_self()));
    counted->ends++;
}

static struct tn_work *work_new(void)
{
    struct tn_work *work = NULL;

    assert_int_equal(tn_work_open(&work, NULL), TN_OK);
    return work;
}

static void submit(struct tn_work *work, struct counted *counted)
{
    *counted = (struct counted) { .job = { .run = count_run, .done = count_end } };
    tn_work_submit(work, &counted->job);
}

TEST(work__brings_every_job_back_once_whenever_it_is_asked_for)
{
    static struct counted jobs[JOBS];
    struct tn_work *work = work_new();
    int ends = 0;

    for (int i = 0; i < JOBS; i++)
        submit(work, &jobs[i]);
    while (ends < JOBS) {
        struct pollfd ready = { .fd = tn_work_fd(work), .events = POLLIN };

        assert_int_equal(poll(&ready, 1, -1), 1);
        tn_work_deliver(work);
        ends = 0;
        for (int i = 0; i < JOBS; i++)
            ends += jobs[i].ends;
    }
    tn_work_deliver(work);
    tn_work_close(work);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].ends, 1);
}

TEST(close__runs_and_delivers_what_was_submitted)
{
    static struct counted jobs[JOBS];
    struct tn_work *work = work_new();

    for (int i = 0; i < JOBS; i++)
        submit(work, &jobs[i]);
    tn_work_close(work);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].ends, 1);
    tn_work_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work__brings_every_job_back_once_whenever_it_is_asked_for),
        cmocka_unit_test(close__runs_and_delivers_what_was_submitted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
