/* Running one verb: its options by the table, its arguments, then itself or its helper. */
#include "base/libexec.h"
#include "base/text.h"
#include "cli/help.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_OPTION = 256, OPTIONS_MAX = 48 };

/* The rows of one verb laid out for getopt_long(). */
struct option_set {
    const struct tn_option *row[OPTIONS_MAX];
    struct option long_option[OPTIONS_MAX + 1];
    char letters[3 * OPTIONS_MAX + 2];
    size_t count;
};

static void add_rows(struct option_set *set, const struct tn_option *rows)
{
    for (; rows && rows->name && set->count < OPTIONS_MAX; rows++) {
        size_t used = strlen(set->letters);

        set->row[set->count] = rows;
        set->long_option[set->count] =
            (struct option) { rows->name,
                              rows->arg == TN_ARG_NONE ? no_argument : required_argument, NULL,
                              FIRST_OPTION + (int)set->count };
        set->count++;
        if (!rows->letter)
            continue;
        set->letters[used++] = rows->letter;
        if (rows->arg != TN_ARG_NONE)
            set->letters[used++] = ':';
        set->letters[used] = '\0';
    }
}

static const struct tn_option *option_of(const struct option_set *set, int got)
{
    if (got >= FIRST_OPTION)
        return set->row[got - FIRST_OPTION];
    for (size_t i = 0; i < set->count; i++)
        if (set->row[i]->letter == got)
            return set->row[i];
    return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);

    for (const char *at = choices; at && length > 0;
         at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, value, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
    return false;
}

static int take_option(struct tn_invocation *call, const struct tn_option *option,
                       const char *value)
{
    if (option->arg == TN_ARG_CHOICE && !is_choice(option->choices, value))
        return tn_cli_usage(call, "--%s takes %s, not '%s'", option->name, option->choices, value);
    if (!option->repeats && tn_given(call, option->name) && option->arg != TN_ARG_NONE)
        return tn_cli_usage(call, "--%s is given twice", option->name);
    if (call->given_count == TN_OPTION_VALUES_MAX)
        return tn_cli_usage(call, "more than %d options", TN_OPTION_VALUES_MAX);
    call->given[call->given_count].option = option;
    call->given[call->given_count++].value = value ? value : "";
    return 0;
}

static int bad_option(struct tn_invocation *call, const struct option_set *set, int got,
                      char **argv)
{
    const char *known[OPTIONS_MAX + 1];
    const char *word = argv[optind - 1];
    const char *nearest = NULL;

    if (got == ':')
        return tn_cli_usage(call, "option '%s' needs a value", word);
    for (size_t i = 0; i < set->count; i++)
        known[i] = set->row[i]->name;
    known[set->count] = NULL;
    if (tn_text_starts(word, "--"))
        nearest = tn_text_nearest(word + 2, known);
    if (nearest)
        return tn_cli_usage(call, "option '%s' is not known; did you mean '--%s'?", word, nearest);
    if (tn_text_starts(word, "--"))
        return tn_cli_usage(call, "option '%s' is not known", word);
    return tn_cli_usage(call, "option '-%c' is not known", optopt);
}

static int parse(struct tn_invocation *call, int argc, char **argv)
{
    struct option_set set = { .letters = ":" };
    int got;

    add_rows(&set, tn_common_options);
    add_rows(&set, call->command->options);
    opterr = 0;
    while ((got = getopt_long(argc, argv, set.letters, set.long_option, NULL)) != -1) {
        const struct tn_option *option = got == '?' || got == ':' ? NULL : option_of(&set, got);
        int status = option ? take_option(call, option, optarg) : bad_option(call, &set, got, argv);

        if (status != 0)
            return status;
    }
    call->json = tn_given(call, "json") != NULL;
    call->quiet = tn_given(call, "quiet") != NULL;
    call->verbose = tn_given(call, "verbose") != NULL;
    call->args = (const char *const *)argv + optind;
    call->arg_count = (size_t)(argc - optind);
    return 0;
}

/* The helper reads the same line by the same table, and takes this process over. */
static int become(const struct tn_invocation *call, int argc, char **argv)
{
    char path[PATH_MAX];
    char **line = calloc((size_t)argc + 2, sizeof(*line));
    struct tn_error err = { 0 };
    int rc = line ? tn_libexec_find(call->command->helper, path, &err)
                  : tn_fail(&err, TN_E_NOMEM, "start %s", call->command->helper);

    if (rc == TN_OK) {
        line[0] = path;
        memcpy(line + 1, argv, (size_t)argc * sizeof(*line));
        (void)execv(path, line);
        (void)tn_fail_os(&err, TN_E_IO, "start '%s'", path);
    }
    free(line);
    return tn_cli_error(call, &err);
}

int tn_cli_run(const struct tn_command *command, int argc, char **argv)
{
    struct tn_invocation call = { .command = command };
    int status = parse(&call, argc, argv);

    if (status != 0)
        return status;
    if (tn_given(&call, "help")) {
        tn_help_command(stdout, command);
        return tn_cli_finish(&call, 0);
    }
    if (call.arg_count < command->min_args)
        return tn_cli_usage(&call, "%s is missing", command->args);
    if (call.arg_count > command->max_args)
        return tn_cli_usage(&call, "'%s' is one argument too many", call.args[command->max_args]);
    if (command->verbs && call.arg_count > 0 && !is_choice(command->verbs, call.args[0]))
        return tn_cli_usage(&call, "'%s' is not one of %s", call.args[0], command->verbs);
    if (command->helper)
        return become(&call, argc, argv);
    return tn_cli_finish(&call, command->run(&call));
}
