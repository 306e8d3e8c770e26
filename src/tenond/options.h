/*
 * The command line of `tenond`: one row per option. Parser, --help, docs/server.md, man page and
 * completion are cut from the rows.
 */
#ifndef TN_TENOND_OPTIONS_H
#define TN_TENOND_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** Values as given, defaults filled in. Texts are argv's. */
struct tn_tenond_options {
    const char *data, *listen, *tls_cert, *tls_key, *trusted_proxy, *metrics_token_file, *to,
        *trusted_keys;
    int64_t poll_ns, drain_ns, keep_actions_ns, keep_audit_ns, download_bytes_per_s;
    int64_t connections, connections_each;
    int64_t evidence_devices, evidence_ratio, pause_devices, pause_percent;
    int64_t verbose, require_signatures;

    const char *verb;     /* "serve", "backup" */
    const char *document; /* --document KIND */
    bool help, version;
};

/** @return 0, TN_E_USAGE */
int tn_tenond_options_read(int argc, char **argv, struct tn_tenond_options *ret_options,
                           struct tn_error *err);
void tn_tenond_help(FILE *out);
void tn_tenond_options_markdown(FILE *out);
void tn_tenond_options_man(FILE *out);
void tn_tenond_options_bash(FILE *out);

#endif
