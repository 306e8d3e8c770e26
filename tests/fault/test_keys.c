/* Writing a key pair, with each of its system calls failing once: both files or none, the private
 * one never readable by others, no temporary file, and the next try works. */
#include "tn_test.h"

#include "base/ed25519.h"
#include "base/file.h"
#include "base/text.h"
#include "fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int all_errnos[] = { EIO, ENOSPC, EACCES, EINTR, ESTALE };

struct scene {
    char folder[64], path[80], public_path[88];
    struct tn_ed25519_secret secret;
};

static struct scene scene_new(void)
{
    struct scene scene = { .folder = "/tmp/tenon-fault-XXXXXX" };

    assert_non_null(mkdtemp(scene.folder));
    (void)snprintf(scene.path, sizeof(scene.path), "%s/key", scene.folder);
    (void)snprintf(scene.public_path, sizeof(scene.public_path), "%s.pub", scene.path);
    assert_int_equal(tn_ed25519_new(&scene.secret, NULL), TN_OK);
    return scene;
}

static unsigned files_in(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    assert_int_equal(closedir(dir), 0);
    return count;
}

static bool is_pair(const struct scene *scene)
{
    struct tn_ed25519_secret secret;
    struct tn_ed25519_public public_key;

    return tn_ed25519_read(scene->path, &secret, NULL) == TN_OK &&
           tn_ed25519_read_public(scene->public_path, &public_key, NULL) == TN_OK &&
           memcmp(secret.seed, scene->secret.seed, sizeof(secret.seed)) == 0 &&
           memcmp(public_key.bytes, scene->secret.public_key.bytes, sizeof(public_key.bytes)) == 0;
}

/* @return false when the n-th call was beyond the end */
static bool fail_one(unsigned nth, int os)
{
    struct scene scene = scene_new();
    struct tn_error err = { 0 };
    const char *hit;
    int rc;

    fault_arm(nth, os);
    rc = tn_ed25519_write(&scene.secret, scene.path, &err);
    hit = fault_disarm();
    if (rc < 0 && (!hit || !err.text[0]))
        fail_msg("it failed by itself or without words: %s", err.text);
    /* a temporary name that could not be removed is the only thing that may be too much */
    if (rc == TN_OK && (!is_pair(&scene) || files_in(scene.folder) > 2U + (hit != NULL)))
        fail_msg("%s of %s: success without both files", strerror(os), hit ? hit : "nothing");
    if (rc < 0 && files_in(scene.folder) > 0)
        fail_msg("%s of %s left a file", strerror(os), hit);
    if (rc < 0)
        assert_int_equal(tn_ed25519_write(&scene.secret, scene.path, &err), TN_OK);
    assert_true(is_pair(&scene));
    assert_int_equal(tn_dir_remove(scene.folder, NULL), TN_OK);
    return hit != NULL;
}

TEST(write__leaves_both_files_or_none_whichever_call_fails)
{
    unsigned faults = 0;

    for (size_t i = 0; i < TN_COUNT(all_errnos); i++)
        for (unsigned nth = 1; fail_one(nth, all_errnos[i]); nth++)
            faults++;
    print_message("%u faults\n", faults);
    assert_true(faults > 20); /* else the wraps are not in place */
}

TEST(write__is_whole_by_short_writes)
{
    struct scene scene = scene_new();

    fault_arm(UINT32_MAX, EIO);
    fault_short_writes(true);
    assert_int_equal(tn_ed25519_write(&scene.secret, scene.path, NULL), TN_OK);
    fault_short_writes(false);
    (void)fault_disarm();
    assert_true(is_pair(&scene));
    assert_int_equal(tn_dir_remove(scene.folder, NULL), TN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write__leaves_both_files_or_none_whichever_call_fails),
        cmocka_unit_test(write__is_whole_by_short_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
