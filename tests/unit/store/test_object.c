#include "fixture.h"

#include "base/json.h"
#include "store/derived.h"
#include "store/host.h"
#include "store/lock.h"
#include "store/mark.h"
#include "store/object.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t find(struct place *place, const struct tn_digest *key)
{
    struct tn_entries found = { 0 };
    size_t count;

    assert_int_equal(tn_objects_find(place->store, key, NULL, NULL, &found, NULL), TN_OK);
    count = found.count;
    tn_entries_done(&found);
    return count;
}

TEST(put__can_be_found_by_its_key_and_read_back)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan bytes");
    char link_path[512], target[256] = "";
    struct stat st;

    assert_int_equal(find(&place, &entry.record.key), 1);
    assert_int_equal(entry.record.plan_bytes, 10);
    assert_int_equal(tn_object_verify(place.store, &entry, true, NULL), TN_OK);
    assert_int_equal(stat(entry.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0444);
    (void)snprintf(link_path, sizeof(link_path), "%s/engines/%s", place.root, entry.record.name);
    assert_true(readlink(link_path, target, sizeof(target) - 1) > 0);
    assert_int_equal(stat(link_path, &st), 0); /* the link points to something */
    tn_entry_done(&entry);
    place_done(&place);
}

/* Level of the engine under conditions, as a later process reads it. */
static enum tn_level level_under(struct place *place, const struct tn_digest *key,
                                 const char *conditions)
{
    struct tn_entries found = { 0 };
    enum tn_level level;

    assert_int_equal(tn_objects_find(place->store, key, NULL, NULL, &found, NULL), TN_OK);
    assert_int_equal(found.count, 1);
    level = tn_object_level_under(&found.item[0], conditions);
    tn_entries_done(&found);
    return level;
}

TEST(proved__holds_for_each_of_many_conditions_and_for_no_other)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan bytes");
    const struct tn_digest *key = &entry.record.key;
    char text[128];

    assert_int_equal(level_under(&place, key, ""), TN_LEVEL_HEADER);
    tn_object_proved(place.store, &entry, "driver 1 gpu A");
    tn_object_proved(place.store, &entry, "driver 1 gpu B");
    tn_object_proved(place.store, &entry, "driver 1 gpu B");
    assert_int_equal(level_under(&place, key, "driver 1 gpu A"), TN_LEVEL_LOADED);
    assert_int_equal(level_under(&place, key, "driver 1 gpu B"), TN_LEVEL_LOADED);
    assert_int_equal(level_under(&place, key, "driver 1 gpu"), TN_LEVEL_HEADER);
    assert_int_equal(level_under(&place, key, "driver 2 gpu A"), TN_LEVEL_HEADER);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof(text), "driver 2 gpu %d of a hundred", i);
        tn_object_proved(place.store, &entry, text);
    }
    assert_int_equal(level_under(&place, key, text), TN_LEVEL_LOADED);
    assert_int_equal(level_under(&place, key, "driver 2 gpu 70 of a hundred"), TN_LEVEL_LOADED);
    assert_int_equal(level_under(&place, key, "driver 1 gpu A"), TN_LEVEL_HEADER);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(put__of_another_recipe_with_the_same_name_gets_digits_of_its_key)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "b", "two");

    assert_string_not_equal(a.record.name, b.record.name);
    assert_non_null(strstr(b.record.name, "_fp16."));
    assert_int_equal(find(&place, &a.record.key), 1);
    assert_int_equal(find(&place, &b.record.key), 1);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

TEST(put__of_two_plans_of_one_recipe_keeps_both_newest_first)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "a", "two");
    struct tn_entries found = { 0 };

    assert_int_equal(tn_objects_find(place.store, &a.record.key, NULL, NULL, &found, NULL), TN_OK);
    assert_int_equal(found.count, 2);
    assert_true(tn_digest_equal(&found.item[0].record.digest, &b.record.digest));
    tn_entries_done(&found);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

