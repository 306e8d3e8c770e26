/* Content-addressed files of the server: uploads in parts, kills, two writers, collection. */
#include "tn_test.h"

#include "base/file.h"
#include "fleet/blob.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 100000 };

struct place {
    char data[64];
    struct tn_blobs *blobs;
};

static unsigned char bytes[SIZE];

static struct tn_blobs *open_well(const struct place *place)
{
    struct tn_blobs *blobs = NULL;
    struct tn_error err = { 0 };

    if (tn_blobs_open(place->data, &blobs, &err) != TN_OK)
        fail_msg("open: %s", err.text);
    return blobs;
}

static struct place place_new(void)
{
    struct place place = { .data = "/tmp/tenon-test-XXXXXX" };

    assert_non_null(mkdtemp(place.data));
    place.blobs = open_well(&place);
    return place;
}

static void place_reopen(struct place *place)
{
    tn_blobs_close(place->blobs);
    place->blobs = open_well(place);
}

static void place_done(struct place *place)
{
    tn_blobs_close(place->blobs);
    assert_int_equal(tn_dir_remove(place->data, NULL), TN_OK);
}

static struct tn_digest digest_of(size_t size)
{
    struct tn_digest digest;

    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    assert_int_equal(tn_digest_of(bytes, size, &digest, NULL), TN_OK);
    return digest;
}

/* Bytes from `from` to `to` of the blob of `total`; committed when those are the last. */
static int send_part(struct tn_blobs *blobs, const struct tn_digest *digest, size_t from, size_t to,
                     size_t total, struct tn_error *err)
{
    struct tn_upload *upload = NULL;
    int rc = tn_upload_open(blobs, digest, (int64_t)from, (int64_t)total, &upload, err);

    if (rc == TN_OK)
        rc = tn_upload_write(upload, bytes + from, to - from, err);
    if (rc == TN_OK && to == total)
        rc = tn_upload_commit(upload, err);
    tn_upload_close(upload);
    return rc;
}

static void assert_whole(const struct tn_blobs *blobs, const struct tn_digest *digest, size_t size)
{
    struct tn_digest found;
    int64_t length = -1;
    int fd = -1;

    assert_int_equal(tn_blobs_read(blobs, digest, &fd, &length, NULL), TN_OK);
    assert_int_equal(length, size);
    assert_int_equal(tn_digest_fd(fd, &found, NULL, NULL), TN_OK);
    assert_true(tn_digest_equal(&found, digest));
    (void)close(fd);
}

TEST(upload__appears_only_when_it_is_whole)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    int fd;
    int64_t length;

    assert_int_equal(tn_upload_offset(place.blobs, &digest), 0);
    assert_int_equal(send_part(place.blobs, &digest, 0, 5000, SIZE, NULL), TN_OK);
    assert_false(tn_blobs_has(place.blobs, &digest, NULL));
    assert_int_equal(tn_blobs_read(place.blobs, &digest, &fd, &length, NULL), TN_E_NOTFOUND);
    assert_int_equal(tn_upload_offset(place.blobs, &digest), 5000);
    assert_int_equal(send_part(place.blobs, &digest, 5000, SIZE, SIZE, NULL), TN_OK);
    assert_int_equal(tn_upload_offset(place.blobs, &digest), 0);
    assert_whole(place.blobs, &digest, SIZE);
    place_done(&place);
}

TEST(upload__goes_on_at_any_byte_in_this_process_and_in_the_next)
{
    static const size_t cuts[] = { 1, 63, 64, 65, 4095, 4096, SIZE - 1, SIZE };
    struct tn_digest digest = digest_of(SIZE);

    for (int restart = 0; restart < 2; restart++)
        for (size_t i = 0; i < TN_COUNT(cuts); i++) {
            struct place place = place_new();
            struct tn_upload *upload = NULL;

            if (cuts[i] < SIZE)
                assert_int_equal(send_part(place.blobs, &digest, 0, cuts[i], SIZE, NULL), TN_OK);
            else { /* all has arrived, but nobody said that this was all */
                assert_int_equal(tn_upload_open(place.blobs, &digest, 0, SIZE, &upload, NULL),
                                 TN_OK);
                assert_int_equal(tn_upload_write(upload, bytes, SIZE, NULL), TN_OK);
                tn_upload_close(upload);
            }
            if (restart)
                place_reopen(&place);
            assert_int_equal(send_part(place.blobs, &digest, cuts[i], SIZE, SIZE, NULL), TN_OK);
            assert_whole(place.blobs, &digest, SIZE);
            place_done(&place);
        }
}

