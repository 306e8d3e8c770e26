#include "cli/net.h"

#include "base/text.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the verb ---- */

/* Options that only some of the command's words take. */
static int check_options(const struct tn_invocation *call, const struct tn_net_verb *verb)
{
    static const char common[] = "json quiet verbose server token-file ca insecure-http ";

    for (size_t i = 0; i < call->given_count; i++) {
        char word[64];

        (void)snprintf(word, sizeof(word), "%s ", call->given[i].option->name);
        if (!strstr(common, word) && !strstr(verb->options, word))
            return tn_cli_usage(call, "%s takes no --%s", verb->name, call->given[i].option->name);
    }
    return 0;
}

static const struct tn_net_verb *find_verb(const struct tn_invocation *call,
                                           const struct tn_net_verb *verbs, size_t count)
{
    for (size_t i = 0; call->arg_count > 0 && i < count; i++)
        if (strcmp(verbs[i].name, call->args[0]) == 0)
            return &verbs[i];
    return verbs; /* run.c let only known words through */
}

int tn_net_dispatch(struct tn_net *net, const struct tn_net_verb *verbs, size_t count,
                    struct tn_error *err)
{
    const struct tn_invocation *call = net->call;
    const struct tn_net_verb *verb = find_verb(call, verbs, count);
    size_t given = call->arg_count > 0 ? call->arg_count - 1 : 0;
    int status;

    if (given < verb->min_args)
        return tn_cli_usage(call, "%s needs %s", verb->name, verb->args);
    if (given > verb->max_args)
        return tn_cli_usage(call, "'%s' is one argument too many", call->args[verb->max_args + 1]);
    status = check_options(call, verb);
    return status != 0 ? status : verb->run(net, err);
}

int tn_net_open(struct tn_net *net, struct tn_error *err)
{
    struct tn_server_choice choice = {
        .url = tn_given(net->call, "server"),
        .token_file = net->token_is_of_device ? NULL : tn_given(net->call, "token-file"),
        .ca = tn_given(net->call, "ca"),
        .insecure_http = tn_given(net->call, "insecure-http") != NULL
    };
    int rc;

    if (net->client)
        return TN_OK;
    rc = tn_server_choose(&choice, &net->server, err);
    if (rc == TN_OK)
        rc = tn_server_may_send_token(&net->server, err);
    return rc == TN_OK ? tn_client_open(&net->server, &net->client, err) : rc;
}

int tn_net_check_path(const char *path, struct tn_error *err)
{
    size_t length = strcspn(path, "?");

    for (size_t i = 0; i < length; i++)
        if ((path[i] == '/' && (i + 1 == length || path[i + 1] == '/')) ||
            strncmp(path + i, "%2F", 3) == 0)
            return tn_fail(err, TN_E_USAGE, "a name is empty or has a '/'");
    return TN_OK;
}

int tn_net_get(struct tn_net *net, const char *path, json_t **ret_json, struct tn_error *err)
{
    int rc = tn_net_check_path(path, err);

    if (rc == TN_OK)
        rc = tn_net_open(net, err);

    return rc == TN_OK ? tn_client_json(net->client, "GET", path, NULL, ret_json, err) : rc;
}

int tn_net_send(struct tn_net *net, const char *method, const char *path, json_t *body_steal,
                json_t **ret_json, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *body = body_steal;
    int rc = tn_net_check_path(path, err);

    if (rc == TN_OK)
        rc = tn_net_open(net, err);

    return rc == TN_OK ? tn_client_json(net->client, method, path, body, ret_json, err) : rc;
}

/* ---- members as text ---- */

static const json_t *step_down(const json_t *json, const char *key, size_t length)
{
    while (json && length > 0) {
        const char *slash = memchr(key, '/', length);
        size_t step = slash ? (size_t)(slash - key) : length;
        char name[96];

        (void)tn_text_copy_n(name, sizeof(name), key, step);
        json = json_object_get(json, name);
        key += step + (slash != NULL);
        length -= step + (slash != NULL);
    }
    return json;
}

