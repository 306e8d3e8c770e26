/*
 * Inside tenon-net: one verb under way, and what the verbs share.
 *
 * A verb is a function that returns 0, an exit status above 0, or an error whose text it left in
 * `err`. Answers go to standard output, as JSON lines or as tables; progress to standard error.
 */
#ifndef TN_CLI_NET_H
#define TN_CLI_NET_H

#include "cli/command.h"
#include "cli/progress.h"
#include "net/client.h"

/** Options of every verb that talks to a server. */
#define TN_NET_OPTIONS TN_NET_OPTIONS_WITH(TN_NET_TOKEN_HELP)
#define TN_NET_TOKEN_HELP                                                                          \
    "File that holds the token, - = standard input (default: $TENON_TOKEN_FILE, else what login "  \
    "kept)."
#define TN_NET_OPTIONS_WITH(token_help)                                                            \
    { "server",                                                                                    \
      0,                                                                                           \
      TN_ARG_TEXT,                                                                                 \
      "URL",                                                                                       \
      NULL,                                                                                        \
      false,                                                                                       \
      "The server (default: $TENON_SERVER, else the one that was logged in to last)." },           \
        { "token-file", 0, TN_ARG_FILE, "FILE", NULL, false, token_help },                         \
        { "ca",                                                                                    \
          0,                                                                                       \
          TN_ARG_FILE,                                                                             \
          "FILE",                                                                                  \
          NULL,                                                                                    \
          false,                                                                                   \
          "Certificates that vouch for the server (default: the system's)." },                     \
    {                                                                                              \
        "insecure-http", 0, TN_ARG_NONE, NULL, NULL, false,                                        \
            "Send the token over plain http to another machine, too: everybody on the way can "    \
            "read it."                                                                             \
    }

/** A verb under way. The client is opened by the first that needs it. */
struct tn_net {
    const struct tn_invocation *call;
    bool token_is_of_device; /* --token-file is what is sent, not who sends it */
    uint64_t most;           /* items that a list shows; 0 = all */
    struct tn_server server;
    struct tn_client *client;
    struct tn_meter meter;
    size_t listed; /* rows of the last list */
};

/** The word of a command with several: its row. */
struct tn_net_verb {
    const char *name;
    int (*run)(struct tn_net *net, struct tn_error *err);
    const char *args; /* behind the word, as in messages: "MODEL@CHANNEL VERSION" */
    size_t min_args, max_args;
    const char *options; /* of its own, each with a blank behind it */
};

/** Runs the row of the first argument (row 0 without one) after checking its arguments and options.
 * @return as the verb; 2 with the mistake printed */
int tn_net_dispatch(struct tn_net *net, const struct tn_net_verb *verbs, size_t count,
                    struct tn_error *err);

/** The server by the options, and a client for it. Again: nothing to do. */
int tn_net_open(struct tn_net *net, struct tn_error *err);

/** Asks and gives the JSON of a 2xx answer. */
int tn_net_get(struct tn_net *net, const char *path, json_t **ret_json, struct tn_error *err);

/** Sends `body_steal` (may be NULL), consumed in any case. @param ret_json may be NULL */
int tn_net_send(struct tn_net *net, const char *method, const char *path, json_t *body_steal,
                json_t **ret_json, struct tn_error *err);

/** How a member is shown to people. */
enum tn_cell {
    TN_CELL_TEXT, /* also numbers and true, false */
    TN_CELL_DIGEST,
    TN_CELL_BYTES,
    TN_CELL_AGO,     /* a time -> "3 min ago"; none = never */
    TN_CELL_COUNT,   /* of a list, or the number */
    TN_CELL_PAIRS,   /* an object of texts: "site=north, …" */
    TN_CELL_RELEASE, /* what an action is about: "yolo@1.2.0" */
};
struct tn_net_column {
    const char *title; /* NULL ends the list */
    const char *key;   /* '/' between levels; alternatives joined by '|', the first that is there */
    enum tn_cell cell;
};

/** Every page of a list: JSON lines, or a table. @param nothing said on stderr when the list is
 * empty and people look */
int tn_net_list(struct tn_net *net, const char *path, const struct tn_net_column *columns,
                const char *nothing, struct tn_error *err);

/** Takes --limit N for the next tn_net_list(); 0 = all. @return 0 or a usage error's status */
int tn_net_limit(struct tn_net *net, uint64_t otherwise);

/** Appends the items of every page to an array. */
int tn_net_items(struct tn_net *net, const char *path, json_t *items, struct tn_error *err);
/** Whether an engine of a listing is given to nobody any more; false for NULL. */
bool tn_net_is_revoked(const json_t *engine);

/** The table of items that were fetched; for people only. */
int tn_net_table(const json_t *items, const struct tn_net_column *columns, const char *nothing,
                 struct tn_net *net, struct tn_error *err);

/** One object: a JSON line, or "name  value" by columns; what is not there is left out. */
int tn_net_show(struct tn_net *net, const json_t *json, const struct tn_net_column *columns,
                struct tn_error *err);

/** A line for people, or the JSON. */
int tn_net_say(struct tn_net *net, const json_t *json, struct tn_error *err, const char *format,
               ...) TN_PRINTF(4, 5);

/** "yolo@stable": the parts; `ret_at` "" without one. @return 0 or TN_E_USAGE */
int tn_net_split(const char *text, char ret_model[128], char ret_at[128], struct tn_error *err);

/** Whether `name` is a release of the model (else it is taken for a channel). */
int tn_net_is_release(struct tn_net *net, const char *model, const char *name, bool *ret_is,
                      struct tn_error *err);

/** "WHAT: 3 MiB of 12 MiB" on the meter. */
void tn_net_show_transfer(struct tn_net *net, const char *what, int64_t done, int64_t total,
                          tn_nsec elapsed);

/** Whether a filter can be read, before anybody is asked. @return 0, or the exit status with the
 * mistake and a caret under it printed */
int tn_net_check_filter(struct tn_net *net, const char *option, const char *text);

/** For a filter that holds for nobody: tells which of its names no device has (stderr). */
void tn_net_hint_names(struct tn_net *net, const char *text);

/** Refuses a path in which a name is empty or has a '/': the server could only answer that there is
 * no such resource. @return 0, TN_E_USAGE */
int tn_net_check_path(const char *path, struct tn_error *err);

/** Hands out the `token` of an answer: to the file of --output (0600), else to standard output. */
int tn_net_give_token(struct tn_net *net, json_t *answer, const char *whose, struct tn_error *err);

/** Answers one question of the loader (remote.h). @return the exit status */
int tn_net_child(struct tn_net *net);

/* The verbs. */
int tn_net_login(struct tn_net *net, struct tn_error *err);
int tn_net_logout(struct tn_net *net, struct tn_error *err);
int tn_net_push(struct tn_net *net, struct tn_error *err);
int tn_net_releases(struct tn_net *net, struct tn_error *err);
int tn_net_channel(struct tn_net *net, struct tn_error *err);
int tn_net_engine(struct tn_net *net, struct tn_error *err);
int tn_net_devices(struct tn_net *net, struct tn_error *err);
int tn_net_map(struct tn_net *net, struct tn_error *err);
int tn_net_deploy(struct tn_net *net, struct tn_error *err);
int tn_net_deployments(struct tn_net *net, struct tn_error *err);
int tn_net_actions(struct tn_net *net, struct tn_error *err);
int tn_net_token(struct tn_net *net, struct tn_error *err);
int tn_net_backup(struct tn_net *net, struct tn_error *err);
int tn_net_audit(struct tn_net *net, struct tn_error *err);

#endif
