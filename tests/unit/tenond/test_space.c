/* A full disk is asked seldom, and at once when there is room. */
#include "tn_test.h"

#include "tenond/space.h"

#include "base/error.h"

/* No file system says how much is free there: only time helps. */
static const char nowhere[] = "/nonexistent";

static const tn_nsec s = TN_NSEC_PER_S;

TEST(space__admits_while_nothing_is_known_and_after_a_commit_that_worked)
{
    struct tn_space space = { 0 };

    assert_true(tn_space_admits(&space, nowhere, 0));
    tn_space_learn(&space, nowhere, TN_E_IO, 0);
    assert_true(tn_space_admits(&space, nowhere, 0));
    tn_space_learn(&space, nowhere, TN_E_NOSPACE, 0);
    assert_false(tn_space_admits(&space, nowhere, 0));
    tn_space_learn(&space, nowhere, TN_E_IO, 0);
    assert_false(tn_space_admits(&space, nowhere, 0));
    tn_space_learn(&space, nowhere, TN_OK, 0);
    assert_true(tn_space_admits(&space, nowhere, 0));
}

TEST(space__is_tried_after_waits_that_double_up_to_a_minute)
{
    static const int waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
    struct tn_space space = { 0 };
    tn_nsec now = 5 * s;

    for (size_t i = 0; i < TN_COUNT(waits); i++) {
        tn_space_learn(&space, nowhere, TN_E_NOSPACE, now);
        now += waits[i] * s;
        assert_false(tn_space_admits(&space, nowhere, now - 1));
        assert_true(tn_space_admits(&space, nowhere, now));
    }
}

TEST(space__is_tried_at_once_when_more_is_free)
{
    struct tn_space space = { 0 };

    tn_space_learn(&space, nowhere, TN_E_NOSPACE, 0); /* nothing was free */
    assert_true(tn_space_admits(&space, "/", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(space__admits_while_nothing_is_known_and_after_a_commit_that_worked),
        cmocka_unit_test(space__is_tried_after_waits_that_double_up_to_a_minute),
        cmocka_unit_test(space__is_tried_at_once_when_more_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
