#include "tn_test.h"

#include "base/event.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What `end` writes to standard error, without the time in front. */
static void heard(struct tn_event *event, char *ret_text, size_t size)
{
    int pipes[2], kept = dup(STDERR_FILENO);
    ssize_t got;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
    tn_event_end(event);
    (void)dup2(kept, STDERR_FILENO);
    got = read(pipes[0], ret_text, size - 1);
    assert_true(got > 0);
    ret_text[got] = '\0';
    (void)close(kept);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

TEST(event__is_one_line_whatever_its_values_hold)
{
    char text[2 * TN_EVENT_MOST];
    struct tn_event event;

    tn_event_begin(&event, TN_EVENT_WARNING, "request");
    tn_event_text(&event, "plain", "GET");
    tn_event_text(&event, "quoted", "a \"b\"\nc=d\x1b[0m");
    tn_event_text(&event, "none", NULL);
    tn_event_text(&event, "empty", "");
    tn_event_int(&event, "number", -7);
    heard(&event, text, sizeof(text));
    assert_non_null(strstr(text, "Z level=warning event=request plain=GET quoted=\"a \\\"b\\\""
                                 "\\x0ac=d\\x1b[0m\" empty=\"\" number=-7\n"));
    assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
}

TEST(event__that_is_too_long_is_cut_and_still_a_line)
{
    char text[2 * TN_EVENT_MOST], value[TN_EVENT_MOST];
    struct tn_event event;

    (void)memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    tn_event_begin(&event, TN_EVENT_INFO, "request");
    tn_event_text(&event, "long", value);
    tn_event_text(&event, "after", "y");
    heard(&event, text, sizeof(text));
    assert_true(strlen(text) <= TN_EVENT_MOST);
    assert_true(tn_text_ends(text, "…\n"));
    assert_null(strstr(text, "after"));
}

TEST(clean_text__is_utf8_without_control_characters)
{
    static const char *const clean[] = { "", "abc", "a b", "\xc3\xa9", "\xe2\x82\xac", "~" };
    static const char *const dirty[] = { "\n",           "a\x7f",    "\xff",    "\xc0\xaf",
                                         "\xed\xa0\x80", "\xc2\x85", "\xe2\x82" };

    for (size_t i = 0; i < TN_COUNT(clean); i++)
        assert_true(tn_text_is_clean(clean[i], strlen(clean[i])));
    for (size_t i = 0; i < TN_COUNT(dirty); i++)
        assert_false(tn_text_is_clean(dirty[i], strlen(dirty[i])));
    assert_false(tn_text_is_clean("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event__is_one_line_whatever_its_values_hold),
        cmocka_unit_test(event__that_is_too_long_is_cut_and_still_a_line),
        cmocka_unit_test(clean_text__is_utf8_without_control_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
