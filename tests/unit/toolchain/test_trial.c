#include "tn_test.h"

#include "base/file.h"
#include "toolchain/trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The real environment, on a machine without a driver. */
static struct tn_toolchain toolchain_here(void)
{
    struct tn_toolchain toolchain = { .id = "rtx",
                                      .kind = "python",
                                      .builds.kind = TN_RUNTIME_RTX };
    const char *python = getenv("TENON_RTX_PYTHON");

    if (!python || access("/proc/driver/nvidia", F_OK) == 0)
        skip();
    (void)snprintf(toolchain.path, sizeof(toolchain.path), "%s", python);
    toolchain.builds.version = tn_version_make(1, 7, 1, 116);
    return toolchain;
}

TEST(trial__without_a_driver_is_the_device_s_trouble_and_never_the_plan_s)
{
    struct tn_toolchain toolchain = toolchain_here();
    struct tn_trial_request request = { .toolchain = &toolchain,
                                        .plan_path = "/etc/hostname",
                                        .gpu_uuid = "GPU-00000000-0000-0000-0000-000000000000" };
    struct tn_trial_result result;
    struct tn_error err = { 0 };

    if (tn_trial_run(&request, &result, &err) != TN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(result.outcome, TN_BUILD_TROUBLE);
    assert_string_equal(result.reason, "cuda-unavailable");
    assert_string_equal(result.stage, "driver");
    assert_non_null(strstr(result.first_line, "libcuda"));
    assert_false(result.ran);
}

TEST(trial__waits_for_another_one_on_the_same_gpu_and_gives_up_at_the_limit)
{
    struct tn_toolchain toolchain = toolchain_here();
    char uuid[64], path[96]; /* of this process alone: another run of this test may be beside it */
    struct tn_trial_request request = { .toolchain = &toolchain,
                                        .plan_path = "/etc/hostname",
                                        .gpu_uuid = uuid,
                                        .time_limit = 100 * TN_NSEC_PER_MS };
    struct tn_trial_result result;
    struct tn_error err = { 0 };
    int fd;

    (void)snprintf(uuid, sizeof(uuid), "GPU-test-lock-%ld", (long)getpid());
    (void)snprintf(path, sizeof(path), "%s/tenon-gpu-%s",
                   access("/run/lock", W_OK) == 0 ? "/run/lock" : "/tmp", uuid);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(tn_trial_run(&request, &result, &err), TN_E_AGAIN);
    assert_non_null(strstr(err.text, "another trial"));
    (void)close(fd);
    (void)unlink(path);
}

/* A trial on a GPU of a few free bytes, of the driver that a file describes. */
static struct tn_trial_result try_on_little_memory(bool integrated)
{
    char folder[] = "/tmp/tn-trial-test-XXXXXX";
    struct tn_toolchain toolchain = toolchain_here();
    struct tn_trial_request request = { .toolchain = &toolchain,
                                        .plan_path = "/etc/hostname",
                                        .gpu_uuid = "GPU-00000000-0000-0000-0000-000000000001" };
    tn_auto(tn_buf_done) struct tn_buf library = TN_BUF(16 << 20);
    char gpus[512];
    struct tn_trial_result result;
    struct tn_error err = { 0 };

    assert_non_null(mkdtemp(folder));
    assert_int_equal(tn_file_read(getenv("TENON_FAKE_CUDA"), &library, NULL), TN_OK);
    assert_int_equal(
        tn_file_replace(folder, "libcuda.so.1", library.data, library.size, 0755, NULL), TN_OK);
    (void)snprintf(gpus, sizeof(gpus),
                   "[gpu]\nname = a\nuuid = %s\nmemory = 4096\nattribute.18 = %d\n",
                   request.gpu_uuid, integrated);
    assert_int_equal(tn_file_replace(folder, "gpus.txt", gpus, strlen(gpus), 0644, NULL), TN_OK);
    (void)snprintf(toolchain.library_folder, sizeof(toolchain.library_folder), "%s", folder);
    if (tn_trial_run(&request, &result, &err) != TN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tn_dir_remove(folder, NULL), TN_OK);
    return result;
}

TEST(trial__counts_the_host_s_memory_where_the_gpu_shares_it)
{
    struct tn_trial_result result = try_on_little_memory(false);

    assert_int_equal(result.outcome, TN_BUILD_TROUBLE);
    assert_string_equal(result.reason, "no-memory");
    assert_string_equal(result.stage, "context");
    result = try_on_little_memory(true); /* goes on to the module, which needs a real driver */
    assert_string_not_equal(result.stage, "driver");
    assert_string_not_equal(result.stage, "context");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trial__without_a_driver_is_the_device_s_trouble_and_never_the_plan_s),
        cmocka_unit_test(trial__waits_for_another_one_on_the_same_gpu_and_gives_up_at_the_limit),
        cmocka_unit_test(trial__counts_the_host_s_memory_where_the_gpu_shares_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
