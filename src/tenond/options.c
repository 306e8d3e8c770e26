#include "tenond/options.h"

#include "base/clock.h"
#include "base/roff.h"
#include "base/text.h"
#include "fleet/fleet.h"
#include "http/server.h"

#include <getopt.h>
#include <stddef.h>
#include <string.h>

enum kind { FLAG, TEXT, COUNT, SIZE, DURATION };

struct row {
    const char *name, *value, *otherwise;
    enum kind kind;
    size_t offset;
    const char *help;
};

#define ROW(name, value, otherwise, kind, member, help)                                            \
    {                                                                                              \
        name, value, otherwise, kind, offsetof(struct tn_tenond_options, member), help             \
    }

static const struct row rows[] = {
    ROW("data", "DIR", NULL, TEXT, data,
        "Folder of the database and the files. Made on the first start."),
    ROW("listen", "ADDR:PORT", "127.0.0.1:8600", TEXT, listen,
        "Where to listen; port 0 takes any free one. Other machines reach the server only when "
        "this says so."),
    ROW("tls-cert", "FILE", NULL, TEXT, tls_cert, "Certificate chain, PEM; with --tls-key: HTTPS."),
    ROW("tls-key", "FILE", NULL, TEXT, tls_key, "Private key, PEM."),
    ROW("trusted-proxy", "ADDR", NULL, TEXT, trusted_proxy,
        "The reverse proxy's address: its X-Forwarded-For and X-Forwarded-Proto count."),
    ROW("poll", "TIME", "5m", DURATION, poll_ns,
        "Time between two polls of a device, spread by a tenth; 1s to 23h. 'tenon devices poll' "
        "overrules it for all devices or for one."),
    ROW("download-rate", "SIZE", "0", SIZE, download_bytes_per_s,
        "Bytes per second of all downloads together; 0 = no limit."),
    ROW("metrics-token-file", "FILE", NULL, TEXT, metrics_token_file,
        "/metrics asks for this bearer token. Without one it is open on loopback, but not through "
        "a "
        "proxy, and asks for a viewer's token elsewhere."),
    ROW("connections", "N", "10000", COUNT, connections, "Most connections at one time."),
    ROW("connections-each", "N", "0", COUNT, connections_each,
        "Most connections of one address; 0 = no limit."),
    ROW("evidence-devices", "N", "2", COUNT, evidence_devices,
        "Devices whose lasting failures stop an engine for their class."),
    ROW("evidence-ratio", "N", "10", COUNT, evidence_ratio,
        "... when fewer than one in N reporters loaded it."),
    ROW("pause-devices", "N", "5", COUNT, pause_devices,
        "A deployment pauses itself after N devices have finished ..."),
    ROW("pause-percent", "N", "20", COUNT, pause_percent, "... of which N percent failed."),
    ROW("keep-actions", "TIME", "90d", DURATION, keep_actions_ns,
        "How long ended actions are kept that decide nothing any more; 1h at least."),
    ROW("keep-audit", "TIME", "0", DURATION, keep_audit_ns,
        "How long the audit log is kept, 1d at least; 0 = for ever. The newest 1000 entries always "
        "stay."),
    ROW("trusted-keys", "DIR", NULL, TEXT, trusted_keys,
        "Folder of public keys (*.pub): a signature of one of them over other content is refused. "
        "Read at the start and on SIGHUP."),
    ROW("require-signatures", NULL, NULL, FLAG, require_signatures,
        "Take releases and engines only with a signature of a trusted key."),
    ROW("drain", "TIME", "30s", DURATION, drain_ns,
        "After SIGTERM: time for requests in progress to end."),
    ROW("to", "DIR", NULL, TEXT, to,
        "backup: the folder that receives the copy; the server may run."),
    ROW("verbose", NULL, NULL, FLAG, verbose, "Log every request, not only changes and failures."),
};

static const char synopsis[] = "Usage: tenond --data DIR [OPTION...]\n"
                               "       tenond backup --data DIR --to DIR\n"
                               "       tenond --help | --version\n";

static int bad_value(const struct row *row, const char *value, struct tn_error *err)
{
    static const char *const words[] = {
        [FLAG] = "nothing",
        [TEXT] = "a text",
        [COUNT] = "a number",
        [SIZE] = "a size such as 20MiB",
        [DURATION] = "a time such as 30s or 5m",
    };

    return tn_fail(err, TN_E_USAGE, "--%s takes %s, not '%s'", row->name, words[row->kind], value);
}

static int take(const struct row *row, const char *value, struct tn_tenond_options *options,
                struct tn_error *err)
{
    char *member = (char *)options + row->offset;
    int64_t number = 1;
    bool fine = true;

