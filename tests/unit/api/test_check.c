#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct file {
    char path[64];
};

static struct file file_with(const char *bytes)
{
    struct file file = { "/tmp/tenon-test-XXXXXX" };
    int fd = mkstemp(file.path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    assert_int_equal(close(fd), 0);
    return file;
}

static json_t *check(const struct file *file, const struct tn_check_options *options)
{
    struct tn_error err = { 0 };
    char *text = NULL;

    if (tn_check(file->path, options, &text, &err) != TN_OK)
        fail_msg("tn_check: %s", err.text);
    return parsed(text);
}

TEST(check__answers_for_a_board_with_its_runtime)
{
    struct file file = file_with("no engine at all");
    json_t *list =
        check(&file, &(struct tn_check_options) { .size = sizeof(struct tn_check_options),
                                                  .device = "t4+trt8.4.1.5" });
    const json_t *one = json_array_get(list, 0);

    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(text_of(one, "path"), file.path);
    assert_string_equal(text_of(one, "device"), "t4");
    assert_string_equal(text_of(one, "runtime"), "trt8.4.1.5");
    assert_string_equal(text_of(one, "verdict"), "wont-load");
    json_decref(list);
    assert_int_equal(unlink(file.path), 0);
}

TEST(check__answers_for_each_runtime_of_a_device)
{
    struct file file = file_with("no engine at all");
    json_t *list =
        check(&file, &(struct tn_check_options) { .size = sizeof(struct tn_check_options),
                                                  .device = "t4+trt8.4.1.5+rtx1.7.1.116",
                                                  .runtime = "all" });

    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    assert_int_equal(unlink(file.path), 0);
}

TEST(check__refuses_what_makes_no_sense_and_leaves_the_answer_alone)
{
    static const struct {
        struct tn_check_options options;
        int code;
        const char *word;
    } cases[] = {
        { { .device = "t4+trt8.4.1.5", .trial = true }, TN_E_USAGE, "trial" },
        { { .device = "t5" }, TN_E_NOTFOUND, "t4" },
        { { .device = "t4", .gpu = "7" }, TN_E_NOTFOUND, "7" },
        { { .device = "t4+trt8.x" }, TN_E_USAGE, "trt8.x" },
        { { .trial_limit_ms = -1 }, TN_E_USAGE, "trial_limit_ms" },
    };
    struct file file = file_with("no engine at all");

    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_check_options options = cases[i].options;
        char untouched = 'x', *text = &untouched;
        struct tn_error err = { 0 };

        options.size = sizeof(options);
        assert_int_equal(tn_check(file.path, &options, &text, &err), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, cases[i].word));
        assert_ptr_equal(text, &untouched);
    }
    assert_int_equal(unlink(file.path), 0);
}

TEST(check__a_missing_file_is_an_error_wherever_it_would_go)
{
    struct tn_check_options options = { .size = sizeof(options), .device = "t4+trt8.4.1.5" };
    struct tn_error err = { 0 };
    char *text = NULL;

    assert_int_equal(tn_check("/no/such/file", &options, &text, &err), TN_E_NOTFOUND);
    assert_non_null(strstr(err.text, "/no/such/file"));
    assert_int_equal(tn_check("/no/such/file", NULL, &text, NULL), TN_E_NOTFOUND);
    assert_null(text);
}

TEST(check__an_older_and_a_newer_caller_are_understood)
{
    struct newer {
        struct tn_check_options known;
        const char *unknown;
    } newer = { .known = { .size = sizeof(newer), .device = "t4+trt8.4.1.5" } };
    struct tn_check_options older = { .size = offsetof(struct tn_check_options, runtime),
                                      .device = "t4+trt8.4.1.5",
                                      .runtime = "behind the end of the caller's struct" };
    struct file file = file_with("no engine at all");
    struct tn_error err = { 0 };
    char *text = NULL;

    json_decref(check(&file, &older));
    json_decref(check(&file, &newer.known));
    newer.unknown = "a wish";
    assert_int_equal(tn_check(file.path, &newer.known, &text, &err), TN_E_USAGE);
    assert_non_null(strstr(err.text, "older than its caller"));
    older.size = 0;
    assert_int_equal(tn_check(file.path, &older, &text, &err), TN_E_USAGE);
    assert_int_equal(unlink(file.path), 0);
}

TEST(check__without_a_gpu_says_so_for_the_engine)
{
    struct file file = file_with("no engine at all");
    json_t *list = check(&file, NULL);
    const json_t *reason = json_array_get(json_object_get(json_array_get(list, 0), "reasons"), 0);

    if (access("/dev/nvidiactl", F_OK) != 0) {
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(text_of(json_array_get(list, 0), "verdict"), "unknown");
        assert_string_equal(text_of(reason, "code"), "cuda-unavailable");
    } else {
        assert_true(json_array_size(list) > 0);
    }
    json_decref(list);
    assert_int_equal(unlink(file.path), 0);
}

TEST(device__is_the_object_of_the_command)
{
    struct tn_error err = { 0 };
    char *text = NULL;
    json_t *json;

    assert_int_equal(tn_device_probe(&text, &err), TN_OK);
    json = parsed(text);
    assert_string_equal(text_of(json, "label"), "this machine");
    assert_true(json_is_array(json_object_get(json, "gpus")));
    assert_true(json_is_array(json_object_get(json, "toolchains")));
    json_decref(json);
    assert_int_equal(tn_device_probe(NULL, &err), TN_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check__answers_for_a_board_with_its_runtime),
        cmocka_unit_test(check__answers_for_each_runtime_of_a_device),
        cmocka_unit_test(check__refuses_what_makes_no_sense_and_leaves_the_answer_alone),
        cmocka_unit_test(check__a_missing_file_is_an_error_wherever_it_would_go),
        cmocka_unit_test(check__an_older_and_a_newer_caller_are_understood),
        cmocka_unit_test(check__without_a_gpu_says_so_for_the_engine),
        cmocka_unit_test(device__is_the_object_of_the_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