TEST(put_done__without_commit_leaves_nothing)
{
    struct place place = place_new();
    struct tn_put one = { .lock_fd = -1 };

    assert_int_equal(tn_put_begin(place.store, &one, NULL), TN_OK);
    write_plan(&one, "half");
    assert_int_equal(access(one.plan_path, F_OK), 0);
    {
        char *path = strdup(one.plan_path);

        tn_put_done(&one);
        assert_int_not_equal(access(path, F_OK), 0);
        free(path);
    }
    place_done(&place);
}

TEST(put_begin__sweeps_what_a_killed_process_left)
{
    struct place place = place_new();
    struct tn_put one = { .lock_fd = -1 };
    char orphan[256];
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct tn_put lost = { .lock_fd = -1 };

        if (tn_put_begin(place.store, &lost, NULL) == TN_OK)
            (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    (void)snprintf(orphan, sizeof(orphan), "ls -d %s/tmp/put-* > /dev/null 2>&1", place.root);
    assert_int_equal(system(orphan), 0);
    assert_int_equal(tn_put_begin(place.store, &one, NULL), TN_OK);
    tn_put_done(&one);
    assert_int_not_equal(system(orphan), 0);
    place_done(&place);
}

TEST(objects_each__finds_what_the_index_has_lost)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    struct tn_entry again = { 0 };
    char records[128], hex[TN_DIGEST_HEX];

    (void)snprintf(records, sizeof(records), "%s/records", place.root);
    assert_int_equal(tn_dir_remove(records, NULL), TN_OK);
    assert_int_equal(find(&place, &entry.record.key), 0);
    tn_digest_hex(&entry.record.digest, hex);
    hex[12] = '\0';
    assert_int_equal(tn_objects_by_name(place.store, hex, &again, NULL), TN_OK);
    assert_true(tn_digest_equal(&again.record.key, &entry.record.key));
    tn_entry_done(&again);
    tn_entry_done(&entry);
    place_done(&place);
}

static void change_plan(const struct tn_entry *entry, const char *bytes)
{
    int fd;

    assert_int_equal(chmod(entry->path, 0644), 0);
    fd = open(entry->path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    (void)close(fd);
}

TEST(verify__notices_one_changed_byte_and_set_aside_keeps_the_file)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan bytes");
    struct tn_error err = { 0 };
    char command[256];

    change_plan(&entry, "plan bytez");
    assert_int_equal(tn_object_verify(place.store, &entry, false, &err), TN_E_CORRUPT);
    assert_int_equal(tn_object_set_aside(place.store, &entry, "changed", &err), TN_OK);
    assert_int_equal(find(&place, &entry.record.key), 0);
    (void)snprintf(command, sizeof(command),
                   "grep -q bytez %s/aside/*/plan && grep -q changed %s/aside/*/reason.json",
                   place.root, place.root);
    assert_int_equal(system(command), 0);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(find__passes_over_a_record_that_speaks_of_another_plan)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "b", "two");
    char command[4096];

    (void)snprintf(
        command, sizeof(command),
        "chmod u+w $(dirname %s) && cp -f $(dirname %s)/record.json $(dirname %s)/record.json",
        a.path, b.path, a.path);
    assert_int_equal(system(command), 0);
    assert_int_equal(find(&place, &a.record.key), 0);
    assert_int_equal(find(&place, &b.record.key), 1);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

/* The folder `up` levels above the plan: 0 is the object's own, 1 "ab", 2 sha256, 3 objects. */
static void folder_above(const struct tn_entry *entry, int up, char ret_path[1024])
{
    (void)snprintf(ret_path, 1024, "%s", entry->path);
    for (int i = 0; i <= up; i++)
        *strrchr(ret_path, '/') = '\0';
}

static void note_code(const char *path, const struct tn_error *why, void *user)
{
    (void)path;
    *(int *)user = why->code;
}

static bool ignore_one(struct tn_entry *entry, void *user)
{
    (void)entry;
    (void)user;
    return true;
}

static bool count_one(struct tn_entry *entry, void *user)
{
    (void)entry;
    (*(int *)user)++;
    return true;
}

