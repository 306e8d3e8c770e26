/* What was set aside, and its way back. */
#include "fixture.h"

#include "store/aside.h"
#include "store/refusal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t found(const struct place *place, const struct tn_digest *key)
{
    struct tn_entries entries = { 0 };
    size_t count;

    assert_int_equal(tn_objects_find(place->store, key, NULL, NULL, &entries, NULL), TN_OK);
    count = entries.count;
    tn_entries_done(&entries);
    return count;
}

/* The folder's name of the newest thing in aside/, by the words that a person gives. */
static int find(const struct place *place, const char *text, char ret_folder[256])
{
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };
    const struct tn_aside *aside = NULL;
    int rc;

    assert_int_equal(tn_aside_list(place->store, &all, NULL), TN_OK);
    rc = tn_aside_find(&all, text, &aside, NULL);
    if (rc == TN_OK)
        (void)snprintf(ret_folder, 256, "%s", aside->folder);
    return rc;
}

static void refuse(const struct place *place, const struct tn_digest *key)
{
    struct tn_refusal why = { .kind = TN_REFUSAL_LASTING, .name = "refused", .stage = "trial" };
    struct tn_moment now;

    tn_clock_moment(&now);
    assert_int_equal(tn_refusal_keep(place->store, key, &now, &why, NULL), TN_OK);
}

static bool is_refused(const struct place *place, const struct tn_digest *key)
{
    struct tn_refusal why;
    struct tn_moment now;

    tn_clock_moment(&now);
    return tn_refusal_find(place->store, key, &now, &why) != TN_REFUSAL_NONE;
}

TEST(restore__puts_the_engine_back_with_index_and_link_and_forgets_its_refusal)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan"), back = { 0 };
    char folder[256], hex[TN_DIGEST_HEX], path[1200];

    assert_int_equal(tn_object_set_aside(place.store, &entry, "because", NULL), TN_OK);
    refuse(&place, &entry.record.key);
    assert_int_equal(found(&place, &entry.record.key), 0);
    tn_digest_hex(&entry.record.digest, hex);
    hex[6] = '\0';
    assert_int_equal(find(&place, hex, folder), TN_OK);
    assert_int_equal(tn_object_restore(place.store, folder, &back, NULL), TN_OK);
    assert_string_equal(back.path, entry.path);
    assert_int_equal(found(&place, &entry.record.key), 1);
    assert_false(is_refused(&place, &entry.record.key));
    assert_int_equal(find(&place, folder, folder), TN_E_NOTFOUND);
    (void)snprintf(path, sizeof(path), "%.*sreason.json",
                   (int)(tn_path_base(entry.path) - entry.path), entry.path);
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof(path), "%s/engines/%s", place.root, entry.record.name);
    assert_int_equal(access(path, F_OK), 0);
    tn_entry_done(&back);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(restore__takes_nothing_back_whose_bytes_were_changed_or_that_others_may_write)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan"), back = { 0 };
    char folder[256], path[512];
    int fd;

    assert_int_equal(tn_object_set_aside(place.store, &entry, "because", NULL), TN_OK);
    assert_int_equal(find(&place, entry.record.name, folder), TN_OK);
    (void)snprintf(path, sizeof(path), "%s/aside/%s", place.root, folder);
    assert_int_equal(chmod(path, 0777), 0);
    assert_int_equal(tn_object_restore(place.store, folder, &back, NULL), TN_E_UNTRUSTED);
    assert_int_equal(chmod(path, 0755), 0);
    (void)strcat(path, "/plan");
    assert_int_equal(chmod(path, 0644), 0);
    fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PLAN", 4), 4);
    assert_int_equal(close(fd), 0);
    assert_int_equal(tn_object_restore(place.store, folder, &back, NULL), TN_E_CORRUPT);
    assert_int_equal(found(&place, &entry.record.key), 0);
    assert_int_equal(find(&place, folder, folder), TN_OK);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(restore__leaves_an_engine_that_was_built_again_alone)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan"), back = { 0 }, again;
    char folder[256];

    assert_int_equal(tn_object_set_aside(place.store, &entry, "because", NULL), TN_OK);
    again = put(&place, "a", "plan");
    assert_int_equal(find(&place, entry.record.name, folder), TN_OK);
    assert_int_equal(tn_object_restore(place.store, folder, &back, NULL), TN_E_USAGE);
    assert_int_equal(found(&place, &entry.record.key), 1);
    assert_int_equal(find(&place, folder, folder), TN_OK);
    assert_int_equal(tn_object_set_aside(place.store, &again, "once more", NULL), TN_OK);
    assert_int_equal(find(&place, entry.record.name, folder), TN_E_USAGE); /* which of the two? */
    tn_entry_done(&again);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(restore__of_a_plan_that_was_never_published_or_of_no_name_is_refused)
{
    struct place place = place_new();
    struct tn_put one = { .lock_fd = -1 };
    struct tn_digest key = { { 1 } };
    struct tn_entry back = { 0 };
    tn_auto(tn_asides_done) struct tn_asides all = { 0 };

    assert_int_equal(tn_put_begin(place.store, &one, NULL), TN_OK);
    write_plan(&one, "another thing than ordered");
    assert_int_equal(tn_put_set_aside(&one, &key, "because", NULL), TN_OK);
    tn_put_done(&one);
    assert_int_equal(tn_aside_list(place.store, &all, NULL), TN_OK);
    assert_int_equal(all.count, 1);
    assert_int_equal(tn_object_restore(place.store, all.item[0].folder, &back, NULL), TN_E_INVALID);
    assert_int_equal(tn_object_restore(place.store, "../objects", &back, NULL), TN_E_NOTFOUND);
    assert_int_equal(tn_object_restore(place.store, "none", &back, NULL), TN_E_NOTFOUND);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restore__puts_the_engine_back_with_index_and_link_and_forgets_its_refusal),
        cmocka_unit_test(
            restore__takes_nothing_back_whose_bytes_were_changed_or_that_others_may_write),
        cmocka_unit_test(restore__leaves_an_engine_that_was_built_again_alone),
        cmocka_unit_test(restore__of_a_plan_that_was_never_published_or_of_no_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