    if (row->kind == TEXT) {
        (void)memcpy(member, &value, sizeof(value));
        return TN_OK;
    }
    if (row->kind == COUNT)
        fine = tn_text_i64(value, &number) && number >= 0 && number <= 1000000000;
    else if (row->kind == SIZE)
        fine = tn_text_size(value, &number);
    else if (row->kind == DURATION)
        fine = tn_text_duration(value, &number) && number >= 0;
    if (!fine)
        return bad_value(row, value, err);
    (void)memcpy(member, &number, sizeof(number));
    return TN_OK;
}

static int take_defaults(struct tn_tenond_options *options, struct tn_error *err)
{
    int rc = TN_OK;

    for (size_t i = 0; i < TN_COUNT(rows) && rc == TN_OK; i++)
        if (rows[i].otherwise)
            rc = take(&rows[i], rows[i].otherwise, options, err);
    return rc;
}

enum { HELP = 1000, VERSION, DOCUMENT };

static int parse(int argc, char **argv, struct tn_tenond_options *options, struct tn_error *err)
{
    struct option table[TN_COUNT(rows) + 4] = { 0 };
    int got, rc = TN_OK;

    for (size_t i = 0; i < TN_COUNT(rows); i++)
        table[i] =
            (struct option) { rows[i].name, rows[i].kind == FLAG ? no_argument : required_argument,
                              NULL, (int)i };
    table[TN_COUNT(rows)] = (struct option) { "help", no_argument, NULL, HELP };
    table[TN_COUNT(rows) + 1] = (struct option) { "version", no_argument, NULL, VERSION };
    table[TN_COUNT(rows) + 2] = (struct option) { "document", required_argument, NULL, DOCUMENT };
    opterr = 0;
    while (rc == TN_OK && (got = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (got == HELP || got == 'h')
            options->help = true;
        else if (got == VERSION)
            options->version = true;
        else if (got == DOCUMENT)
            options->document = optarg;
        else if (got == ':')
            return tn_fail(err, TN_E_USAGE, "option '%s' needs a value", argv[optind - 1]);
        else if (got == '?')
            return tn_fail(err, TN_E_USAGE, "option '%s' is not known", argv[optind - 1]);
        else
            rc = take(&rows[got], optarg, options, err);
    }
    return rc;
}

static int check(const struct tn_tenond_options *options, struct tn_error *err)
{
    if (options->help || options->version || options->document)
        return TN_OK;
    if (strcmp(options->verb, "serve") != 0 && strcmp(options->verb, "backup") != 0)
        return tn_fail(err, TN_E_USAGE, "'%s' is neither 'serve' nor 'backup'", options->verb);
    if (!options->data)
        return tn_fail(err, TN_E_USAGE, "--data is missing");
    if (!options->tls_cert != !options->tls_key)
        return tn_fail(err, TN_E_USAGE, "--tls-cert and --tls-key go together");
    if (strcmp(options->verb, "backup") == 0 && !options->to)
        return tn_fail(err, TN_E_USAGE, "backup: --to is missing");
    if (options->poll_ns < TN_POLL_LEAST_S * TN_NSEC_PER_S ||
        options->poll_ns > TN_POLL_MOST_S * TN_NSEC_PER_S)
        return tn_fail(err, TN_E_USAGE, "--poll is from 1s to 23h");
    if (options->keep_actions_ns < INT64_C(3600) * 1000000000)
        return tn_fail(err, TN_E_USAGE, "--keep-actions is at least 1h");
    if (options->keep_audit_ns > 0 && options->keep_audit_ns < INT64_C(86400) * 1000000000)
        return tn_fail(err, TN_E_USAGE, "--keep-audit is at least 1d, or 0");
    if (options->require_signatures && !options->trusted_keys)
        return tn_fail(err, TN_E_USAGE, "--require-signatures needs --trusted-keys");
    if (options->connections == 0)
        return tn_fail(err, TN_E_USAGE, "--connections is at least 1");
    if (tn_http_check_listen(options->listen, err) < 0)
        return tn_while(err, TN_E_USAGE, "--listen");
    if (options->trusted_proxy && tn_http_check_proxy(options->trusted_proxy, err) < 0)
        return tn_while(err, TN_E_USAGE, "--trusted-proxy");
    return TN_OK;
}

int tn_tenond_options_read(int argc, char **argv, struct tn_tenond_options *ret_options,
                           struct tn_error *err)
{
    int rc;

    *ret_options = (struct tn_tenond_options) { .verb = "serve" };
    rc = take_defaults(ret_options, err);
    if (rc == TN_OK)
        rc = parse(argc, argv, ret_options, err);
    if (rc < 0)
        return rc;
    if (optind < argc)
        ret_options->verb = argv[optind++];
    if (optind < argc)
        return tn_fail(err, TN_E_USAGE, "'%s' is one argument too many", argv[optind]);
    return check(ret_options, err);
}

static const char about[] =
    "The server of a fleet: devices register, are matched with the engine that loads on them, and "
    "fetch it over hawkBit's device protocol.";
static const char exits[] = "0 ended by SIGTERM or SIGINT, 2 usage, 75 another server has the "
                            "folder or the port, others as in docs/errors.md.";

/* Without breaking words. */
static void print_filled(FILE *out, const char *text, size_t indent)
{
    enum { COLUMNS = 90 };
    size_t at = COLUMNS;

    while (*text) {
        size_t length = strcspn(text, " ");

        if (at + 1 + length > COLUMNS)
            at = (size_t)fprintf(out, "%s%*s", at == COLUMNS ? "" : "\n", (int)indent, "");
        else
            at += (size_t)fprintf(out, " ");
        at += fwrite(text, 1, length, out);
        text += length + strspn(text + length, " ");
    }
    (void)fputc('\n', out);
}

void tn_tenond_help(FILE *out)
{
    (void)fprintf(out, "%s\n", synopsis);
    print_filled(out, about, 0);
    (void)fputs("\nOptions:\n", out);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char help[512];

        (void)snprintf(help, sizeof(help), "%s%s%s%s", rows[i].help, rows[i].otherwise ? " (" : "",
                       rows[i].otherwise ? rows[i].otherwise : "", rows[i].otherwise ? ")" : "");
        (void)fprintf(out, "  --%s%s%s\n", rows[i].name, rows[i].value ? " " : "",
                      rows[i].value ? rows[i].value : "");
        print_filled(out, help, 8);
    }
    (void)fputs("\nExit status: ", out);
    (void)fprintf(out, "%s\n", exits);
}

