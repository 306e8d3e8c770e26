/* The hash table, against a plain list that is searched from end to end. */
#include "tn_test.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(map__does_what_a_plain_list_does_through_thousands_of_changes)
{
    enum { KEYS = 500, STEPS = 40000 };
    static char key[KEYS][16];
    static int there[KEYS];
    struct tn_map map = { .slot = NULL };
    uint32_t random = 1;
    size_t count = 0;

    for (int i = 0; i < KEYS; i++)
        (void)snprintf(key[i], sizeof(key[i]), "%s%d", i % 2 ? "longer-key-" : "", i);
    for (int step = 0; step < STEPS; step++) {
        size_t at;

        random = random * 1664525 + 1013904223;
        at = (random >> 8) % KEYS;
        if (random >> 28 < 9) {
            assert_int_equal(tn_map_put(&map, key[at], &there[at], NULL), TN_OK);
            count += there[at] == 0;
            there[at] = 1;
        } else {
            assert_ptr_equal(tn_map_remove(&map, key[at]), there[at] ? &there[at] : NULL);
            count -= there[at] != 0;
            there[at] = 0;
        }
        assert_int_equal(map.count, count);
        at = (at * 7 + 3) % KEYS;
        assert_ptr_equal(tn_map_get(&map, key[at]), there[at] ? &there[at] : NULL);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(tn_map_get(&map, key[i]), there[i] ? &there[i] : NULL);
    tn_map_done(&map);
}

TEST(map__steps_through_every_value_once)
{
    struct tn_map map = { .slot = NULL };
    static char key[100][8];
    int seen[100] = { 0 };
    size_t at = 0;
    int *value;

    assert_null(tn_map_next(&map, &at));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key[i], sizeof(key[i]), "%d", i);
        assert_int_equal(tn_map_put(&map, key[i], &seen[i], NULL), TN_OK);
    }
    at = 0;
    while ((value = tn_map_next(&map, &at)) != NULL)
        ++*value;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    tn_map_done(&map);
}

TEST(map__replaces_a_value_and_keeps_the_new_key)
{
    struct tn_map map = { .slot = NULL };
    char first[] = "key", second[] = "key";
    int a, b;

    assert_int_equal(tn_map_put(&map, first, &a, NULL), TN_OK);
    assert_int_equal(tn_map_put(&map, second, &b, NULL), TN_OK);
    first[0] = 'x'; /* nobody may read it any more */
    assert_int_equal(map.count, 1);
    assert_ptr_equal(tn_map_get(&map, "key"), &b);
    assert_ptr_equal(tn_map_remove(&map, "key"), &b);
    assert_null(tn_map_get(&map, "key"));
    tn_map_done(&map);
}

TEST(map__with_room_made_adds_without_moving)
{
    struct tn_map map = { .slot = NULL };
    static char key[1000][8];
    const struct tn_map_slot *slots;

    assert_int_equal(tn_map_reserve(&map, 1000, NULL), TN_OK);
    slots = map.slot;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key[i], sizeof(key[i]), "%d", i);
        assert_int_equal(tn_map_put(&map, key[i], key[i], NULL), TN_OK);
    }
    assert_ptr_equal(map.slot, slots);
    tn_map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map__does_what_a_plain_list_does_through_thousands_of_changes),
        cmocka_unit_test(map__steps_through_every_value_once),
        cmocka_unit_test(map__replaces_a_value_and_keeps_the_new_key),
        cmocka_unit_test(map__with_room_made_adds_without_moving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
