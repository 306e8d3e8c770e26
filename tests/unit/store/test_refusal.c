#include "tn_test.h"

#include "base/json.h"
#include "compat/logclass.h"
#include "store/host.h"
#include "store/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND TN_NSEC_PER_S
#define MINUTE (60 * SECOND)

/* 2026, an hour after the boot */
static const struct tn_moment start = { .monotonic = 3600 * SECOND,
                                        .wall = 1795400000 * SECOND,
                                        .boot = "5a0f" };

struct place {
    char root[64];
    struct tn_store *store;
    struct tn_digest key;
};

static struct place place_new(void)
{
    struct place place = { .root = "/tmp/tenon-test-XXXXXX" };

    assert_non_null(mkdtemp(place.root));
    assert_int_equal(tn_store_open(place.root, &place.store, NULL), TN_OK);
    assert_int_equal(tn_digest_of("k", 1, &place.key, NULL), TN_OK);
    return place;
}

static void place_done(struct place *place)
{
    tn_store_close(place->store);
    assert_int_equal(tn_dir_remove(place->root, NULL), TN_OK);
}

static void keep(struct place *place, enum tn_refusal_kind kind, struct tn_moment now)
{
    struct tn_refusal refusal = { .kind = kind,
                                  .name = "timeout",
                                  .stage = "build",
                                  .first_line = "no end after 7200 s",
                                  .cure = "more time",
                                  .log = "/l" };
    struct tn_error err = { 0 };

    if (tn_refusal_keep(place->store, &place->key, &now, &refusal, &err) != TN_OK)
        fail_msg("%s", err.text);
}

static tn_nsec left(struct place *place, struct tn_moment now)
{
    struct tn_refusal found;

    return tn_refusal_find(place->store, &place->key, &now, &found) == TN_REFUSAL_BACKOFF
               ? found.left
               : 0;
}

static struct tn_moment later(struct tn_moment from, tn_nsec by)
{
    from.monotonic += by;
    from.wall += by;
    return from;
}

TEST(refusal__lasts_until_it_is_forgotten_and_tells_everything)
{
    struct place place = place_new();
    struct tn_moment now = later(start, 10000 * 3600 * SECOND);
    struct tn_refusal found;

    assert_int_equal(tn_refusal_find(place.store, &place.key, &start, &found), TN_REFUSAL_NONE);
    keep(&place, TN_REFUSAL_LASTING, start);
    assert_int_equal(tn_refusal_find(place.store, &place.key, &now, &found), TN_REFUSAL_LASTING);
    assert_string_equal(found.name, "timeout");
    assert_string_equal(found.stage, "build");
    assert_string_equal(found.first_line, "no end after 7200 s");
    assert_string_equal(found.cure, "more time");
    assert_string_equal(found.log, "/l");
    assert_string_equal(found.time, "2026-11-23T02:13:20Z");
    tn_refusal_forget(place.store, &place.key);
    assert_int_equal(tn_refusal_find(place.store, &place.key, &now, &found), TN_REFUSAL_NONE);
    tn_refusal_forget(place.store, &place.key);
    place_done(&place);
}

/* Writes a changed copy of the note that is there. */
static void change(struct place *place, const char *folder, const char *member, json_t *value)
{
    char name[128], hex[TN_DIGEST_HEX];
    json_t *note = NULL;

    tn_digest_hex(&place->key, hex);
    (void)snprintf(name, sizeof(name), "%s/%s.json", folder, hex);
    assert_int_equal(tn_host_read(place->store, name, &note, NULL), TN_OK);
    tn_json_set(note, member, value);
    assert_int_equal(tn_host_write(place->store, name, note, NULL), TN_OK);
    json_decref(note);
}

TEST(refusal__of_another_classifier_or_another_key_does_not_count)
{
    struct place place = place_new();
    struct tn_refusal found;

    keep(&place, TN_REFUSAL_LASTING, start);
    change(&place, "refusals", "classifier", json_integer(TN_LOGCLASS_VERSION + 1));
    assert_int_equal(tn_refusal_find(place.store, &place.key, &start, &found), TN_REFUSAL_NONE);
    keep(&place, TN_REFUSAL_LASTING, start);
    change(&place, "refusals", "key", json_string("00"));
    assert_int_equal(tn_refusal_find(place.store, &place.key, &start, &found), TN_REFUSAL_NONE);
    keep(&place, TN_REFUSAL_LASTING, start);
    change(&place, "refusals", "classifier", json_string("1"));
    assert_int_equal(tn_refusal_find(place.store, &place.key, &start, &found), TN_REFUSAL_NONE);
    place_done(&place);
}