TEST(upload__that_somebody_else_took_further_is_hashed_from_its_bytes)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    struct tn_blobs *other = open_well(&place);

    assert_int_equal(send_part(place.blobs, &digest, 0, 5000, SIZE, NULL), TN_OK);
    assert_int_equal(send_part(other, &digest, 5000, 7000, SIZE, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &digest, 7000, SIZE, SIZE, NULL), TN_OK);
    assert_whole(place.blobs, &digest, SIZE);
    tn_blobs_close(other);
    place_done(&place);
}

TEST(upload__of_nothing_is_a_blob_too)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(0);

    assert_int_equal(send_part(place.blobs, &digest, 0, 0, 0, NULL), TN_OK);
    assert_whole(place.blobs, &digest, 0);
    place_done(&place);
}

TEST(upload__refuses_another_offset_and_says_the_right_one)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    struct tn_error err = { 0 };

    assert_int_equal(send_part(place.blobs, &digest, 0, 777, SIZE, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &digest, 776, SIZE, SIZE, &err), TN_E_USAGE);
    assert_non_null(strstr(err.text, "777"));
    assert_int_equal(send_part(place.blobs, &digest, 0, SIZE, SIZE, NULL), TN_E_USAGE);
    assert_int_equal(send_part(place.blobs, &digest, 777, 777, 700, NULL), TN_E_USAGE);
    assert_int_equal(tn_upload_offset(place.blobs, &digest), 777);
    place_done(&place);
}

TEST(upload__with_another_digest_is_removed_and_never_seen)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    struct tn_error err = { 0 };

    digest.sha256[5] ^= 1;
    assert_int_equal(send_part(place.blobs, &digest, 0, SIZE, SIZE, &err), TN_E_CORRUPT);
    assert_false(tn_blobs_has(place.blobs, &digest, NULL));
    assert_int_equal(tn_upload_offset(place.blobs, &digest), 0);
    assert_int_equal(tn_blobs_bytes(place.blobs), 0);
    place_done(&place);
}

TEST(upload__takes_no_byte_more_than_was_promised_and_no_commit_with_fewer)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    struct tn_upload *upload = NULL;

    assert_int_equal(tn_upload_open(place.blobs, &digest, 0, 10, &upload, NULL), TN_OK);
    assert_int_equal(tn_upload_write(upload, bytes, 11, NULL), TN_E_TOOBIG);
    assert_int_equal(tn_upload_write(upload, bytes, 9, NULL), TN_OK);
    assert_int_equal(tn_upload_commit(upload, NULL), TN_E_USAGE);
    assert_int_equal(tn_upload_write(upload, bytes + 9, 1, NULL), TN_OK);
    assert_int_equal(tn_upload_commit(upload, NULL), TN_E_CORRUPT);
    tn_upload_close(upload);
    place_done(&place);
}

TEST(upload__has_one_writer_at_a_time)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    struct tn_upload *first = NULL;
    struct tn_upload *second = NULL;

    assert_int_equal(tn_upload_open(place.blobs, &digest, 0, SIZE, &first, NULL), TN_OK);
    assert_int_equal(tn_upload_open(place.blobs, &digest, 0, SIZE, &second, NULL), TN_E_AGAIN);
    assert_null(second);
    tn_upload_close(first);
    assert_int_equal(send_part(place.blobs, &digest, 0, SIZE, SIZE, NULL), TN_OK);
    place_done(&place);
}