/* The code with which the one engine, of `key`, is passed over; 0 = it is found. A walk of the
 * whole store, which proves each folder once, must say the same. */
static int passed_over(struct place *place, const struct tn_digest *key)
{
    struct tn_entries found = { 0 };
    int code = TN_E_NOTFOUND, walked = 0, walked_code = TN_E_NOTFOUND;

    assert_int_equal(tn_objects_find(place->store, key, note_code, &code, &found, NULL), TN_OK);
    if (found.count > 0)
        code = TN_OK;
    tn_entries_done(&found);
    assert_int_equal(tn_objects_each(place->store, count_one, NULL, &walked, NULL), TN_OK);
    assert_int_equal(tn_objects_each(place->store, ignore_one, note_code, &walked_code, NULL),
                     TN_OK);
    assert_int_equal(walked > 0 ? TN_OK : walked_code, code);
    return code;
}

TEST(find__uses_nothing_below_a_folder_that_others_may_write)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    char folder[1024];

    for (int up = 0; up <= 3; up++) {
        folder_above(&entry, up, folder);
        assert_int_equal(chmod(folder, 0775), 0);
        assert_int_equal(passed_over(&place, &entry.record.key), TN_E_UNTRUSTED);
        assert_int_equal(chmod(folder, 01777), 0); /* a sticky one lets names be added */
        assert_int_equal(passed_over(&place, &entry.record.key), TN_E_UNTRUSTED);
        assert_int_equal(chmod(folder, 0755), 0);
        assert_int_equal(passed_over(&place, &entry.record.key), TN_OK);
    }
    tn_entry_done(&entry);
    place_done(&place);
}

/* Puts a link where the file or folder was. */
static void make_link_of(const char *path)
{
    char moved[1100];

    (void)snprintf(moved, sizeof(moved), "%s.moved", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink(moved, path), 0);
}

static void unmake_link_of(const char *path)
{
    char moved[1100];

    (void)snprintf(moved, sizeof(moved), "%s.moved", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(moved, path), 0);
}

TEST(find__follows_no_link_inside_a_store)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    char path[1024];

    for (int up = -1; up <= 3; up++) {
        folder_above(&entry, up, path);
        make_link_of(path);
        assert_int_equal(passed_over(&place, &entry.record.key), TN_E_UNTRUSTED);
        unmake_link_of(path);
    }
    folder_above(&entry, 0, path);
    (void)strcat(path, "/record.json");
    make_link_of(path);
    assert_int_equal(passed_over(&place, &entry.record.key), TN_E_UNTRUSTED);
    unmake_link_of(path);
    assert_int_equal(passed_over(&place, &entry.record.key), TN_OK);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(put__goes_through_no_foreign_folder)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    struct tn_record record = record_of("b");
    struct tn_put one = { .lock_fd = -1 };
    struct tn_entry never = { 0 };
    char folder[1024];

    for (int up = 0; geteuid() == 0 && up <= 3; up++) {
        folder_above(&entry, up, folder);
        assert_int_equal(chown(folder, 65533, 65533), 0);
        assert_int_equal(passed_over(&place, &entry.record.key), TN_E_UNTRUSTED);
        assert_int_equal(chown(folder, 0, 0), 0);
    }
    folder_above(&entry, 1, folder);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(tn_put_begin(place.store, &one, NULL), TN_OK);
    write_plan(&one, "plan"); /* the same bytes, so the same folder */
    assert_int_equal(tn_put_commit(&one, &record, &never, NULL), TN_E_UNTRUSTED);
    tn_put_done(&one);
    tn_record_done(&record);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(verify__notices_a_hard_link_to_another_plan)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "b", "two");

    assert_int_equal(tn_object_verify(place.store, &a, false, NULL), TN_OK);
    assert_int_equal(unlink(a.path), 0);
    assert_int_equal(link(b.path, a.path), 0);
    assert_int_equal(tn_object_verify(place.store, &a, false, NULL), TN_E_CORRUPT);
    tn_entry_done(&a);
    tn_entry_done(&b);
    place_done(&place);
}

