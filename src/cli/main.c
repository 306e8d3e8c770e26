/*
 * The command `tenon`: finds the verb, parses its options by the tables, calls it.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/help.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

const struct tn_command *const tn_commands[] = {
#define TN_COMMAND(name) &tn_cmd_##name,
#include "cli/commands.def"
#undef TN_COMMAND
    NULL,
};

enum { FIRST_OPTION = 256, OPTIONS_MAX = 48 };

static const struct tn_command *find_command(const char *name)
{
    for (size_t i = 0; tn_commands[i]; i++)
        if (strcmp(tn_commands[i]->name, name) == 0)
            return tn_commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *known[32];
    size_t count = 0;
    const char *nearest;

    for (; tn_commands[count] && count + 1 < TN_COUNT(known); count++)
        known[count] = tn_commands[count]->name;
    known[count] = NULL;
    nearest = tn_text_nearest(name, known);
    (void)fprintf(stderr, "tenon: %s '%s' is not known%s%s%s\nTry 'tenon --help'.\n",
                  *name == '-' ? "option" : "command", name, nearest ? "; did you mean '" : "",
                  nearest ? nearest : "", nearest ? "'?" : "");
    return tn_error_exit_status(TN_E_USAGE);
}

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

static int run_command(const struct tn_command *command, int argc, char **argv)
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
    if (command->verbs && !is_choice(command->verbs, call.args[0]))
        return tn_cli_usage(&call, "'%s' is not one of %s", call.args[0], command->verbs);
    return tn_cli_finish(&call, command->run(&call));
}

static bool is_word(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static int help(int argc, char **argv)
{
    const struct tn_command *command = argc > 2 ? find_command(argv[2]) : NULL;

    if (argc > 3) {
        (void)fprintf(stderr, "tenon help: '%s' is one argument too many\nTry 'tenon --help'.\n",
                      argv[3]);
        return tn_error_exit_status(TN_E_USAGE);
    }
    if (argc > 2 && !command)
        return unknown_command(argv[2]);
    if (command)
        tn_help_command(stdout, command);
    else
        tn_help_overview(stdout);
    return 0;
}

static int no_command(void)
{
    tn_help_overview(stderr);
    return tn_error_exit_status(TN_E_USAGE);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : NULL;
    const struct tn_command *command = verb ? find_command(verb) : NULL;

    (void)signal(SIGPIPE, SIG_DFL);
    if (command)
        return run_command(command, argc - 1, argv + 1);
    if (!verb)
        return no_command();
    if (strcmp(verb, "help") == 0)
        return tn_cli_finish(NULL, help(argc, argv));
    if (is_word(verb, "--help", "-h"))
        return tn_cli_finish(NULL, help(1, argv));
    if (is_word(verb, "--version", "version")) {
        (void)printf("tenon %s\n", TN_VERSION);
        return tn_cli_finish(NULL, 0);
    }
    if (strcmp(verb, "--document") == 0 && argc == 3) /* for the build and docs/ */
        return tn_cli_finish(NULL, tn_help_document(stdout, argv[2]));
    return unknown_command(verb);
}
