#include "fixture.h"

#include "store/collect.h"
#include "store/lock.h"
#include "store/mark.h"
#include "store/refusal.h"

#include <unistd.h>

#define DAY (86400 * TN_NSEC_PER_S)

enum { NOW = 1000 }; /* days */

static struct tn_collect_item engine(int64_t bytes, int64_t days_ago, int64_t sequence)
{
    return (struct tn_collect_item) { .kind = TN_COLLECT_ENGINE,
                                      .bytes = bytes,
                                      .used = (NOW - days_ago) * DAY,
                                      .sequence = sequence };
}

static struct tn_collect_bounds room(int64_t max_bytes)
{
    return (struct tn_collect_bounds) { .max_bytes = max_bytes,
                                        .aside_bytes = max_bytes / 10,
                                        .log_bytes = 50,
                                        .free_bytes = 1000,
                                        .keep_free_bytes = 10 };
}

TEST(decide__oldest_use_goes_first_until_it_fits)
{
    struct tn_collect_item items[] = { engine(40, 10, 1), engine(40, 30, 2), engine(40, 20, 3),
                                       engine(40, 0, 4) };
    struct tn_collect_bounds bounds = room(80);

    tn_collect_decide(items, 4, &bounds);
    assert_true(!items[0].goes && items[1].goes && items[2].goes && !items[3].goes);
    assert_string_equal(items[0].why, "within the bound");
    bounds = room(160);
    tn_collect_decide(items, 4, &bounds);
    assert_false(items[1].goes);
}

TEST(decide__never_takes_pinned_locked_young_or_last_built)
{
    struct tn_collect_item items[] = { engine(40, 30, 1), engine(40, 30, 2), engine(40, 1, 3),
                                       engine(40, 0, 4), engine(40, 400, 5) };
    struct tn_collect_bounds bounds = room(0);

    bounds.older_than = 1;
    items[0].pinned = true;
    items[1].locked = true;
    tn_collect_decide(items, 5, &bounds);
    for (int i = 0; i < 5; i++)
        assert_false(items[i].goes);
    assert_string_equal(items[0].why, "pinned");
    assert_string_equal(items[1].why, "a process works on it");
    assert_string_equal(items[2].why, "used within the last day");
    assert_string_equal(items[4].why, "built last");
}

TEST(decide__age_counts_from_the_newest_use_not_from_a_clock)
{
    /* a device whose clock stands in 1970 */
    struct tn_collect_item items[] = { engine(40, NOW, 1), engine(40, NOW, 2), engine(40, NOW, 3) };
    struct tn_collect_bounds bounds = room(0);

    tn_collect_decide(items, 3, &bounds);
    for (int i = 0; i < 3; i++)
        assert_false(items[i].goes);
}

TEST(decide__full_file_system_counts_as_over_the_bound)
{
    struct tn_collect_item items[] = { engine(40, 10, 1), engine(40, 30, 2), engine(40, 0, 3) };
    struct tn_collect_bounds bounds = room(1000);

    bounds.free_bytes = 0;
    tn_collect_decide(items, 3, &bounds);
    assert_true(items[1].goes && !items[0].goes);
    assert_non_null(strstr(items[1].why, "free space"));
}

TEST(decide__aside_and_logs_keep_to_their_own_bounds)
{
    struct tn_collect_item items[] = {
        { .kind = TN_COLLECT_ASIDE, .bytes = 8, .used = 1 },
        { .kind = TN_COLLECT_ASIDE, .bytes = 8, .used = 2 },
        { .kind = TN_COLLECT_LOG, .bytes = 40, .used = 1, .locked = true },
        { .kind = TN_COLLECT_LOG, .bytes = 40, .used = 2 },
        { .kind = TN_COLLECT_LOG, .bytes = 5, .used = 3 },
        engine(10, 0, 1),
    };
    struct tn_collect_bounds bounds = room(100 + 55);

    tn_collect_decide(items, 6, &bounds);
    assert_true(items[0].goes && !items[1].goes);
    assert_true(!items[2].goes && items[3].goes && !items[4].goes);
    assert_false(items[5].goes);
}

