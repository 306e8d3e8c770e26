/*
 * The command `tenon`: finds the verb, parses its options by the tables, calls it.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/help.h"

#include <signal.h>
#include <string.h>

const struct tn_command *const tn_commands[] = {
#define TN_COMMAND(name)     &tn_cmd_##name,
#define TN_NET_COMMAND(name) &tn_cmd_##name,
#include "cli/commands.def"
#undef TN_COMMAND
#undef TN_NET_COMMAND
    NULL,
};

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
        return tn_cli_run(command, argc - 1, argv + 1);
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
