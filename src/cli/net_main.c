/*
 * tenon-net: the verbs that talk to a server. `tenon` becomes it, with the line that it was given;
 * the rows of the commands are the same (net_commands.c).
 */
#include "cli/commands.h"
#include "cli/net.h"

#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct row {
    const struct tn_command *command;
    int (*run)(struct tn_net *net, struct tn_error *err);
} rows[] = {
#define TN_COMMAND(name)
#define TN_NET_COMMAND(name) { &tn_cmd_##name, tn_net_##name },
#include "cli/commands.def"
#undef TN_COMMAND
#undef TN_NET_COMMAND
};

/* What help.c sees: the verbs of this program. */
const struct tn_command *const tn_commands[] = {
#define TN_COMMAND(name)
#define TN_NET_COMMAND(name) &tn_cmd_##name,
#include "cli/commands.def"
#undef TN_COMMAND
#undef TN_NET_COMMAND
    NULL,
};

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (strcmp(rows[i].command->name, name) == 0)
            return &rows[i];
    return NULL;
}

static void end(struct tn_net *net)
{
    tn_meter_end(&net->meter);
    tn_client_close(net->client);
    tn_server_done(&net->server);
    curl_global_cleanup();
}

/* SIGPIPE is ignored for the sake of sockets. Whose reader went away, as `head` does, ends as
 * `tenon` itself would: without a word. */
static void end_with_reader(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO };
    bool failed = fflush(stdout) != 0 || ferror(stdout);

    if (!failed || poll(&out, 1, 0) != 1 || !(out.revents & POLLERR))
        return;
    (void)signal(SIGPIPE, SIG_DFL);
    (void)raise(SIGPIPE);
}

static int run(const struct tn_invocation *call)
{
    struct tn_net net = { .call = call, .meter = tn_meter_start(call) };
    struct tn_error err = { 0 };
    int rc;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        rc = tn_fail(&err, TN_E_NOMEM, "start the network library");
    else
        rc = find(call->command->name)->run(&net, &err);
    end(&net);
    end_with_reader();
    return rc < 0 ? tn_cli_error(call, &err) : rc;
}

/* A child of `tenon get`. */
static int serve_loader(void)
{
    static const struct tn_invocation call = { .command = &tn_cmd_login, .quiet = true };
    struct tn_net net = { .call = &call };
    int status = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
                     ? tn_net_child(&net)
                     : tn_error_exit_status(TN_E_NOMEM);

    end(&net);
    return status;
}

int main(int argc, char **argv)
{
    const struct row *row = argc > 1 ? find(argv[1]) : NULL;
    struct tn_command own;

    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--child") == 0)
        return serve_loader();
    if (!row) {
        (void)fprintf(stderr, "tenon-net: started by 'tenon login', 'tenon push' and others: call "
                              "those\n");
        return tn_error_exit_status(TN_E_USAGE);
    }
    own = *row->command;
    own.helper = NULL;
    own.run = run;
    return tn_cli_run(&own, argc - 1, argv + 1);
}
