#include "tn_test.h"

#include "http/attempts.h"

#include <stdio.h>

static struct tn_attempts attempts;

TEST(attempts__count_within_a_window_and_forget_after_it)
{
    uint64_t key;

    tn_attempts_init(&attempts, 42);
    key = tn_attempts_key(&attempts, "10.0.0.1", "dev-1");
    assert_int_equal(tn_attempts_count(&attempts, key, 100), 0);
    assert_true(tn_attempts_quiet(&attempts, 0));
    for (int i = 0; i < 5; i++)
        tn_attempts_failed(&attempts, key, 100 + i);
    assert_int_equal(tn_attempts_count(&attempts, key, 104), 5);
    assert_false(tn_attempts_quiet(&attempts, 104));
    assert_true(tn_attempts_quiet(&attempts, 104 + TN_ATTEMPTS_WINDOW_S));
    assert_int_equal(tn_attempts_count(&attempts, key, 100 + TN_ATTEMPTS_WINDOW_S), 0);
    tn_attempts_failed(&attempts, key, 100 + TN_ATTEMPTS_WINDOW_S);
    assert_int_equal(tn_attempts_count(&attempts, key, 100 + TN_ATTEMPTS_WINDOW_S), 1);
}

TEST(attempts__keep_subjects_and_addresses_apart)
{
    tn_attempts_init(&attempts, 7);
    assert_true(tn_attempts_key(&attempts, "a", "b") != tn_attempts_key(&attempts, "ab", ""));
    assert_true(tn_attempts_key(&attempts, "a", NULL) != tn_attempts_key(&attempts, "a", ""));
    assert_true(tn_attempts_key(&attempts, "a", "b") != tn_attempts_key(&attempts, "a", "c"));
}

TEST(attempts__stay_bounded_under_many_keys_and_keep_the_newest)
{
    uint64_t newest = 0;

    tn_attempts_init(&attempts, 9);
    for (int i = 0; i < 100000; i++) {
        char address[24];

        (void)snprintf(address, sizeof(address), "10.%d", i);
        newest = tn_attempts_key(&attempts, address, NULL);
        tn_attempts_failed(&attempts, newest, 1000 + i / 10000);
    }
    assert_int_equal(tn_attempts_count(&attempts, newest, 1010), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts__count_within_a_window_and_forget_after_it),
        cmocka_unit_test(attempts__keep_subjects_and_addresses_apart),
        cmocka_unit_test(attempts__stay_bounded_under_many_keys_and_keep_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
