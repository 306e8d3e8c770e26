/*
 * The frame of a command: one row per verb, one row per option. Parser, --help, man page and
 * completion are cut from these rows.
 */
#ifndef TN_CLI_COMMAND_H
#define TN_CLI_COMMAND_H

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum tn_arg_kind {
    TN_ARG_NONE,
    TN_ARG_TEXT,
    TN_ARG_FILE,
    TN_ARG_FOLDER,
    TN_ARG_DEVICE, /* completes to bundled boards */
    TN_ARG_CHOICE, /* `choices` lists the values, separated by '|' */
};

struct tn_option {
    const char *name; /* long name without dashes; NULL ends the table */
    char letter;      /* short form, or 0 */
    enum tn_arg_kind arg;
    const char *value;   /* what the argument is called in help: "FILE"; NULL without argument */
    const char *choices; /* "header|loaded"; NULL otherwise */
    bool repeats;        /* may be given several times */
    const char *help;    /* one line, default included */
};

enum { TN_OPTION_VALUES_MAX = 64 };

/** A parsed command line. Strings are argv's. */
struct tn_invocation {
    const struct tn_command *command;
    const char *const *args; /* positional arguments, NULL-ended */
    size_t arg_count;
    bool json, quiet, verbose; /* the options that every verb has: --json -q -v */
    struct {
        const struct tn_option *option;
        const char *value; /* "" for an option without argument */
    } given[TN_OPTION_VALUES_MAX];
    size_t given_count;
};

struct tn_command {
    const char *name;
    const char *args; /* "FILE|DIR|-…" as in the synopsis; may be "" */
    size_t min_args, max_args;
    const char *verbs;               /* "ls|show": what the first argument must be; NULL = free */
    const char *summary;             /* one line */
    const char *details;             /* paragraphs of the man page */
    const struct tn_option *options; /* its own, NULL-name-ended; NULL = none */
    const char *const *examples;     /* pairs command, explanation; NULL-ended */
    const char *exits;               /* what its exit statuses mean */
    const char *helper; /* the program in libexec that runs it; NULL = `run` does, here */
    /** @return the exit status; errors have been printed with tn_cli_error() */
    int (*run)(const struct tn_invocation *call);
};

/** The last value given for an option, or NULL. The name must be in the command's table. */
const char *tn_given(const struct tn_invocation *call, const char *name);

/** Value number `at` (from 0) of a repeatable option, or NULL. */
const char *tn_given_at(const struct tn_invocation *call, const char *name, size_t at);

/** Prints "tenon VERB: text" on stderr and returns the exit status of the code. */
int tn_cli_error(const struct tn_invocation *call, const struct tn_error *err);

/** Prints "tenon VERB: …" on stderr and returns 2. */
int tn_cli_usage(const struct tn_invocation *call, const char *format, ...) TN_PRINTF(2, 3);

/** A warning on stderr unless -q. */
void tn_cli_warn(const struct tn_invocation *call, const char *format, ...) TN_PRINTF(2, 3);

/** Ends output: flushes stdout; `call` is NULL outside of a verb. @return `status`, or 74 when
 * stdout could not be written (full disk) */
int tn_cli_finish(const struct tn_invocation *call, int status);

/** Runs a command: reads the line by the command's rows, answers --help, checks the arguments, then
 * calls `run` or becomes the helper. @param argv the verb, then what follows it
 * @return the exit status */
int tn_cli_run(const struct tn_command *command, int argc, char **argv);

/** Every verb, NULL-ended (main.c). */
extern const struct tn_command *const tn_commands[];

#endif
