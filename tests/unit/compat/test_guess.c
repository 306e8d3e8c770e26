#include "compat/compat.h"
#include "corpus.h"

enum { NAMES = 8 };

static bool guessed(const struct tn_gpu *gpu, const char *name)
{
    const char *names[NAMES];
    size_t count = tn_compat_guess_boards(gpu, names, NAMES);

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

TEST(guess__finds_each_board_that_is_known_well_enough)
{
    const char *const *name = tn_device_board_names();
    size_t found = 0;

    for (size_t i = 0; name[i]; i++) {
        const struct tn_gpu *board = tn_device_board_gpu(i);
        const char *names[NAMES];
        bool known = board->sm_count >= 0 && board->bus_bits >= 0;

        found += known;
        if (known && !guessed(board, name[i]))
            fail_msg("%s is not guessed from its own facts", name[i]);
        if (known)
            assert_true(tn_compat_guess_boards(board, names, NAMES) < 3);
    }
    assert_true(found > 8);
}

TEST(guess__is_sure_of_the_board_whose_memory_is_known)
{
    struct tn_device device;
    const char *names[NAMES];

    assert_int_equal(tn_device_named("h200", &device, NULL), 0);
    device.gpu[0].memory_bytes -= 100 * 1024 * 1024;
    assert_int_equal(tn_compat_guess_boards(&device.gpu[0], names, NAMES), 1);
    assert_string_equal(names[0], "h200");
    assert_int_equal(tn_compat_guess_boards(&device.gpu[0], names, 0), 0);
}

TEST(guess__says_nothing_rather_than_something_wrong)
{
    struct tn_gpu gpu = tn_gpu_unknown();
    const char *names[NAMES];

    assert_int_equal(tn_compat_guess_boards(&gpu, names, NAMES), 0);
    gpu.cc_major = 9;
    gpu.cc_minor = 0;
    assert_int_equal(tn_compat_guess_boards(&gpu, names, NAMES), 0);
    /* an RTX 2070 Super has the SMs, bus and L2 of a T4, and other memory */
    gpu.cc_major = 7;
    gpu.cc_minor = 5;
    gpu.sm_count = 40;
    gpu.bus_bits = 256;
    gpu.l2_bytes = 4194304;
    gpu.integrated = 0;
    gpu.memory_khz = 7001000;
    assert_int_equal(tn_compat_guess_boards(&gpu, names, NAMES), 0);
    gpu.memory_khz = 5001000;
    assert_true(guessed(&gpu, "t4"));
    gpu.sm_count = INT64_MAX;
    gpu.memory_bytes = INT64_MAX;
    assert_int_equal(tn_compat_guess_boards(&gpu, names, NAMES), 0);
}

/* Words of the corpus' own guess -> bundled board; NULL = no bundled board may be said. */
static const struct {
    const char *words, *board;
} boards[] = {
    { "Jetson Nano", "jetson-nano" },
    { "Jetson Xavier NX", "xavier-nx" },
    { "Jetson AGX Xavier", "agx-xavier" },
    { "RTX 4090", "rtx4090" },
    { "RTX 3090", "rtx3090" },
    { "RTX 3060 laptop", NULL },
    { "RTX 3060", "rtx3060" },
    { "Tesla V100 16GB", "v100" },
    { "Orin Nano 8GB", "orin-nano" },
    { "Jetson TX2", NULL },
    { "RTX 2060", NULL },
    { "RTX 3080", NULL },
    { "RTX 4070", NULL },
    { "RTX 4060", NULL },
    { "RTX 5070", NULL },
    { "GTX 1650", NULL },
    { "GTX 1050", NULL },
};

TEST(guess__agrees_with_what_is_known_of_the_corpus)
{
    struct table index;
    size_t right = 0, none = 0;

    table_open(&index, getenv("TENON_TEST_CORPUS"), "INDEX.tsv");
    while (table_next(&index)) {
        const char *known = strstr(index.field[9], "gpu_guess=");
        char name[300];
        int64_t size;
        struct tn_plan plan;
        const char *names[NAMES];

        if (!known || !tn_text_i64(index.field[2], &size))
            continue;
        known += strlen("gpu_guess=");
        (void)snprintf(name, sizeof(name), "%.8s-%s", index.field[0], index.field[1]);
        if (!corpus_plan(getenv("TENON_TEST_CORPUS"), name, size, &plan))
            continue;
        for (size_t i = 0; i < TN_COUNT(boards); i++) {
            if (!tn_text_starts(known, boards[i].words))
                continue;
            if (!boards[i].board && tn_compat_guess_boards(&plan.gpu, names, NAMES) > 0)
                fail_msg("%s is a %s, guessed as %s", name, known, names[0]);
            if (boards[i].board && !guessed(&plan.gpu, boards[i].board))
                fail_msg("%s is a %s, not guessed as %s", name, known, boards[i].board);
            right += boards[i].board != NULL;
            none += boards[i].board == NULL;
            break;
        }
    }
    table_done(&index);
    print_message("%zu boards found, %zu left open\n", right, none);
    assert_true(right >= 30 && none >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guess__finds_each_board_that_is_known_well_enough),
        cmocka_unit_test(guess__is_sure_of_the_board_whose_memory_is_known),
        cmocka_unit_test(guess__says_nothing_rather_than_something_wrong),
        cmocka_unit_test(guess__agrees_with_what_is_known_of_the_corpus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
