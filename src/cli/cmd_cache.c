/* tenon cache: what is in the store. */
#include "cli/cache.h"
#include "cli/commands.h"
#include "cli/get.h"

#include <string.h>

static const struct tn_option options[] = {
    { "store", 0, TN_ARG_FOLDER, "LIST", NULL, false,
      "Stores, colon-separated (default: $TENON_STORE)." },
    { "dry-run", 'n', TN_ARG_NONE, NULL, NULL, false,
      "With gc: print what would go, and why each other stays; remove nothing." },
    { "max-bytes", 0, TN_ARG_TEXT, "SIZE", NULL, false,
      "With gc: the bound of the store, such as 8GiB (default: above)." },
    { "older-than", 0, TN_ARG_TEXT, "TIME", NULL, false,
      "With gc: remove also what was not used for longer, such as 30d (default: no limit)." },
    { "restore", 0, TN_ARG_TEXT, "NAME", NULL, false,
      "With aside: put the engine back, after its bytes were hashed, and forget that its recipe "
      "was "
      "refused. NAME is its folder, digest, or name." },
    { "prom", 0, TN_ARG_FILE, "FILE", NULL, false,
      "With stats: write the figures to FILE in the node-exporter text format, all or nothing." },
    TN_GET_WANTED_OPTIONS,
    { 0 },
};

static const char *const examples[] = {
    "tenon cache ls",
    "List the engines, newest first.",
    "tenon cache show 3f9a12",
    "The record of one engine, by digest, unique prefix or name.",
    "tenon cache verify",
    "Hash every plan; what was changed is set aside, not deleted.",
    "tenon cache pin 3f9a12",
    "Keep an engine whatever collection needs.",
    "tenon cache bless 3f9a12",
    "Of the engines of its recipe, hand out this one.",
    "tenon cache gc --dry-run",
    "What collection would remove, and why the rest stays.",
    "tenon cache explain model.onnx --precision fp16",
    "Why the engines that are there are not the wanted one.",
    "tenon cache stats --prom /var/lib/node_exporter/tenon.prom",
    "Figures of the store for Prometheus.",
    NULL,
};

/* What each verb takes. */
static const struct verb {
    const char *name;
    int (*run)(const struct tn_invocation *call, struct tn_store *store, struct tn_error *err);
    bool needs_argument, takes_arguments;
    const char *options; /* of its own, each with a blank behind it */
} verbs[] = {
    { "ls", tn_cache_ls, false, false, "" },
    { "show", tn_cache_show, true, true, "" },
    { "verify", tn_cache_verify, false, true, "" },
    { "pin", tn_cache_pin, true, true, "" },
    { "unpin", tn_cache_unpin, true, true, "" },
    { "bless", tn_cache_bless, true, true, "" },
    { "aside", tn_cache_aside, false, false, "restore " },
    { "gc", tn_cache_gc, false, false, "dry-run max-bytes older-than " },
    { "stats", tn_cache_stats, false, false, "prom " },
    { "explain", tn_cache_explain, true, true, "precision shapes runtime gpu for " },
};

static const struct verb *find_verb(const char *name)
{
    size_t at = 0;

    while (strcmp(verbs[at].name, name) != 0) /* main.c let only known ones through */
        at++;
    return &verbs[at];
}

static bool is_common(const struct tn_option *option)
{
    for (size_t i = 0; options[i].name; i++)
        if (option == &options[i])
            return strcmp(option->name, "store") == 0;
    return true;
}

/* @return 0, or 2 with the mistake printed */
static int check_usage(const struct tn_invocation *call, const struct verb *verb)
{
    if (verb->needs_argument && call->arg_count == 1)
        return tn_cli_usage(
            call, "%s needs an engine: digest, prefix of at least 6 digits, or name", verb->name);
    if (!verb->takes_arguments && call->arg_count > 1)
        return tn_cli_usage(call, "'%s' is one argument too many", call->args[1]);
    for (size_t i = 0; i < call->given_count; i++) {
        const struct tn_option *option = call->given[i].option;
        char word[64];

        (void)snprintf(word, sizeof(word), "%s ", option->name);
        if (!is_common(option) && !strstr(verb->options, word))
            return tn_cli_usage(call, "%s takes no --%s", verb->name, option->name);
    }
    return 0;
}

static int run(const struct tn_invocation *call)
{
    tn_auto(tn_store_done) struct tn_store *store = NULL;
    const struct verb *verb = find_verb(call->args[0]);
    struct tn_error err = { 0 };
    int rc = check_usage(call, verb);

    if (rc != 0)
        return rc;
    rc = tn_store_look(tn_given(call, "store"), &store, &err);
    if (rc == TN_OK)
        rc = verb->run(call, store, &err);
    return rc < 0 ? tn_cli_error(call, &err) : rc;
}

const struct tn_command tn_cmd_cache = {
    .name = "cache",
    .args = "VERB [ARGUMENT…]",
    .min_args = 1,
    .max_args = 1024,
    .verbs = "ls|show|verify|pin|unpin|bless|aside|gc|explain|stats",
    .summary = "List, verify and mark the engines in the store.",
    .details =
        "ENGINE is a digest, a unique prefix of at least six hex digits, or an engine's file "
        "name.\n\n"
        "ls: the engines, newest first.\n\n"
        "show ENGINE…: their records.\n\n"
        "verify [ENGINE…]: hash plans; what was changed is set aside.\n\n"
        "pin ENGINE…, unpin ENGINE…: collection never takes a pinned engine.\n\n"
        "bless ENGINE…: of the engines of its recipe, this one is handed out; the others lose the "
        "blessing.\n\n"
        "aside: what was set aside and why, newest first; --restore puts one back.\n\n"
        "gc: collect the first store down to its bound, oldest use first; never what is pinned, "
        "worked on, built last or used within the last day. The bound is the smaller of 20 GiB and "
        "20 % of the file system, of which 5 % always stay free; things set aside keep to a tenth "
        "of it, logs to 100 MiB. The same happens after each build.\n\n"
        "explain MODEL: for each rung, the engines of the same model, nearest first, and the "
        "fields "
        "of the key in which they differ from what is wanted. With the options of tenon get that "
        "say what is wanted.\n\n"
        "stats: the store in figures; with --prom as metrics for node-exporter's textfile "
        "collector.",
    .options = options,
    .examples = examples,
    .exits =
        "0 done; 1 verify found a broken engine; 66 no such engine; others as in docs/errors.md.",
    .run = run,
};
