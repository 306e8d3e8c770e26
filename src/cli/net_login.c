/* tenon login, logout. */
#include "cli/net.h"

#include <string.h>

/* The server knows the token, or this fails. */
static int ask_who_we_are(struct tn_net *net, json_t **ret_json, struct tn_error *err)
{
    int rc = tn_client_open(&net->server, &net->client, err);

    return rc == TN_OK ? tn_client_json(net->client, "GET", "/api/v1/server", NULL, ret_json, err)
                       : rc;
}

int tn_net_login(struct tn_net *net, struct tn_error *err)
{
    const struct tn_invocation *call = net->call;
    struct tn_server_choice choice = { .url = call->args[0],
                                       .token_file = tn_given(call, "token-file"),
                                       .ca = tn_given(call, "ca"),
                                       .insecure_http = tn_given(call, "insecure-http") != NULL };
    tn_auto(tn_json_done) json_t *json = NULL;
    int rc;

    if (tn_given(call, "server"))
        return tn_cli_usage(call, "the server is the argument: --server is for other commands");
    rc = tn_server_choose(&choice, &net->server, err);
    if (rc == TN_OK && !net->server.token[0])
        return tn_cli_usage(call, "a token is needed: --token-file FILE, or $TENON_TOKEN_FILE");
    if (rc == TN_OK)
        rc = tn_server_may_send_token(&net->server, err);
    if (rc == TN_OK)
        rc = ask_who_we_are(net, &json, err);
    if (rc == TN_OK && !tn_json_str(json, "version", NULL))
        rc = tn_fail(err, TN_E_INVALID, "'%s' answers, but is no tenond", net->server.url.text);
    if (rc == TN_OK)
        rc = tn_server_keep(&net->server, err);
    if (rc < 0)
        return rc;
    return tn_net_say(net, json, err, "logged in to %s (tenond %s) as %s", net->server.url.text,
                      tn_json_str(json, "version", "?"), tn_json_str(json, "role", "?"));
}

/* The login before counts again: not everybody still knows of it. */
static void tell_next(const struct tn_net *net)
{
    const struct tn_server_choice none = { .url = NULL };
    tn_auto(tn_server_done) struct tn_server next = { .ca = "" };

    if (!net->call->quiet && tn_server_choose(&none, &next, NULL) == TN_OK &&
        strcmp(next.url.text, net->server.url.text) != 0)
        (void)fprintf(stderr, "commands now talk to %s\n", next.url.text);
}

int tn_net_logout(struct tn_net *net, struct tn_error *err)
{
    struct tn_server_choice choice = { .url = tn_given(net->call, "server") };
    tn_auto(tn_json_done) json_t *json = json_object();
    bool was = false;
    int rc = tn_server_choose(&choice, &net->server, err);

    if (rc == TN_OK)
        rc = tn_server_forget(&net->server.url, &was, err);
    if (rc < 0)
        return rc;
    tn_json_set_str(json, "url", net->server.url.text);
    tn_json_set(json, "was_kept", json_boolean(was));
    rc = tn_net_say(net, json, err, was ? "logged out of %s" : "no token was kept for %s",
                    net->server.url.text);
    tell_next(net);
    return rc;
}