/* The first alternative that is there. */
static const json_t *member(const json_t *json, const char *key)
{
    const json_t *found = NULL;

    while (!found && *key) {
        size_t length = strcspn(key, "|");

        found = step_down(json, key, length);
        if (json_is_null(found))
            found = NULL;
        key += length + (key[length] == '|');
    }
    return found;
}

/* "2026-11-23T01:02:03Z" -> seconds since 1970, or -1. */
static int64_t seconds_of(const char *rfc3339)
{
    struct tm parts = { 0 };
    const char *end = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &parts);

    return end && *end == 'Z' ? (int64_t)timegm(&parts) : -1;
}

static void add_ago(struct tn_buf *text, const char *rfc3339)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    int64_t then = seconds_of(rfc3339);
    int64_t seconds = tn_clock_wall() / TN_NSEC_PER_S - then;
    size_t unit = 0;

    if (then < 0) {
        tn_buf_adds(text, rfc3339);
        return;
    }
    while (unit + 1 < TN_COUNT(units) && seconds < 2 * units[unit].seconds)
        unit++;
    tn_buf_addf(text, "%lld %s ago", (long long)(seconds < 0 ? 0 : seconds / units[unit].seconds),
                units[unit].name);
}

static void add_plain(struct tn_buf *text, const json_t *value)
{
    if (json_is_string(value))
        tn_buf_adds(text, json_string_value(value));
    else if (json_is_integer(value))
        tn_buf_addf(text, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        tn_buf_addf(text, "%.3g", json_real_value(value));
    else if (json_is_boolean(value))
        tn_buf_adds(text, json_is_true(value) ? "yes" : "no");
}

/* Of objects their names: engines of actions, kinds of attachments. */
static void add_list(struct tn_buf *text, const json_t *list)
{
    const json_t *one;
    size_t at;

    json_array_foreach(list, at, one)
    {
        const char *name = tn_json_str(one, "kind", tn_json_str(one, "name", ""));

        tn_buf_adds(text, at ? ", " : "");
        if (json_is_object(one))
            tn_buf_adds(text, name);
        else
            add_plain(text, one);
    }
}

static void add_pairs(struct tn_buf *text, const json_t *object)
{
    const char *name;
    json_t *value;
    bool first = true;

    json_object_foreach((json_t *)object, name, value)
    {
        tn_buf_addf(text, "%s%s=", first ? "" : ", ", name);
        add_plain(text, value);
        first = false;
    }
}

static void add_cell(struct tn_buf *text, const json_t *value, enum tn_cell cell)
{
    switch (cell) {
    case TN_CELL_TEXT:
        if (json_is_array(value))
            add_list(text, value);
        else
            add_plain(text, value);
        break;
    case TN_CELL_DIGEST:
        tn_buf_addf(text, "%.12s", json_is_string(value) ? json_string_value(value) : "");
        break;
    case TN_CELL_BYTES:
        if (json_is_integer(value))
            tn_text_add_bytes(text, json_integer_value(value));
        break;
    case TN_CELL_AGO:
        tn_buf_adds(text, value ? "" : "never");
        if (json_is_string(value))
            add_ago(text, json_string_value(value));
        break;
    case TN_CELL_COUNT:
        if (json_is_array(value))
            tn_buf_addf(text, "%zu", json_array_size(value));
        else
            add_plain(text, value);
        break;
    case TN_CELL_PAIRS:
        add_pairs(text, value);
        break;
    case TN_CELL_RELEASE:
        if (value)
            tn_buf_addf(text, "%s@%s", tn_json_str(value, "model", "?"),
                        tn_json_str(value, "version", "?"));
        break;
    }
}

/* ---- answers ---- */

static void add_row(struct tn_table *table, const json_t *item, const struct tn_net_column *columns)
{
    for (; columns->title; columns++) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(4096);

        add_cell(&text, member(item, columns->key), columns->cell);
        tn_table_cell(table, tn_buf_text(&text));
    }
}