void tn_tenond_options_man(FILE *out)
{
    (void)fprintf(out,
                  ".TH TENOND 8 \"\" \"tenon %s\" \"System Administration\"\n.SH NAME\ntenond \\- "
                  "the server of a fleet of devices that run engines\n.SH SYNOPSIS\n.B tenond\n"
                  "\\-\\-data \\fIDIR\\fR [\\fIOPTION\\fR...]\n.br\n.B tenond backup\n\\-\\-data "
                  "\\fIDIR\\fR \\-\\-to \\fIDIR\\fR\n.SH DESCRIPTION\n",
                  TN_VERSION);
    tn_roff_text(out, about);
    (void)fputs("\n.SH OPTIONS\n", out);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        (void)fputs(".TP\n\\fB\\-\\-", out);
        tn_roff_text(out, rows[i].name);
        (void)fprintf(out, "\\fR \\fI%s\\fR\n", rows[i].value ? rows[i].value : "");
        tn_roff_text(out, rows[i].help);
        (void)fprintf(out, rows[i].otherwise ? " (%s)\n" : "\n", rows[i].otherwise);
    }
    (void)fputs(".SH EXIT STATUS\n", out);
    tn_roff_text(out, exits);
    (void)fputs("\n.SH SEE ALSO\n.BR tenon (1)\n", out);
}

/* A path where an option takes one. */
static bool takes_path(const struct row *row)
{
    return row->value && (strcmp(row->value, "FILE") == 0 || strcmp(row->value, "DIR") == 0);
}

void tn_tenond_options_bash(FILE *out)
{
    (void)fputs("# bash completion of tenond, cut from its option table\n_tenond()\n{\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} line\n"
                "    local how=(-W 'serve backup --help --version",
                out);
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        (void)fprintf(out, " --%s", rows[i].name);
    (void)fputs("')\n    case $prev in\n", out);
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (rows[i].kind != FLAG)
            (void)fprintf(out, "    --%s) how=(%s) ;;\n", rows[i].name,
                          takes_path(&rows[i]) ? "-f" : "");
    (void)fputs("    esac\n    COMPREPLY=()\n    [ ${#how[@]} -gt 0 ] || return 0\n"
                "    while IFS= read -r line; do COMPREPLY+=(\"$line\"); done "
                "< <(compgen \"${how[@]}\" -- \"$cur\")\n}\n"
                "complete -o filenames -F _tenond tenond\n",
                out);
}

void tn_tenond_options_markdown(FILE *out)
{
    (void)fputs("| option | default | meaning |\n| --- | --- | --- |\n", out);
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        (void)fprintf(out, "| `--%s%s%s` | %s | %s |\n", rows[i].name, rows[i].value ? " " : "",
                      rows[i].value ? rows[i].value : "",
                      rows[i].otherwise ? rows[i].otherwise : "", rows[i].help);
}