TEST(decide__derived_model_goes_with_the_last_engine_made_from_it)
{
    struct tn_collect_item items[] = { engine(40, 30, 1),
                                       engine(40, 20, 2),
                                       engine(1, 0, 3),
                                       { .kind = TN_COLLECT_DERIVED, .bytes = 20 } };
    struct tn_collect_bounds bounds = room(61);

    items[0].group.sha256[0] = items[1].group.sha256[0] = items[3].group.sha256[0] = 7;
    tn_collect_decide(items, 4, &bounds);
    assert_true(items[0].goes && !items[1].goes && !items[3].goes);
    bounds = room(30);
    tn_collect_decide(items, 4, &bounds);
    assert_true(items[1].goes && items[3].goes);
}

TEST(decide__further_record_shares_the_fate_of_its_engine)
{
    struct tn_collect_item items[] = { engine(40, 30, 1), engine(0, 30, 2), engine(40, 0, 3) };
    struct tn_collect_bounds bounds = room(40);

    items[1].twin = true;
    tn_collect_decide(items, 3, &bounds);
    assert_true(items[0].goes && items[1].goes && !items[2].goes);
    items[0].pinned = true;
    tn_collect_decide(items, 3, &bounds);
    assert_true(!items[0].goes && !items[1].goes);
    tn_collect_decide(items, 0, &bounds);
}

TEST(decide__note_goes_when_it_says_nothing_or_after_90_days_of_use)
{
    struct tn_collect_item items[] = { engine(40, 0, 1),
                                       { .kind = TN_COLLECT_NOTE, .used = NOW * DAY },
                                       { .kind = TN_COLLECT_NOTE, .used = NOW * DAY, .over = true },
                                       { .kind = TN_COLLECT_NOTE, .used = (NOW - 90) * DAY },
                                       { .kind = TN_COLLECT_NOTE, .used = (NOW - 91) * DAY } };
    struct tn_collect_bounds bounds = room(80);

    tn_collect_decide(items, 5, &bounds);
    assert_true(!items[1].goes && items[2].goes && !items[3].goes && items[4].goes);
    assert_string_equal(items[2].why, "it has nothing to say any more");
    items[0].used = 0; /* no engine was used for as long: nothing is old */
    tn_collect_decide(items, 5, &bounds);
    assert_false(items[4].goes);
}

static void used_at(const struct place *place, const struct tn_entry *entry, tn_nsec when)
{
    char hex[TN_DIGEST_HEX], name[512];
    FILE *file;

    tn_digest_hex(&entry->record.digest, hex);
    (void)snprintf(name, sizeof(name), "%s/hosts/%s/plans", place->root,
                   tn_store_host(place->store));
    assert_int_equal(tn_dir_make(name, 0755, NULL), TN_OK);
    (void)snprintf(name, sizeof(name), "%s/hosts/%s/plans/%s.json", place->root,
                   tn_store_host(place->store), hex);
    file = fopen(name, "w");
    assert_non_null(file);
    assert_true(fprintf(file, "{\"last_used\":%lld}", (long long)when) > 0);
    assert_int_equal(fclose(file), 0);
}

static size_t count_of(const struct place *place, const struct tn_digest *key)
{
    struct tn_entries found = { 0 };
    size_t count;

    assert_int_equal(tn_objects_find(place->store, key, NULL, NULL, &found, NULL), TN_OK);
    count = found.count;
    tn_entries_done(&found);
    return count;
}

