#include "fleet/fleet_priv.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { TOKEN_MAX = 256, NAME_MAX_BYTES = 63 };

static const char *const role_names[] = { "none", "viewer", "publisher", "admin", "gateway" };

static int random_hex(char *ret_hex, size_t bytes, struct tn_error *err)
{
    unsigned char random[32];

    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        return tn_fail_os(err, TN_E_IO, "random numbers");
    for (size_t i = 0; i < bytes; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", random[i]);
    return TN_OK;
}

int token_random(char ret_token[65], struct tn_error *err)
{
    return random_hex(ret_token, 32, err);
}

/* A token is 256 random bits, so its plain digest tells nothing of it. One that an operator chose
 * is only as good as his choice. */
int token_hash(const char *token, struct tn_digest *ret_hash, struct tn_error *err)
{
    size_t length = strlen(token);

    if (length == 0 || length > TOKEN_MAX)
        return tn_fail(err, TN_E_USAGE, "a token has 1 to %d characters", (int)TOKEN_MAX);
    return tn_digest_of(token, length, ret_hash, err);
}

bool hash_equal(const struct tn_digest *a, const struct tn_digest *b)
{
    volatile unsigned char differ = 0;

    for (size_t i = 0; i < sizeof(a->sha256); i++)
        differ = (unsigned char)(differ | (a->sha256[i] ^ b->sha256[i]));
    return differ == 0;
}

void token_free(struct token *token)
{
    if (!token)
        return;
    free(token->name);
    free(token);
}

static enum tn_role role_of(const char *name)
{
    for (size_t i = 0; name && i < TN_COUNT(role_names); i++)
        if (strcmp(role_names[i], name) == 0)
            return (enum tn_role)i;
    return TN_ROLE_NONE;
}

const char *tn_fleet_role_name(enum tn_role role)
{
    return role_names[role];
}

enum tn_role tn_fleet_role_parse(const char *name)
{
    return role_of(name);
}

static int add(struct tn_fleet *fleet, struct token *token, struct tn_error *err)
{
    int rc = tn_map_put(&fleet->tokens_by_hash, token->hash, token, err);

    if (rc == TN_OK)
        rc = list_add(&fleet->tokens, token, err);
    if (rc < 0)
        (void)tn_map_remove(&fleet->tokens_by_hash, token->hash);
    return rc;
}

bool token_load_row(const void *row_, void *user)
{
    const struct tn_row_token *row = row_;
    struct tn_fleet *fleet = user;
    struct token *token = calloc(1, sizeof(*token));
    int rc = token ? copy_text(row->name, &token->name, NULL) : TN_E_NOMEM;

    if (rc == TN_OK) {
        (void)tn_text_copy(token->id, sizeof(token->id), row->id);
        (void)tn_text_copy(token->hash, sizeof(token->hash), row->hash ? row->hash : "");
        token->role = role_of(row->role);
        token->created_ms = row->created_ms;
        token->revoked_ms = row->revoked_ms;
        rc = add(fleet, token, NULL);
    }
    if (rc < 0)
        token_free(token);
    return fleet_hurt(fleet, rc) == TN_OK;
}

static int put_row(struct tn_fleet *fleet, const struct token *token, struct tn_error *err)
{
    struct tn_row_token row = { .id = token->id,
                                .hash = token->hash,
                                .role = role_names[token->role],
                                .name = token->name,
                                .created_ms = token->created_ms,
                                .revoked_ms = token->revoked_ms };

    return fleet_put(fleet, TN_TABLE_TOKEN, &row, err);
}

/* The table is reached by the hash of what the client sent, which tells nothing of the stored one;
 * the comparison that decides is in constant time. */
enum tn_role tn_fleet_role(const struct tn_fleet *fleet, const char *text, char ret_name[64])
{
    struct tn_digest hash, stored;
    char hex[TN_DIGEST_HEX];
    const struct token *token;

    if (token_hash(text, &hash, NULL) < 0)
        return TN_ROLE_NONE;
    tn_digest_hex(&hash, hex);
    token = tn_map_get(&fleet->tokens_by_hash, hex);
    if (!token || token->revoked_ms || tn_digest_parse(token->hash, &stored, NULL) < 0 ||
        !hash_equal(&hash, &stored))
        return TN_ROLE_NONE;
    (void)tn_text_copy(ret_name, 64, token->name ? token->name : token->id);
    return token->role;
}

static int check_name(const char *name, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(8 * NAME_MAX_BYTES);

    tn_text_add_safe(&safe, name, strlen(name));
    if (!name[0] || strlen(name) > NAME_MAX_BYTES || strcmp(tn_buf_text(&safe), name) != 0)
        return tn_fail(err, TN_E_USAGE, "the name of a token is 1 to %d bytes of plain text",
                       (int)NAME_MAX_BYTES);
    return TN_OK;
}

static int make(struct tn_fleet *fleet, struct token *token, const char *text, const char *who,
                struct tn_error *err)
{
    struct tn_digest hash;
    int rc = token_hash(text, &hash, err);

    if (rc == TN_OK)
        rc = random_hex(token->id, 8, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&hash, token->hash);
    rc = put_row(fleet, token, err);
    if (rc == TN_OK)
        rc = fleet_audit(fleet, who, "token-new", token->created_ms,
                         json_pack("{s:s,s:s,s:s}", "id", token->id, "role",
                                   role_names[token->role], "name", token->name),
                         err);
    return rc < 0 ? rc : fleet_hurt(fleet, add(fleet, token, err));
}

int tn_fleet_role_token_new(struct tn_fleet *fleet, enum tn_role role, const char *name,
                            char ret_token[65], char ret_id[17], const char *who, int64_t now_ms,
                            struct tn_error *err)
{
    struct token *token;
    char text[65] = "";
    int rc = role == TN_ROLE_NONE ? tn_fail(err, TN_E_USAGE, "a token needs a role") : TN_OK;

    if (!name || !name[0])
        name = role_names[role];
    if (rc == TN_OK)
        rc = check_name(name, err);
    if (rc == TN_OK)
        rc = token_random(text, err);
    if (rc < 0)
        return rc;
    token = calloc(1, sizeof(*token));
    if (!token)
        return tn_fail(err, TN_E_NOMEM, "a token");
    token->role = role;
    token->created_ms = now_ms;
    rc = copy_text(name, &token->name, err);
    if (rc == TN_OK)
        rc = make(fleet, token, text, who, err);
    if (rc < 0) {
        token_free(token);
        return rc;
    }
    memcpy(ret_token, text, sizeof(text));
    memcpy(ret_id, token->id, sizeof(token->id));
    return TN_OK;
}

int tn_fleet_role_token_revoke(struct tn_fleet *fleet, const char *id, const char *who,
                               int64_t now_ms, struct tn_error *err)
{
    for (size_t i = 0; i < fleet->tokens.count; i++) {
        struct token *token = fleet->tokens.item[i];
        int rc;

        if (strcmp(token->id, id) != 0)
            continue;
        if (token->revoked_ms)
            return TN_OK;
        token->revoked_ms = now_ms;
        rc = put_row(fleet, token, err);
        return rc < 0 ? rc
                      : fleet_audit(fleet, who, "token-revoke", now_ms,
                                    json_pack("{s:s}", "id", id), err);
    }
    return tn_fail(err, TN_E_NOTFOUND, "no token '%.40s'", id);
}

json_t *tn_fleet_tokens_json(struct tn_fleet *fleet)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < fleet->tokens.count; i++) {
        const struct token *token = fleet->tokens.item[i];
        json_t *json = json_object();

        tn_json_set_str(json, "id", token->id);
        tn_json_set_str(json, "role", role_names[token->role]);
        tn_json_set_str(json, "name", token->name);
        set_time(json, "created", token->created_ms);
        set_time(json, "revoked", token->revoked_ms);
        (void)json_array_append_new(array, json);
    }
    return array;
}