TEST(host_note__of_another_user_or_behind_a_link_is_not_read)
{
    struct place place = place_new();
    tn_auto(tn_json_done) json_t *note = json_pack("{si}", "n", 1);
    json_t *again = NULL;
    char path[1024];

    assert_int_equal(tn_host_write(place.store, "kind/n.json", note, NULL), TN_OK);
    (void)snprintf(path, sizeof(path), "%s/hosts/%s/kind/n.json", place.root,
                   tn_store_host(place.store));
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(tn_host_read(place.store, "kind/n.json", &again, NULL), TN_E_UNTRUSTED);
    assert_int_equal(chmod(path, 0644), 0);
    make_link_of(path);
    assert_int_equal(tn_host_read(place.store, "kind/n.json", &again, NULL), TN_E_UNTRUSTED);
    unmake_link_of(path);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65533, 65533), 0);
        assert_int_equal(tn_host_read(place.store, "kind/n.json", &again, NULL), TN_E_UNTRUSTED);
        assert_int_equal(chown(path, 0, 0), 0);
    }
    assert_int_equal(tn_host_read(place.store, "kind/n.json", &again, NULL), TN_OK);
    json_decref(again);
    place_done(&place);
}

static bool take_one(struct tn_entry *entry, void *user)
{
    struct tn_entry *taken = user;

    *taken = *entry;
    *entry = (struct tn_entry) { 0 };
    return true;
}

/* Whether a walk of the store says that its one engine is pinned and was used. */
static bool walk_believes(const struct place *place)
{
    tn_auto(tn_entry_done) struct tn_entry seen = { 0 };

    assert_int_equal(tn_objects_each(place->store, take_one, NULL, &seen, NULL), TN_OK);
    assert_non_null(seen.record.facts); /* the engine itself is there either way */
    assert_true(seen.pinned == (seen.last_used > 0));
    return seen.pinned;
}

TEST(each__believes_no_mark_and_no_note_that_others_may_change)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    char marks[256], notes[256];

    assert_int_equal(tn_mark_pin(place.store, &entry, true, NULL), TN_OK);
    tn_object_used(place.store, &entry);
    assert_true(walk_believes(&place));
    (void)snprintf(marks, sizeof(marks), "%s/marks", place.root);
    (void)snprintf(notes, sizeof(notes), "%s/hosts/%s/plans", place.root,
                   tn_store_host(place.store));
    for (mode_t mode = 02; mode <= 020; mode *= 8) {
        assert_int_equal(chmod(marks, 0755 | mode), 0);
        assert_int_equal(chmod(notes, 01755 | mode), 0);
        assert_false(walk_believes(&place));
        assert_int_equal(chmod(marks, 0755), 0);
        assert_int_equal(chmod(notes, 0755), 0);
        assert_true(walk_believes(&place));
    }
    make_link_of(marks);
    make_link_of(notes);
    assert_false(walk_believes(&place));
    unmake_link_of(marks);
    unmake_link_of(notes);
    assert_true(walk_believes(&place));
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(find__of_an_object_that_is_not_visible_yet_finds_it_once_it_is)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    char folder[1024], hidden[1100];

    folder_above(&entry, 0, folder); /* as another machine's file cache may show it */
    (void)snprintf(hidden, sizeof(hidden), "%s/hidden", place.root);
    assert_int_equal(rename(folder, hidden), 0);
    assert_int_equal(find(&place, &entry.record.key), 0);
    assert_int_equal(tn_object_verify(place.store, &entry, false, NULL), TN_E_NOTFOUND);
    assert_int_equal(rename(hidden, folder), 0);
    assert_int_equal(find(&place, &entry.record.key), 1);
    tn_entry_done(&entry);
    place_done(&place);
}

static void make_old_file(const char *path, long age_s)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };

    assert_true(fd >= 0);
    (void)clock_gettime(CLOCK_REALTIME, &times[1]);
    times[1].tv_sec -= age_s;
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
}