TEST(collect__removes_object_index_link_and_note_and_looks_again_before)
{
    static const struct tn_collect_options nothing = { .has_max_bytes = true };
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "b", "two"),
                    c = put(&place, "c", "three"), last = put(&place, "d", "four");
    struct tn_collection all = { 0 };
    struct tn_lock lock = TN_LOCK_NONE;
    char hex[TN_DIGEST_HEX], name[128], link_path[512];

    used_at(&place, &a, 100 * DAY);
    used_at(&place, &b, 100 * DAY);
    used_at(&place, &c, 100 * DAY);
    used_at(&place, &last, 900 * DAY);
    assert_int_equal(tn_collect_plan(place.store, &nothing, &all, NULL), TN_OK);
    /* between plan and run an operator pins b and a build of c begins */
    assert_int_equal(tn_mark_pin(place.store, &b, true, NULL), TN_OK);
    tn_digest_hex(&c.record.key, hex);
    (void)snprintf(name, sizeof(name), "build-%s", hex);
    assert_int_equal(tn_lock_take(place.store, name, NULL, NULL, &lock, NULL, NULL), TN_OK);
    assert_true(tn_lock_held(place.store, name));
    assert_int_equal(tn_collect_run(place.store, &all, NULL), TN_OK);
    assert_int_equal(count_of(&place, &a.record.key), 0);
    assert_int_equal(count_of(&place, &b.record.key), 1);
    assert_int_equal(count_of(&place, &c.record.key), 1);
    assert_int_equal(count_of(&place, &last.record.key), 1);
    assert_int_equal(access(a.path, F_OK), -1);
    (void)snprintf(link_path, sizeof(link_path), "%s/engines/%s", place.root, a.record.name);
    assert_int_equal(readlink(link_path, hex, sizeof(hex)), -1);
    assert_int_equal(tn_object_last_used(place.store, &a.record.digest), TN_UNKNOWN);
    tn_collection_done(&all);
    tn_lock_done(&lock);
    assert_false(tn_lock_held(place.store, name));
    tn_entry_done(&a);
    tn_entry_done(&b);
    tn_entry_done(&c);
    tn_entry_done(&last);
    place_done(&place);
}

/* Plans a collection and counts what would go of notes. */
static size_t notes_that_go(const struct place *place, struct tn_collection *ret_all)
{
    static const struct tn_collect_options usual;
    size_t count = 0;

    assert_int_equal(tn_collect_plan(place->store, &usual, ret_all, NULL), TN_OK);
    for (size_t i = 0; i < ret_all->count; i++)
        count += ret_all->item[i].kind == TN_COLLECT_NOTE && ret_all->item[i].goes;
    return count;
}

TEST(collect__removes_a_backoff_that_ended_a_day_ago_unless_it_came_again)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one");
    struct tn_refusal why = { .kind = TN_REFUSAL_BACKOFF, .name = "timeout", .stage = "build" };
    struct tn_collection all = { 0 };
    struct tn_moment now, past;

    tn_clock_moment(&now);
    past = now;
    (void)snprintf(past.boot, sizeof(past.boot), "of another boot"); /* the wall clock counts */
    past.wall -= DAY;
    assert_int_equal(tn_refusal_keep(place.store, &a.record.key, &past, &why, NULL), TN_OK);
    assert_int_equal(notes_that_go(&place, &all), 0); /* it still makes the next one longer */
    tn_collection_done(&all);
    past.wall -= 3600 * TN_NSEC_PER_S;
    assert_int_equal(tn_refusal_keep(place.store, &a.record.key, &past, &why, NULL), TN_OK);
    assert_int_equal(notes_that_go(&place, &all), 1);
    for (size_t i = 0; i < all.count; i++)
        all.item[i].used -= all.item[i].kind == TN_COLLECT_NOTE; /* as if it was older then */
    assert_int_equal(tn_collect_run(place.store, &all, NULL), TN_OK);
    tn_collection_done(&all);
    assert_int_equal(notes_that_go(&place, &all), 1);
    assert_int_equal(tn_collect_run(place.store, &all, NULL), TN_OK);
    tn_collection_done(&all);
    assert_int_equal(notes_that_go(&place, &all), 0);
    tn_collection_done(&all);
    tn_entry_done(&a);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decide__oldest_use_goes_first_until_it_fits),
        cmocka_unit_test(decide__never_takes_pinned_locked_young_or_last_built),
        cmocka_unit_test(decide__age_counts_from_the_newest_use_not_from_a_clock),
        cmocka_unit_test(decide__full_file_system_counts_as_over_the_bound),
        cmocka_unit_test(decide__aside_and_logs_keep_to_their_own_bounds),
        cmocka_unit_test(decide__derived_model_goes_with_the_last_engine_made_from_it),
        cmocka_unit_test(decide__further_record_shares_the_fate_of_its_engine),
        cmocka_unit_test(decide__note_goes_when_it_says_nothing_or_after_90_days_of_use),
        cmocka_unit_test(collect__removes_a_backoff_that_ended_a_day_ago_unless_it_came_again),
        cmocka_unit_test(collect__removes_object_index_link_and_note_and_looks_again_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