static void add_columns(struct tn_table *table, const struct tn_net_column *columns)
{
    for (; columns->title; columns++)
        tn_table_column(table, columns->title,
                        columns->cell == TN_CELL_BYTES || columns->cell == TN_CELL_COUNT);
}

static int print_table(const struct tn_net *net, const struct tn_table *table, const char *nothing,
                       struct tn_error *err)
{
    if (table->cell_count == table->column_count && !net->call->quiet)
        (void)fprintf(stderr, "%s\n", nothing);
    return tn_table_print(table, stdout, err);
}

int tn_net_table(const json_t *items, const struct tn_net_column *columns, const char *nothing,
                 struct tn_net *net, struct tn_error *err)
{
    tn_auto(tn_table_done) struct tn_table table = TN_TABLE;
    const json_t *item;
    size_t at;

    add_columns(&table, columns);
    json_array_foreach(items, at, item)
    {
        add_row(&table, item, columns);
    }
    return print_table(net, &table, nothing, err);
}

static int take_page(struct tn_net *net, const json_t *page, const struct tn_net_column *columns,
                     struct tn_table *table, struct tn_error *err)
{
    const json_t *items = json_object_get(page, "items");
    const json_t *item;
    size_t at;
    int rc = TN_OK;

    if (!json_is_array(items))
        return tn_fail(err, TN_E_INVALID, "the server answered without a list of items");
    net->listed += json_array_size(items);
    json_array_foreach(items, at, item)
    {
        if (!net->call->json)
            add_row(table, item, columns);
        else if (rc == TN_OK)
            rc = tn_json_line(stdout, item, err);
    }
    return rc;
}

enum { PAGE = 500 };

/* At most `items` of the list: the first page when `*page` is NULL, else the one after it. */
static int next_page(struct tn_net *net, const char *path, uint64_t items, json_t **page,
                     struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf asked = TN_BUF(16384);
    char limit[24];

    (void)snprintf(limit, sizeof(limit), "%d", items < PAGE ? (int)items : (int)PAGE);
    tn_buf_adds(&asked, path);
    tn_url_add_query(&asked, "limit", limit);
    tn_url_add_query(&asked, "cursor", *page ? tn_json_str(*page, "next", NULL) : NULL);
    tn_json_done(page);
    *page = NULL;
    return tn_net_get(net, tn_buf_text(&asked), page, err);
}

int tn_net_list(struct tn_net *net, const char *path, const struct tn_net_column *columns,
                const char *nothing, struct tn_error *err)
{
    tn_auto(tn_table_done) struct tn_table table = TN_TABLE;
    tn_auto(tn_json_done) json_t *page = NULL;
    uint64_t left = net->most ? net->most : UINT64_MAX;
    int rc = TN_OK;

    net->listed = 0;
    add_columns(&table, columns);
    do {
        rc = next_page(net, path, left, &page, err);
        if (rc == TN_OK)
            rc = take_page(net, page, columns, &table, err);
        left -= json_array_size(json_object_get(page, "items"));
    } while (rc == TN_OK && left > 0 && tn_json_str(page, "next", NULL));
    if (rc < 0 || net->call->json)
        return rc;
    return print_table(net, &table, nothing, err);
}

int tn_net_items(struct tn_net *net, const char *path, json_t *items, struct tn_error *err)
{
    tn_auto(tn_json_done) json_t *page = NULL;
    int rc;

    do {
        rc = next_page(net, path, PAGE, &page, err);
        if (rc == TN_OK && !json_is_array(json_object_get(page, "items")))
            rc = tn_fail(err, TN_E_INVALID, "the server answered without a list of items");
        if (rc == TN_OK && json_array_extend(items, json_object_get(page, "items")) < 0)
            rc = tn_fail(err, TN_E_NOMEM, "list engines");
    } while (rc == TN_OK && tn_json_str(page, "next", NULL));
    return rc;
}