/* ---- a kill ---- */

static void upload_and_wait(const char *data, const struct tn_digest *digest, int said)
{
    struct tn_blobs *blobs = NULL;
    struct tn_upload *upload = NULL;

    if (tn_blobs_open(data, &blobs, NULL) != TN_OK ||
        tn_upload_open(blobs, digest, 0, SIZE, &upload, NULL) != TN_OK ||
        tn_upload_write(upload, bytes, 54321, NULL) != TN_OK || write(said, "x", 1) != 1)
        _exit(1);
    (void)pause();
    _exit(2);
}

TEST(upload__that_is_killed_in_the_middle_is_resumed_by_the_next_server)
{
    struct place place = place_new();
    struct tn_digest digest = digest_of(SIZE);
    int pipes[2];
    char byte;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0)
        upload_and_wait(place.data, &digest, pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(tn_upload_offset(place.blobs, &digest), 54321);
    assert_int_equal(send_part(place.blobs, &digest, 54321, SIZE, SIZE, NULL), TN_OK);
    assert_whole(place.blobs, &digest, SIZE);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    place_done(&place);
}

/* ---- the other digests ---- */

TEST(hashes__are_those_of_the_standards_and_survive_a_lost_or_broken_note)
{
    static const char abc[] = "abc";
    struct place place = place_new();
    struct tn_blob_hashes hashes = { { 0 }, { 0 }, { 0 } };
    struct tn_upload *upload = NULL;
    struct tn_digest digest;
    char note[160];

    assert_int_equal(tn_digest_of(abc, 3, &digest, NULL), TN_OK);
    assert_int_equal(tn_blobs_hashes(place.blobs, &digest, &hashes, NULL), TN_E_NOTFOUND);
    assert_int_equal(tn_upload_open(place.blobs, &digest, 0, 3, &upload, NULL), TN_OK);
    assert_int_equal(tn_upload_write(upload, abc, 3, NULL), TN_OK);
    assert_int_equal(tn_upload_commit(upload, NULL), TN_OK);
    tn_upload_close(upload);
    (void)snprintf(note, sizeof(note),
                   "%s/blobs/sha256/ba/"
                   "7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.hashes",
                   place.data);
    for (int i = 0; i < 3; i++) {
        if (i == 1)
            assert_int_equal(unlink(note), 0);
        if (i == 2)
            assert_int_equal(tn_file_replace(place.data, note + strlen(place.data) + 1,
                                             "ZZ0150983cd24fb0d6963f7d28e17f72 "
                                             "a9993e364706816aba3e25717850c26c9cd0d89d\n",
                                             74, 0600, NULL),
                             TN_OK);
        place_reopen(&place); /* else they are still in memory */
        assert_int_equal(tn_blobs_hashes(place.blobs, &digest, &hashes, NULL), TN_OK);
        assert_string_equal(hashes.md5, "900150983cd24fb0d6963f7d28e17f72");
        assert_string_equal(hashes.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_memory_equal(hashes.sha256, "ba7816bf8f01cfea", 16);
        assert_int_equal(access(note, F_OK), 0);
    }
    place_done(&place);
}

/* ---- counting and collecting ---- */

TEST(bytes__are_those_of_all_blobs_once_each_also_after_a_restart)
{
    struct place place = place_new();
    struct tn_digest big = digest_of(SIZE);
    struct tn_digest small = digest_of(10);

    assert_int_equal(send_part(place.blobs, &big, 0, SIZE, SIZE, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &small, 0, 10, 10, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &small, 0, 10, 10, NULL), TN_OK);
    assert_int_equal(tn_blobs_bytes(place.blobs), SIZE + 10);
    place_reopen(&place);
    assert_int_equal(tn_blobs_bytes(place.blobs), SIZE + 10);
    place_done(&place);
}

static bool keep_that(const struct tn_digest *digest, void *user)
{
    return tn_digest_equal(digest, user);
}

static int set_old(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    const struct timespec long_ago[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

    (void)st;
    (void)kind;
    (void)where;
    return utimensat(AT_FDCWD, path, long_ago, 0);
}

static int64_t collect(struct tn_blobs *blobs,
                       bool (*keep)(const struct tn_digest *digest, void *user), void *user)
{
    struct tn_old_blobs old = { .digest = NULL };
    int64_t taken, swept;

    assert_int_equal(tn_blobs_find_old(blobs, &old, NULL), TN_OK);
    taken = tn_blobs_take(blobs, &old, keep, user, NULL);
    swept = tn_blobs_sweep(blobs, NULL);
    tn_old_blobs_done(&old);
    assert_true(taken >= 0 && swept >= 0);
    return taken + swept;
}

TEST(collect__removes_old_blobs_that_nobody_refers_to_and_old_uploads_that_nobody_writes)
{
    struct place place = place_new();
    struct tn_digest kept = digest_of(SIZE);
    struct tn_digest gone = digest_of(10);
    struct tn_digest broken_off = digest_of(99);
    struct tn_digest written = digest_of(98);
    struct tn_digest young = digest_of(11);
    struct tn_upload *upload = NULL;

    assert_int_equal(send_part(place.blobs, &kept, 0, SIZE, SIZE, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &gone, 0, 10, 10, NULL), TN_OK);
    assert_int_equal(send_part(place.blobs, &broken_off, 0, 50, 99, NULL), TN_OK);
    assert_int_equal(tn_upload_open(place.blobs, &written, 0, 98, &upload, NULL), TN_OK);
    assert_int_equal(tn_upload_write(upload, bytes, 40, NULL), TN_OK);
    assert_int_equal(collect(place.blobs, keep_that, &kept), 0);
    assert_int_equal(nftw(place.data, set_old, 8, FTW_PHYS), 0);
    assert_int_equal(send_part(place.blobs, &young, 0, 11, 11, NULL), TN_OK);
    assert_int_equal(collect(place.blobs, keep_that, &kept), 10 + 50);
    assert_false(tn_blobs_has(place.blobs, &gone, NULL));
    assert_int_equal(tn_upload_offset(place.blobs, &broken_off), 0);
    assert_int_equal(tn_upload_offset(place.blobs, &written), 40);
    assert_whole(place.blobs, &kept, SIZE);
    assert_whole(place.blobs, &young, 11);
    assert_int_equal(tn_blobs_bytes(place.blobs), SIZE + 11);
    tn_upload_close(upload);
    place_done(&place);
}

TEST(open__keeps_other_users_out_of_the_folders)
{
    struct place place = place_new();
    char folder[128];
    struct stat st;

    (void)snprintf(folder, sizeof(folder), "%s/blobs", place.data);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upload__appears_only_when_it_is_whole),
        cmocka_unit_test(upload__goes_on_at_any_byte_in_this_process_and_in_the_next),
        cmocka_unit_test(upload__that_somebody_else_took_further_is_hashed_from_its_bytes),
        cmocka_unit_test(upload__of_nothing_is_a_blob_too),
        cmocka_unit_test(upload__refuses_another_offset_and_says_the_right_one),
        cmocka_unit_test(upload__with_another_digest_is_removed_and_never_seen),
        cmocka_unit_test(upload__takes_no_byte_more_than_was_promised_and_no_commit_with_fewer),
        cmocka_unit_test(upload__has_one_writer_at_a_time),
        cmocka_unit_test(upload__that_is_killed_in_the_middle_is_resumed_by_the_next_server),
        cmocka_unit_test(hashes__are_those_of_the_standards_and_survive_a_lost_or_broken_note),
        cmocka_unit_test(bytes__are_those_of_all_blobs_once_each_also_after_a_restart),
        cmocka_unit_test(
            collect__removes_old_blobs_that_nobody_refers_to_and_old_uploads_that_nobody_writes),
        cmocka_unit_test(open__keeps_other_users_out_of_the_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
