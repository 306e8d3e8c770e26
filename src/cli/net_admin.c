/* tenon token, backup, audit. */
#include "cli/net.h"

#include <string.h>

static int token_list(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "ID", "id", TN_CELL_TEXT },          { "ROLE", "role", TN_CELL_TEXT },
        { "NAME", "name", TN_CELL_TEXT },      { "CREATED", "created", TN_CELL_AGO },
        { "REVOKED", "revoked", TN_CELL_AGO }, { 0 },
    };

    return tn_net_list(net, "/api/v1/tokens", columns, "no tokens", err);
}

static int token_new(struct tn_net *net, struct tn_error *err)
{
    static const char *const roles[] = { "admin", "publisher", "viewer", "gateway" };
    const char *role = net->call->args[1];
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body;
    size_t at = 0;
    int rc;

    while (at < TN_COUNT(roles) && strcmp(roles[at], role) != 0)
        at++;
    if (at == TN_COUNT(roles))
        return tn_cli_usage(net->call, "'%s' is not one of admin|publisher|viewer|gateway", role);
    body = json_object();
    tn_json_set_str(body, "role", role);
    tn_json_set_str(body, "name", tn_given(net->call, "name") ? tn_given(net->call, "name") : role);
    rc = tn_net_send(net, "POST", "/api/v1/tokens", body, &answer, err);
    return rc < 0 ? rc : tn_net_give_token(net, answer, role, err);
}

static int token_revoke(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_json_done) json_t *answer = json_object();
    int rc;

    tn_buf_adds(&path, "/api/v1/tokens");
    tn_url_add_segment(&path, net->call->args[1]);
    rc = tn_net_send(net, "DELETE", tn_buf_text(&path), NULL, NULL, err);
    tn_json_set_str(answer, "id", net->call->args[1]);
    tn_json_set(answer, "revoked", json_true());
    return rc < 0 ? rc : tn_net_say(net, answer, err, "revoked %s", net->call->args[1]);
}

int tn_net_token(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_verb verbs[] = {
        { "list", token_list, "", 0, 0, "" },
        { "new", token_new, "ROLE", 1, 1, "name output " },
        { "revoke", token_revoke, "ID", 1, 1, "" },
    };

    return tn_net_dispatch(net, verbs, TN_COUNT(verbs), err);
}

int tn_net_backup(struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *answer = NULL;
    json_t *body = json_object();
    int rc;

    tn_json_set_str(body, "path", net->call->args[0]);
    rc = tn_net_send(net, "POST", "/api/v1/backup", body, &answer, err);
    return rc < 0 ? rc
                  : tn_net_say(net, answer, err, "backed up to %s",
                               tn_json_str(answer, "path", net->call->args[0]));
}

int tn_net_audit(struct tn_net *net, struct tn_error *err)
{
    static const struct tn_net_column columns[] = {
        { "TIME", "time", TN_CELL_TEXT },
        { "WHO", "who", TN_CELL_TEXT },
        { "WHAT", "what", TN_CELL_TEXT },
        { "DETAIL", "detail", TN_CELL_PAIRS },
        { 0 },
    };
    int status = tn_net_limit(net, 100);

    return status != 0 ? status : tn_net_list(net, "/api/v1/audit", columns, "nothing yet", err);
}