bool tn_net_is_revoked(const json_t *engine)
{
    return strcmp(tn_json_str(engine, "state", ""), "revoked") == 0;
}

static void show_line(const char *title, const struct tn_buf *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(65536);

    tn_text_add_safe(&safe, tn_buf_text(text), text->size);
    if (safe.size > 0)
        (void)printf("%-12s %s\n", title, tn_buf_text(&safe));
}

/* One to a line: a device has dozens of attributes. */
static void show_pairs(const char *title, const json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(16384);

        tn_buf_addf(&text, "%s=", name);
        add_plain(&text, value);
        show_line(title, &text);
        title = "";
    }
}

int tn_net_limit(struct tn_net *net, uint64_t otherwise)
{
    const char *text = tn_given(net->call, "limit");

    net->most = otherwise;
    if (text && !tn_text_u64(text, strlen(text), &net->most))
        return tn_cli_usage(net->call, "--limit takes a number, not '%s'", text);
    return 0;
}

int tn_net_show(struct tn_net *net, const json_t *json, const struct tn_net_column *columns,
                struct tn_error *err)
{
    if (net->call->json)
        return tn_json_line(stdout, json, err);
    for (; columns->title; columns++) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(16384);
        const json_t *value = member(json, columns->key);

        if (columns->cell == TN_CELL_PAIRS) {
            show_pairs(columns->title, value);
            continue;
        }
        add_cell(&text, value, columns->cell);
        show_line(columns->title, &text);
    }
    return TN_OK;
}

int tn_net_say(struct tn_net *net, const json_t *json, struct tn_error *err, const char *format,
               ...)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(65536);
    char text[8192];
    va_list args;

    if (net->call->json)
        return tn_json_line(stdout, json, err);
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tn_text_add_safe(&safe, text, strlen(text)); /* names and words of the server are in it */
    (void)printf("%s\n", tn_buf_text(&safe));
    return TN_OK;
}

void tn_net_show_transfer(struct tn_net *net, const char *what, int64_t done, int64_t total,
                          tn_nsec elapsed)
{
    tn_auto(tn_buf_done) struct tn_buf far = TN_BUF(64);

    tn_text_add_bytes(&far, done);
    tn_buf_adds(&far, " of ");
    tn_text_add_bytes(&far, total);
    tn_meter_show(&net->meter, what, tn_buf_text(&far), elapsed);
}

/* ---- names ---- */

int tn_net_split(const char *text, char ret_model[128], char ret_at[128], struct tn_error *err)
{
    size_t length = strcspn(text, "@");
    const char *at = text[length] ? text + length + 1 : "";

    if (length == 0 || (text[length] && !*at))
        return tn_fail(err, TN_E_USAGE, "'%s' is not MODEL or MODEL@NAME", text);
    if (!tn_text_copy_n(ret_model, 128, text, length) || !tn_text_copy(ret_at, 128, at))
        return tn_fail(err, TN_E_USAGE, "a name has at most 127 bytes: '%.40s…'", text);
    return TN_OK;
}

int tn_net_is_release(struct tn_net *net, const char *model, const char *name, bool *ret_is,
                      struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf path = TN_BUF(4096);
    tn_auto(tn_reply_done) struct tn_reply reply = { 0 };
    int rc = tn_net_open(net, err);

    tn_buf_adds(&path, "/api/v1/models");
    tn_url_add_segment(&path, model);
    tn_buf_adds(&path, "/releases");
    tn_url_add_segment(&path, name);
    if (rc == TN_OK)
        rc = tn_client_call(net->client, "GET", tn_buf_text(&path), NULL, &reply, err);
    if (rc == TN_OK && reply.status != 404)
        rc = tn_client_check(net->client, &reply, err);
    *ret_is = rc == TN_OK && reply.status == 200;
    return rc;
}