TEST(put_begin__sweeps_old_temporary_files_and_leaves_fresh_ones)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");
    struct tn_put one = { .lock_fd = -1 };
    const char *folders[] = { ".", "records", "engines" };
    char path[256];

    for (size_t i = 0; i < TN_COUNT(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/.tmp-old", place.root, folders[i]);
        make_old_file(path, 4000);
        (void)snprintf(path, sizeof(path), "%s/%s/.tmp-new", place.root, folders[i]);
        make_old_file(path, 10);
    }
    assert_int_equal(tn_put_begin(place.store, &one, NULL), TN_OK);
    for (size_t i = 0; i < TN_COUNT(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/.tmp-old", place.root, folders[i]);
        assert_int_not_equal(access(path, F_OK), 0);
        (void)snprintf(path, sizeof(path), "%s/%s/.tmp-new", place.root, folders[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    tn_put_done(&one);
    tn_entry_done(&entry);
    place_done(&place);
}

/* One of several processes that put, drop and sweep at once. @return exit status */
static int put_many(const char *root, int number)
{
    struct tn_store *store = NULL;

    if (tn_store_open(root, &store, NULL) != TN_OK)
        return 1;
    for (int i = 0; i < 60; i++) {
        struct tn_put one = { .lock_fd = -1 };
        struct tn_record record = record_of("a");
        struct tn_entry entry = { 0 };
        char bytes[32];
        int rc = tn_put_begin(store, &one, NULL);

        (void)snprintf(bytes, sizeof(bytes), "%d %d", number, i % 20);
        if (rc == TN_OK)
            write_plan(&one, bytes);
        if (rc == TN_OK && i % 3 > 0)
            rc = tn_put_commit(&one, &record, &entry, NULL);
        tn_put_done(&one);
        tn_record_done(&record);
        tn_entry_done(&entry);
        if (rc < 0)
            return 2;
    }
    tn_store_close(store);
    return 0;
}

TEST(put__by_six_processes_at_once_never_sweeps_what_is_in_use)
{
    struct place place = place_new();
    struct tn_record record = record_of("a");
    pid_t child[6];

    for (int i = 0; i < 6; i++) {
        child[i] = fork();
        if (child[i] == 0)
            _exit(put_many(place.root, i));
    }
    for (int i = 0; i < 6; i++) {
        int status = -1;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(find(&place, &record.key), 6 * 20); /* none is lost from the index */
    tn_record_done(&record);
    place_done(&place);
}

TEST(sequence__goes_on_where_the_counter_was_lost)
{
    struct place place = place_new();
    struct tn_entry a = put(&place, "a", "one"), b = put(&place, "a", "two"), c;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/sequence.json", place.root);
    assert_int_equal(unlink(path), 0);
    c = put(&place, "a", "three");
    assert_true(c.record.sequence > b.record.sequence);
    tn_entry_done(&a);
    tn_entry_done(&b);
    tn_entry_done(&c);
    place_done(&place);
}

TEST(store_open__refuses_a_folder_that_others_may_write)
{
    struct place place = place_new();
    struct tn_store *again = NULL;
    struct tn_error err = { 0 };

    assert_int_equal(chmod(place.root, 0777), 0);
    assert_int_equal(tn_store_open(place.root, &again, &err), TN_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "chmod go-w"));
    assert_int_equal(tn_error_exit_status(err.code), 77);
    place_done(&place);
}

TEST(find__refuses_a_plan_that_others_may_write)
{
    struct place place = place_new();
    struct tn_entry entry = put(&place, "a", "plan");

    assert_int_equal(chmod(entry.path, 0666), 0);
    assert_int_equal(find(&place, &entry.record.key), 0);
    tn_entry_done(&entry);
    place_done(&place);
}

TEST(store_list__serves_hits_of_the_second_and_writes_to_the_first)
{
    struct place first = place_new(), second = place_new();
    struct tn_entry entry = put(&second, "a", "plan");
    struct place both = { .root = "" };
    char list[160];
    struct tn_entries found = { 0 };

    (void)snprintf(list, sizeof(list), "%s:%s:/nonexistent/store", first.root, second.root);
    assert_int_equal(tn_store_open(list, &both.store, NULL), TN_OK);
    assert_int_equal(tn_objects_find(both.store, &entry.record.key, NULL, NULL, &found, NULL),
                     TN_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.item[0].store, 1);
    assert_int_equal(tn_object_set_aside(both.store, &found.item[0], "x", NULL), TN_E_ACCESS);
    tn_entries_done(&found);
    tn_store_close(both.store);
    tn_entry_done(&entry);
    place_done(&first);
    place_done(&second);
}

TEST(put_set_aside__keeps_the_plan_with_its_reason_and_publishes_nothing)
{
    struct place place = place_new();
    struct tn_put one = { .lock_fd = -1 };
    struct tn_record record = record_of("a");
    struct tn_error err = { 0 };
    char folder[96], path[512];
    DIR *aside;
    const struct dirent *at;
    json_t *why = NULL;
    int plans = 0;

    assert_int_equal(tn_put_begin(place.store, &one, &err), TN_OK);
    write_plan(&one, "other");
    assert_int_equal(tn_put_set_aside(&one, &record.key, "of 1.6, not 1.7", &err), TN_OK);
    tn_put_done(&one);
    assert_int_equal(find(&place, &record.key), 0);
    (void)snprintf(folder, sizeof(folder), "%s/aside", place.root);
    aside = opendir(folder);
    assert_non_null(aside);
    while ((at = readdir(aside)) != NULL) {
        if (at->d_name[0] == '.')
            continue;
        plans++;
        (void)snprintf(path, sizeof(path), "%s/%s/plan", folder, at->d_name);
        assert_int_equal(access(path, F_OK), 0);
        (void)snprintf(path, sizeof(path), "%s/%s/reason.json", folder, at->d_name);
        assert_int_equal(tn_json_read(path, 4096, &why, &err), TN_OK);
        assert_string_equal(tn_json_str(why, "reason", ""), "of 1.6, not 1.7");
        assert_int_equal(strncmp(at->d_name, tn_json_str(why, "digest", "?"), 64), 0);
        json_decref(why);
    }
    assert_int_equal(plans, 1);
    (void)closedir(aside);
    tn_record_done(&record);
    place_done(&place);
}

TEST(objects_stamp__changes_when_an_engine_of_the_key_comes)
{
    struct place place = place_new();
    struct tn_stamp before, after;
    struct tn_entry first = put(&place, "a", "one");
    struct tn_digest none;
    struct tn_entry second;

    assert_int_equal(tn_digest_of("none", 4, &none, NULL), TN_OK);
    assert_false(tn_objects_stamp(place.store, &none, &before));
    assert_true(tn_objects_stamp(place.store, &first.record.key, &before));
    second = put(&place, "a", "two");
    assert_true(tn_objects_stamp(place.store, &first.record.key, &after));
    assert_false(tn_stamp_equal(&before, &after));
    tn_entry_done(&first);
    tn_entry_done(&second);
    place_done(&place);
}

static bool look_at_holder(const struct tn_lock_holder *holder, tn_nsec waited, void *user)
{
    (void)waited;
    *(struct tn_lock_holder *)user = *holder;
    return false;
}

TEST(lock__dies_with_its_holder_and_names_it_while_it_lives)
{
    struct place place = place_new();
    struct tn_lock lock = TN_LOCK_NONE;
    struct tn_lock_holder holder = { 0 };
    struct tn_error err = { 0 };
    int ready[2], status;
    char byte, expected[40];
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct tn_lock held = TN_LOCK_NONE;

        if (tn_lock_take(place.store, "l", NULL, NULL, &held, NULL, NULL) == TN_OK) {
            tn_lock_say(&held, "Building \x1b[31m engine");
            tn_lock_say(&held, "said too soon after it");
            (void)!write(ready[1], "x", 1);
        }
        (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(tn_lock_take(place.store, "l", NULL, NULL, &lock, NULL, &err), TN_E_AGAIN);
    (void)snprintf(expected, sizeof(expected), "process %ld ", (long)child);
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(tn_lock_take(place.store, "l", look_at_holder, &holder, &lock, NULL, &err),
                     TN_E_AGAIN);
    assert_int_equal(holder.pid, child);
    assert_string_equal(holder.doing, "Building \\x1b[31m engine");
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    assert_int_equal(tn_lock_take(place.store, "l", NULL, NULL, &lock, NULL, &err), TN_OK);
    tn_lock_done(&lock);
    (void)close(ready[0]);
    (void)close(ready[1]);
    place_done(&place);
}

TEST(derived__is_found_by_source_and_converter_until_it_is_changed)
{
    struct place place = place_new();
    struct tn_digest source;
    char file[128];
    char *kept = NULL, *found = NULL;
    FILE *out;

    assert_int_equal(tn_digest_of("m", 1, &source, NULL), TN_OK);
    (void)snprintf(file, sizeof(file), "%s/new.onnx", place.root);
    out = fopen(file, "w");
    assert_non_null(out);
    assert_true(fputs("onnx", out) >= 0 && fclose(out) == 0);
    assert_int_equal(tn_derived_take(place.store, &source, "c 1.0", file, &kept, NULL), TN_OK);
    assert_int_equal(tn_derived_find(place.store, &source, "c 1.0", &found, NULL), TN_OK);
    assert_string_equal(kept, found);
    free(found);
    assert_int_equal(tn_derived_find(place.store, &source, "c 1.1", &found, NULL), TN_E_NOTFOUND);
    assert_int_equal(chmod(kept, 0644), 0);
    assert_int_equal(truncate(kept, 2), 0);
    assert_int_equal(tn_derived_find(place.store, &source, "c 1.0", &found, NULL), TN_E_NOTFOUND);
    free(kept);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__can_be_found_by_its_key_and_read_back),
        cmocka_unit_test(put__of_another_recipe_with_the_same_name_gets_digits_of_its_key),
        cmocka_unit_test(put__of_two_plans_of_one_recipe_keeps_both_newest_first),
        cmocka_unit_test(put_done__without_commit_leaves_nothing),
        cmocka_unit_test(put_begin__sweeps_what_a_killed_process_left),
        cmocka_unit_test(objects_each__finds_what_the_index_has_lost),
        cmocka_unit_test(verify__notices_one_changed_byte_and_set_aside_keeps_the_file),
        cmocka_unit_test(find__passes_over_a_record_that_speaks_of_another_plan),
        cmocka_unit_test(find__uses_nothing_below_a_folder_that_others_may_write),
        cmocka_unit_test(find__follows_no_link_inside_a_store),
        cmocka_unit_test(put__goes_through_no_foreign_folder),
        cmocka_unit_test(verify__notices_a_hard_link_to_another_plan),
        cmocka_unit_test(host_note__of_another_user_or_behind_a_link_is_not_read),
        cmocka_unit_test(each__believes_no_mark_and_no_note_that_others_may_change),
        cmocka_unit_test(find__of_an_object_that_is_not_visible_yet_finds_it_once_it_is),
        cmocka_unit_test(put_begin__sweeps_old_temporary_files_and_leaves_fresh_ones),
        cmocka_unit_test(put__by_six_processes_at_once_never_sweeps_what_is_in_use),
        cmocka_unit_test(sequence__goes_on_where_the_counter_was_lost),
        cmocka_unit_test(store_open__refuses_a_folder_that_others_may_write),
        cmocka_unit_test(find__refuses_a_plan_that_others_may_write),
        cmocka_unit_test(store_list__serves_hits_of_the_second_and_writes_to_the_first),
        cmocka_unit_test(proved__holds_for_each_of_many_conditions_and_for_no_other),
        cmocka_unit_test(put_set_aside__keeps_the_plan_with_its_reason_and_publishes_nothing),
        cmocka_unit_test(objects_stamp__changes_when_an_engine_of_the_key_comes),
        cmocka_unit_test(lock__dies_with_its_holder_and_names_it_while_it_lives),
        cmocka_unit_test(derived__is_found_by_source_and_converter_until_it_is_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