TEST(backoff__is_a_minute_and_doubles_up_to_an_hour)
{
    static const tn_nsec minutes[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
    struct place place = place_new();
    struct tn_moment now = start;

    for (size_t i = 0; i < sizeof(minutes) / sizeof(minutes[0]); i++) {
        keep(&place, TN_REFUSAL_BACKOFF, now);
        assert_int_equal(left(&place, now), minutes[i] * MINUTE);
        assert_int_equal(left(&place, later(now, minutes[i] * MINUTE - SECOND)), SECOND);
        now = later(now, minutes[i] * MINUTE);
        assert_int_equal(left(&place, now), 0);
    }
    tn_refusal_forget(place.store, &place.key);
    keep(&place, TN_REFUSAL_BACKOFF, now);
    assert_int_equal(left(&place, now), MINUTE);
    place_done(&place);
}

TEST(backoff__does_not_ask_the_wall_clock_within_a_boot)
{
    struct place place = place_new();
    struct tn_moment now = later(start, 20 * SECOND);

    keep(&place, TN_REFUSAL_BACKOFF, start);
    now.wall = 0; /* 1970 */
    assert_int_equal(left(&place, now), 40 * SECOND);
    now.wall = start.wall * 2;
    assert_int_equal(left(&place, now), 40 * SECOND);
    place_done(&place);
}

TEST(backoff__survives_a_boot_by_the_wall_clock_and_never_blocks_for_ever)
{
    struct place place = place_new();
    struct tn_moment now = { .monotonic = 5 * SECOND, .wall = start.wall, .boot = "77aa" };

    keep(&place, TN_REFUSAL_BACKOFF, start);
    now.wall = start.wall + 15 * SECOND;
    assert_int_equal(left(&place, now), 45 * SECOND);
    now.wall = start.wall - 1; /* jumped back */
    assert_int_equal(left(&place, now), 0);
    now.wall = 9 * SECOND; /* 1970 */
    assert_int_equal(left(&place, now), 0);
    now.boot[0] = '\0'; /* no /proc */
    now.wall = start.wall + 30 * SECOND;
    assert_int_equal(left(&place, now), 30 * SECOND);
    now = start;
    now.monotonic = 0; /* a time namespace of its own */
    assert_int_equal(left(&place, now), 0);
    place_done(&place);
}

TEST(backoff__notes_with_nonsense_do_not_block)
{
    struct place place = place_new();

    keep(&place, TN_REFUSAL_BACKOFF, start);
    change(&place, "backoff", "failures", json_integer(INT64_MAX));
    assert_int_equal(left(&place, start), 60 * MINUTE);
    change(&place, "backoff", "failures", json_integer(-5));
    assert_int_equal(left(&place, start), MINUTE);
    change(&place, "backoff", "monotonic_ns", json_integer(INT64_MAX));
    assert_int_equal(left(&place, start), 0);
    change(&place, "backoff", "monotonic_ns", json_integer(INT64_MIN));
    assert_int_equal(left(&place, start), 0);
    change(&place, "backoff", "monotonic_ns", json_string("soon"));
    assert_int_equal(left(&place, start), 0);
    place_done(&place);
}

TEST(refusal__ends_the_backoff_of_its_key)
{
    struct place place = place_new();
    struct tn_refusal found;

    keep(&place, TN_REFUSAL_BACKOFF, start);
    keep(&place, TN_REFUSAL_LASTING, start);
    assert_int_equal(tn_refusal_find(place.store, &place.key, &start, &found), TN_REFUSAL_LASTING);
    change(&place, "refusals", "classifier", json_integer(0));
    assert_int_equal(left(&place, start), 0);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusal__lasts_until_it_is_forgotten_and_tells_everything),
        cmocka_unit_test(refusal__of_another_classifier_or_another_key_does_not_count),
        cmocka_unit_test(refusal__ends_the_backoff_of_its_key),
        cmocka_unit_test(backoff__is_a_minute_and_doubles_up_to_an_hour),
        cmocka_unit_test(backoff__does_not_ask_the_wall_clock_within_a_boot),
        cmocka_unit_test(backoff__survives_a_boot_by_the_wall_clock_and_never_blocks_for_ever),
        cmocka_unit_test(backoff__notes_with_nonsense_do_not_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
