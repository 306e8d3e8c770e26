#include "../store/fixture.h"
#include "answer.h"
#include "store/host.h"

#include <unistd.h>

/* A store as an application holds it: by a loader, with engines that others put there. */
struct held {
    struct place place;
    struct tn_loader *loader;
    struct tn_entry a, b; /* of one recipe, b newer */
};

static struct held held_new(void)
{
    struct held held = { .place = place_new() };
    struct tn_loader_options options = { .size = sizeof(options), .store = held.place.root };

    held.a = put(&held.place, "m", "one");
    held.b = put(&held.place, "m", "two");
    assert_int_equal(tn_loader_open(&options, &held.loader, NULL), TN_OK);
    return held;
}

static void held_done(struct held *held)
{
    tn_loader_close(held->loader);
    tn_entry_done(&held->a);
    tn_entry_done(&held->b);
    place_done(&held->place);
}

static json_t *list(const struct held *held)
{
    char *text = NULL;

    assert_int_equal(tn_store_list(held->loader, &text, NULL), TN_OK);
    return parsed(text);
}

static void digest_of(const struct tn_entry *entry, char hex[TN_DIGEST_HEX])
{
    tn_digest_hex(&entry->record.digest, hex);
}

/* One member of an engine in the list. */
static json_t *member(const struct held *held, const struct tn_entry *entry, const char *name)
{
    json_t *all = list(held), *found = NULL, *one;
    char hex[TN_DIGEST_HEX];
    size_t i;

    digest_of(entry, hex);
    json_array_foreach(all, i, one) if (strcmp(text_of(one, "digest"), hex) == 0) found =
        json_incref(json_object_get(one, name));
    json_decref(all);
    assert_non_null(found);
    return found;
}

static bool is_true(const struct held *held, const struct tn_entry *entry, const char *name)
{
    json_t *value = member(held, entry, name);
    bool yes = json_is_true(value);

    json_decref(value);
    return yes;
}

static int mark(const struct held *held, const struct tn_entry *entry, const char *what,
                struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];

    digest_of(entry, hex);
    return tn_store_mark(held->loader, hex, what, err);
}

TEST(store_list__is_newest_first_and_says_which_is_handed_out)
{
    struct held held = held_new();
    json_t *all = list(&held);
    char hex[TN_DIGEST_HEX];

    digest_of(&held.b, hex);
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(text_of(json_array_get(all, 0), "digest"), hex);
    assert_true(json_is_true(json_object_get(json_array_get(all, 0), "blessed")));
    assert_false(json_is_true(json_object_get(json_array_get(all, 1), "blessed")));
    json_decref(all);
    held_done(&held);
}

TEST(store_list__of_a_store_that_is_not_there_is_empty)
{
    struct held held = held_new();
    struct tn_loader *loader = held.loader;
    json_t *all;

    assert_int_equal(setenv("TENON_STORE", "/tmp/tenon-test-no-such-store", 1), 0);
    held.loader = NULL;
    all = list(&held);
    assert_int_equal(json_array_size(all), 0);
    json_decref(all);
    assert_int_equal(access("/tmp/tenon-test-no-such-store", F_OK), -1);
    held.loader = loader;
    held_done(&held);
}

TEST(store_mark__pins_and_blesses)
{
    struct held held = held_new();

    assert_int_equal(mark(&held, &held.a, "pin", NULL), TN_OK);
    assert_true(is_true(&held, &held.a, "pinned") && !is_true(&held, &held.b, "pinned"));
    assert_int_equal(mark(&held, &held.a, "bless", NULL), TN_OK);
    assert_true(is_true(&held, &held.a, "blessed") && !is_true(&held, &held.b, "blessed"));
    assert_int_equal(mark(&held, &held.a, "unpin", NULL), TN_OK);
    assert_false(is_true(&held, &held.a, "pinned"));
    held_done(&held);
}

