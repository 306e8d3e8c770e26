#include "fixture.h"

#include "store/mark.h"

#include <unistd.h>

static struct tn_mark mark_of(const struct place *place, const struct tn_entry *entry)
{
    return tn_mark_read(place->store, 0, &entry->record.digest);
}

static char *mark_path(const struct place *place, const struct tn_entry *entry)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&entry->record.digest, hex);
    return tn_store_path(place->store, 0, "marks/%s.json", hex);
}

static void first_is(const struct place *place, const struct tn_entry *wanted)
{
    struct tn_entries found = { 0 };

    assert_int_equal(tn_objects_find(place->store, &wanted->record.key, NULL, NULL, &found, NULL),
                     TN_OK);
    assert_true(tn_digest_equal(&found.item[0].record.digest, &wanted->record.digest));
    tn_entries_done(&found);
}

TEST(mark__pin_is_read_back_and_unpin_leaves_no_file)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "one");
    char *path = mark_path(&place, &entry);

    assert_false(mark_of(&place, &entry).pinned);
    assert_int_equal(tn_mark_pin(place.store, &entry, true, NULL), TN_OK);
    assert_true(mark_of(&place, &entry).pinned && mark_of(&place, &entry).sequence > 0);
    assert_int_equal(tn_mark_pin(place.store, &entry, false, NULL), TN_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(tn_mark_pin(place.store, &entry, false, NULL), TN_OK);
    free(path);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(mark__bless_comes_before_newer_engines_and_takes_the_blessing_from_others)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "m", "one"), b = put(&place, "m", "two");
    struct tn_entry other = put(&place, "n", "three");

    first_is(&place, &b);
    assert_int_equal(tn_mark_bless(place.store, &a, NULL), TN_OK);
    assert_int_equal(tn_mark_bless(place.store, &other, NULL), TN_OK);
    first_is(&place, &a);
    assert_int_equal(tn_mark_pin(place.store, &a, true, NULL), TN_OK);
    assert_int_equal(tn_mark_bless(place.store, &b, NULL), TN_OK);
    first_is(&place, &b);
    assert_true(mark_of(&place, &a).pinned && !mark_of(&place, &a).blessed);
    assert_true(mark_of(&place, &other).blessed);
    tn_entry_done(&a);
    tn_entry_done(&b);
    tn_entry_done(&other);
    place_done(&place);
}

TEST(mark__of_two_blessed_ones_the_last_word_counts)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "m", "one"), b = put(&place, "m", "two");
    char *path = mark_path(&place, &b);
    FILE *file;

    /* as a kill between the two writes leaves it: b was blessed before, a is the last word */
    assert_int_equal(tn_mark_bless(place.store, &a, NULL), TN_OK);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("{\"blessed\":true,\"sequence\":0,\"signatures\":[]}", file) >= 0);
    assert_int_equal(fclose(file), 0);
    first_is(&place, &a);
    /* and members of a later version stay when the blessing goes */
    assert_int_equal(tn_mark_bless(place.store, &a, NULL), TN_OK);
    assert_false(mark_of(&place, &b).blessed);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

static const struct tn_revocation told = { .by = "https://fleet:8600", .why = "wrong weights" };

static struct tn_revocation take_back(const struct place *place, const struct tn_entry *entry,
                                      int wanted)
{
    struct tn_revocation stands;

    assert_int_equal(tn_mark_revoke(place->store, &entry->record.digest, &told, &stands, NULL),
                     wanted);
    return stands;
}

TEST(mark__revoked_engine_comes_after_all_others_until_it_is_blessed_again)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "m", "one"), b = put(&place, "m", "two");
    char text[TN_REVOCATION_TEXT];
    struct tn_mark mark;

    assert_int_equal(tn_mark_bless(place.store, &b, NULL), TN_OK);
    first_is(&place, &b);
    assert_true(take_back(&place, &b, 1).in_force); /* the blessing was there before */
    first_is(&place, &a);
    mark = mark_of(&place, &b);
    tn_revocation_print(&mark.revoked, text);
    assert_string_equal(text, "revoked on https://fleet:8600: wrong weights");
    assert_int_equal(tn_mark_pin(place.store, &b, true, NULL), TN_OK); /* is no blessing */
    assert_true(mark_of(&place, &b).revoked.in_force);
    assert_int_equal(tn_mark_bless(place.store, &b, NULL), TN_OK);
    first_is(&place, &b);
    assert_false(take_back(&place, &b, 0).in_force); /* the server says it each time */
    first_is(&place, &b);
    assert_int_equal(tn_mark_bless(place.store, &a, NULL), TN_OK);
    assert_true(take_back(&place, &b, 0).in_force);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

TEST(mark__revoked_engine_is_so_before_it_comes_and_in_a_store_that_is_only_read)
{
    struct place place = place_new(), later = place_new();
    struct tn_entry a = put(&place, "m", "one"), again;
    struct tn_entries found = { 0 };
    struct tn_store *both = NULL;
    char list[160];

    (void)take_back(&later, &a, 1);
    again = put(&later, "m", "one");
    assert_true(again.revoked.in_force);
    assert_int_equal(tn_object_remove(later.store, &again.record.digest, NULL), TN_OK);
    (void)snprintf(list, sizeof(list), "%s:%s", later.root, place.root);
    assert_int_equal(tn_store_open(list, &both, NULL), TN_OK);
    assert_int_equal(tn_objects_find(both, &a.record.key, NULL, NULL, &found, NULL), TN_OK);
    assert_true(found.count == 1 && found.item[0].store == 1 && found.item[0].revoked.in_force);
    tn_entries_done(&found);
    tn_store_close(both);
    tn_entry_done(&again);
    tn_entry_done(&a);
    place_done(&later);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark__pin_is_read_back_and_unpin_leaves_no_file),
        cmocka_unit_test(mark__bless_comes_before_newer_engines_and_takes_the_blessing_from_others),
        cmocka_unit_test(mark__of_two_blessed_ones_the_last_word_counts),
        cmocka_unit_test(mark__revoked_engine_comes_after_all_others_until_it_is_blessed_again),
        cmocka_unit_test(
            mark__revoked_engine_is_so_before_it_comes_and_in_a_store_that_is_only_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