TEST(store_mark__refuses_other_words_and_unknown_engines)
{
    struct held held = held_new();
    struct tn_error err = { 0 };

    assert_int_equal(mark(&held, &held.a, "keep", &err), TN_E_USAGE);
    assert_non_null(strstr(err.text, "bless"));
    assert_int_equal(tn_store_mark(held.loader, "ffffffffff", "pin", &err), TN_E_NOTFOUND);
    assert_int_equal(tn_store_mark(held.loader, NULL, "pin", &err), TN_E_USAGE);
    held_done(&held);
}

TEST(store_mark__verify_sets_changed_bytes_aside)
{
    struct held held = held_new();
    struct tn_error err = { 0 };
    json_t *all;
    FILE *file;

    assert_int_equal(mark(&held, &held.a, "verify", &err), TN_OK);
    assert_int_equal(chmod(held.a.path, 0644), 0);
    file = fopen(held.a.path, "w");
    assert_non_null(file);
    assert_true(fputs("xyz", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(held.a.path, 0444), 0);
    assert_int_equal(mark(&held, &held.a, "verify", &err), TN_E_CORRUPT);
    all = list(&held);
    assert_int_equal(json_array_size(all), 1);
    json_decref(all);
    held_done(&held);
}

/* As if it had been handed out ten days before everything else. */
static void use_long_ago(const struct held *held, const struct tn_entry *entry)
{
    char hex[TN_DIGEST_HEX], name[96];
    json_t *note =
        json_pack("{sI}", "last_used", (json_int_t)(tn_clock_wall() - 10 * 86400 * TN_NSEC_PER_S));

    digest_of(entry, hex);
    (void)snprintf(name, sizeof(name), "plans/%s.json", hex);
    assert_int_equal(tn_host_write(held->place.store, name, note, NULL), TN_OK);
    json_decref(note);
}

static json_t *collect(const struct held *held, int64_t bound, bool dry_run)
{
    struct tn_error err = { 0 };
    char *text = NULL;

    if (tn_store_collect(held->loader, bound, dry_run, &text, &err) != TN_OK)
        fail_msg("tn_store_collect: %s", err.text);
    return parsed(text);
}

TEST(store_collect__dry_run_tells_and_run_removes_the_oldest_use)
{
    struct held held = held_new();
    json_t *told, *done;

    use_long_ago(&held, &held.a);
    told = collect(&held, 4, true);
    assert_true(json_is_true(json_object_get(told, "dry_run")));
    assert_int_equal(tn_json_int(told, "gone", -1), 1);
    assert_int_equal(access(held.a.path, F_OK), 0);
    done = collect(&held, 4, false);
    assert_int_equal(tn_json_int(done, "gone_bytes", -1), tn_json_int(told, "gone_bytes", -2));
    assert_int_equal(tn_json_int(done, "bound_bytes", -1), 4);
    assert_int_equal(access(held.a.path, F_OK), -1);
    assert_int_equal(access(held.b.path, F_OK), 0);
    json_decref(told);
    json_decref(done);
    held_done(&held);
}

TEST(store_collect__needs_no_answer_and_refuses_a_negative_bound)
{
    struct held held = held_new();
    struct tn_error err = { 0 };

    assert_int_equal(tn_store_collect(held.loader, 0, false, NULL, &err), TN_OK);
    assert_int_equal(access(held.a.path, F_OK), 0);
    assert_int_equal(tn_store_collect(held.loader, -1, false, NULL, &err), TN_E_USAGE);
    held_done(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_list__is_newest_first_and_says_which_is_handed_out),
        cmocka_unit_test(store_list__of_a_store_that_is_not_there_is_empty),
        cmocka_unit_test(store_mark__pins_and_blesses),
        cmocka_unit_test(store_mark__refuses_other_words_and_unknown_engines),
        cmocka_unit_test(store_mark__verify_sets_changed_bytes_aside),
        cmocka_unit_test(store_collect__dry_run_tells_and_run_removes_the_oldest_use),
        cmocka_unit_test(store_collect__needs_no_answer_and_refuses_a_negative_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
