#include "device/filter.h"

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    TEXT_MAX = 4096,
    NODES_MAX = 512,
    DEPTH_MAX = 32,
    WORD_MAX = 128,
};

enum kind { KIND_OR, KIND_AND, KIND_NOT, KIND_COMPARE, KIND_IN };

enum op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

static const char *const op_texts[] = { "=", "!=", "<", "<=", ">", ">=" };

/* Nodes refer to one another by number: `left` and `right` of and, or; `left` of not. Values of an
 * `in` are a chain through `next`. */
struct node {
    enum kind kind;
    enum op op;
    int left, right;
    int name, value; /* offsets into `words` */
    int next;        /* further value of an `in`: a node of which only value and next count; -1 */
};

struct tn_filter {
    struct node node[NODES_MAX];
    int count;
    int root;
    char words[2 * TEXT_MAX]; /* every name and value, NUL-ended */
    int words_used;
};

/* --- reading ---------------------------------------------------------------------------------- */

struct parser {
    const char *text, *at;
    struct tn_filter *filter;
    int depth;
    struct tn_error *err;
};

static int expected(const struct parser *parser, const char *what)
{
    int column = (int)(parser->at - parser->text) + 1;
    char found[24];

    (void)tn_text_copy_n(found, sizeof(found), parser->at, strcspn(parser->at, " \t\r\n()"));
    if (!*parser->at)
        return tn_fail(parser->err, TN_E_INVALID, "column %d: expected %s, found the end", column,
                       what);
    if (!found[0])
        (void)tn_text_copy_n(found, sizeof(found), parser->at, 1);
    return tn_fail(parser->err, TN_E_INVALID, "column %d: expected %s, found '%s'", column, what,
                   found);
}

static void skip_space(struct parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' || *parser->at == '\r')
        parser->at++;
}

static bool is_word_byte(char c)
{
    unsigned char byte = (unsigned char)c;

    return isalnum(byte) || byte >= 0x80 || (byte && strchr("._-+:/@~*%", c));
}

static size_t word_length(const char *at)
{
    size_t length = 0;

    while (is_word_byte(at[length]))
        length++;
    return length;
}

bool tn_filter_is_name(const char *text)
{
    size_t length = word_length(text);

    return length > 0 && text[length] == '\0';
}

/* Whether the next word is the keyword; takes it then. */
static bool take_keyword(struct parser *parser, const char *keyword)
{
    size_t length;

    skip_space(parser);
    length = word_length(parser->at);
    if (length != strlen(keyword) || strncasecmp(parser->at, keyword, length) != 0)
        return false;
    parser->at += length;
    return true;
}

static bool take_mark(struct parser *parser, char mark)
{
    skip_space(parser);
    if (*parser->at != mark)
        return false;
    parser->at++;
    return true;
}

static int keep_word(struct parser *parser, const char *word, size_t length, int *ret_offset)
{
    struct tn_filter *filter = parser->filter;

    if (length > WORD_MAX || (size_t)filter->words_used + length + 1 > sizeof(filter->words))
        return tn_fail(parser->err, TN_E_TOOBIG, "column %d: a name or value over %d bytes",
                       (int)(parser->at - parser->text) + 1, WORD_MAX);
    *ret_offset = filter->words_used;
    memcpy(filter->words + filter->words_used, word, length);
    filter->words_used += (int)length;
    filter->words[filter->words_used++] = '\0';
    return TN_OK;
}

static int new_node(struct parser *parser, struct node node, int *ret_node)
{
    if (parser->filter->count == NODES_MAX)
        return tn_fail(parser->err, TN_E_TOOBIG, "more than %d terms", NODES_MAX);
    *ret_node = parser->filter->count;
    parser->filter->node[parser->filter->count++] = node;
    return TN_OK;
}

static const struct {
    const char *alias, *name;
} aliases[] = {
    { "cc", "gpu.compute_capability" }, { "trt", "runtime.trt" },        { "rtx", "runtime.rtx" },
    { "gpu", "gpu.product" },           { "jetpack", "jetson.jetpack" }, { "driver", "driver" },
};

static int take_name(struct parser *parser, int *ret_name)
{
    static const char *const keywords[] = { "and", "or", "not", "in" };
    size_t length;
    int rc;

    skip_space(parser);
    length = word_length(parser->at);
    for (size_t i = 0; i < TN_COUNT(keywords); i++)
        if (length == strlen(keywords[i]) && strncasecmp(parser->at, keywords[i], length) == 0)
            return expected(parser, "the name of an attribute");
    if (length == 0)
        return expected(parser, "the name of an attribute");
    for (size_t i = 0; i < TN_COUNT(aliases); i++)
        if (length == strlen(aliases[i].alias) &&
            strncasecmp(parser->at, aliases[i].alias, length) == 0) {
            parser->at += length;
            return keep_word(parser, aliases[i].name, strlen(aliases[i].name), ret_name);
        }
    rc = keep_word(parser, parser->at, length, ret_name);
    parser->at += length;
    return rc;
}

/* A word, or anything in quotes. */
static int take_value(struct parser *parser, int *ret_value)
{
    size_t length;
    const char *end;
    char quote;
    int rc;

    skip_space(parser);
    quote = *parser->at;
    if (quote == '"' || quote == '\'') {
        end = strchr(parser->at + 1, quote);
        if (!end) {
            parser->at += strlen(parser->at);
            return expected(parser, "the closing quote");
        }
        rc = keep_word(parser, parser->at + 1, (size_t)(end - parser->at - 1), ret_value);
        parser->at = end + 1;
        return rc;
    }
    length = word_length(parser->at);
    if (length == 0)
        return expected(parser, "a value (in quotes if it has spaces)");
    rc = keep_word(parser, parser->at, length, ret_value);
    parser->at += length;
    return rc;
}

static bool take_op(struct parser *parser, enum op *ret_op)
{
    static const enum op longest_first[] = { OP_NE, OP_LE, OP_GE, OP_EQ, OP_LT, OP_GT };

    skip_space(parser);
    for (size_t i = 0; i < TN_COUNT(longest_first); i++) {
        const char *text = op_texts[longest_first[i]];

        if (!tn_text_starts(parser->at, text))
            continue;
        parser->at += strlen(text);
        if (longest_first[i] == OP_EQ && *parser->at == '=') /* "==" by habit */
            parser->at++;
        *ret_op = longest_first[i];
        return true;
    }
    return false;
}

static int take_in(struct parser *parser, int name, int *ret_node)
{
    int previous = -1;

    if (!take_mark(parser, '('))
        return expected(parser, "'(' after in");
    do {
        struct node node = { .kind = KIND_IN, .op = OP_EQ, .name = name, .next = -1 };
        int at = -1, rc = take_value(parser, &node.value);

        if (rc == TN_OK)
            rc = new_node(parser, node, &at);
        if (rc < 0)
            return rc;
        if (previous < 0)
            *ret_node = at;
        else
            parser->filter->node[previous].next = at;
        previous = at;
    } while (take_mark(parser, ','));
    return take_mark(parser, ')') ? TN_OK : expected(parser, "',' or ')'");
}

static int take_comparison(struct parser *parser, int *ret_node)
{
    struct node node = { .kind = KIND_COMPARE, .next = -1 };
    int rc = take_name(parser, &node.name);

    if (rc < 0)
        return rc;
    if (take_keyword(parser, "in"))
        return take_in(parser, node.name, ret_node);
    if (!take_op(parser, &node.op))
        return expected(parser, "= != < <= > >= or in");
    rc = take_value(parser, &node.value);
    return rc < 0 ? rc : new_node(parser, node, ret_node);
}

static int take_or(struct parser *parser, int *ret_node);

static int take_factor(struct parser *parser, int *ret_node)
{
    struct node node = { .kind = KIND_NOT, .next = -1 };
    int rc;

    if (++parser->depth > DEPTH_MAX)
        return tn_fail(parser->err, TN_E_TOOBIG, "column %d: nested deeper than %d",
                       (int)(parser->at - parser->text) + 1, DEPTH_MAX);
    if (take_keyword(parser, "not")) {
        rc = take_factor(parser, &node.left);
        if (rc == TN_OK)
            rc = new_node(parser, node, ret_node);
    } else if (take_mark(parser, '(')) {
        rc = take_or(parser, ret_node);
        if (rc == TN_OK && !take_mark(parser, ')'))
            rc = expected(parser, "and, or, or ')'");
    } else {
        rc = take_comparison(parser, ret_node);
    }
    parser->depth--;
    return rc;
}

/* One level of "a KEYWORD b KEYWORD c", leaning to the left. */
static int take_chain(struct parser *parser, const char *keyword, enum kind kind,
                      int (*part)(struct parser *, int *), int *ret_node)
{
    struct node node = { .kind = kind, .next = -1 };
    int rc = part(parser, ret_node);

    while (rc == TN_OK && take_keyword(parser, keyword)) {
        node.left = *ret_node;
        rc = part(parser, &node.right);
        if (rc == TN_OK)
            rc = new_node(parser, node, ret_node);
    }
    return rc;
}

static int take_and(struct parser *parser, int *ret_node)
{
    return take_chain(parser, "and", KIND_AND, take_factor, ret_node);
}

static int take_or(struct parser *parser, int *ret_node)
{
    return take_chain(parser, "or", KIND_OR, take_and, ret_node);
}

static void free_filter(struct tn_filter **filter)
{
    tn_filter_free(*filter);
}

int tn_filter_parse(const char *text, struct tn_filter **ret_filter, struct tn_error *err)
{
    tn_auto(free_filter) struct tn_filter *filter = NULL;
    struct parser parser = { .text = text, .at = text, .err = err };
    int rc;

    if (strlen(text) > TEXT_MAX)
        return tn_fail(err, TN_E_TOOBIG, "an expression over %d bytes", TEXT_MAX);
    filter = calloc(1, sizeof(*filter));
    if (!filter)
        return tn_fail(err, TN_E_NOMEM, "read an expression");
    parser.filter = filter;
    rc = take_or(&parser, &filter->root);
    if (rc < 0)
        return rc;
    skip_space(&parser);
    if (*parser.at)
        return expected(&parser, "and, or, or the end");
    *ret_filter = filter;
    filter = NULL;
    return TN_OK;
}

void tn_filter_free(struct tn_filter *filter)
{
    free(filter);
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool is_version(const char *text, struct tn_version *ret_version)
{
    return tn_version_parse(text, ret_version, NULL) == TN_OK;
}

static bool is_number(const char *text, double *ret_number)
{
    char *end;

    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    errno = 0;
    *ret_number = strtod(text, &end);
    return *end == '\0' && end != text && errno == 0 && isfinite(*ret_number);
}

static int compare_numbers(double a, double b)
{
    return a < b ? -1 : a > b;
}

/* "8.4" against "8.4.1.5" is equal: by the parts that the shorter gives. One part alone is a whole
 * number, and the same answer either way, but for numbers beyond 32 bits (bytes). */
static int compare(const char *found, const char *wanted)
{
    struct tn_version a, b;
    double x, y;

    if (is_version(found, &a) && is_version(wanted, &b))
        return tn_version_compare(&a, &b);
    if (is_number(found, &x) && is_number(wanted, &y))
        return compare_numbers(x, y);
    return strcasecmp(found, wanted);
}

static bool holds(enum op op, int order)
{
    switch (op) {
    case OP_EQ:
        return order == 0;
    case OP_NE:
        return order != 0;
    case OP_LT:
        return order < 0;
    case OP_LE:
        return order <= 0;
    case OP_GT:
        return order > 0;
    case OP_GE:
        return order >= 0;
    default:
        return false;
    }
}

static const char *word(const struct tn_filter *filter, int offset)
{
    return filter->words + offset;
}

static bool compare_holds(const struct tn_filter *filter, const struct node *node,
                          tn_attribute_fn attribute, void *user)
{
    const char *found = attribute(word(filter, node->name), user);

    if (!found)
        return false;
    if (node->kind == KIND_COMPARE)
        return holds(node->op, compare(found, word(filter, node->value)));
    for (;; node = &filter->node[node->next]) {
        if (compare(found, word(filter, node->value)) == 0)
            return true;
        if (node->next < 0)
            return false;
    }
}

/* As deep as there are terms at most: a chain of them leans to the left. */
static bool node_holds(const struct tn_filter *filter, int at, tn_attribute_fn attribute,
                       void *user)
{
    const struct node *node = &filter->node[at];

    switch (node->kind) {
    case KIND_AND:
        return node_holds(filter, node->left, attribute, user) &&
               node_holds(filter, node->right, attribute, user);
    case KIND_OR:
        return node_holds(filter, node->left, attribute, user) ||
               node_holds(filter, node->right, attribute, user);
    case KIND_NOT:
        return !node_holds(filter, node->left, attribute, user);
    case KIND_COMPARE:
    case KIND_IN:
    default:
        return compare_holds(filter, node, attribute, user);
    }
}

bool tn_filter_matches(const struct tn_filter *filter, tn_attribute_fn attribute, void *user)
{
    return node_holds(filter, filter->root, attribute, user);
}

/* --- explaining ------------------------------------------------------------------------------- */

static void explain_one(const struct tn_filter *filter, const struct node *node, bool wanted,
                        const char *found, struct tn_buf *text)
{
    if (text->size)
        tn_buf_adds(text, "\n");
    tn_buf_adds(text, word(filter, node->name));
    if (found) {
        tn_buf_adds(text, " = ");
        tn_text_add_safe(text, found, strlen(found));
    } else {
        tn_buf_adds(text, " is not known");
    }
    tn_buf_adds(text, wanted ? ", wanted " : ", not wanted ");
    if (node->kind == KIND_COMPARE) {
        tn_buf_addf(text, "%s %s", op_texts[node->op], word(filter, node->value));
        return;
    }
    tn_buf_adds(text, "in (");
    for (;; node = &filter->node[node->next]) {
        tn_buf_adds(text, word(filter, node->value));
        if (node->next < 0)
            break;
        tn_buf_adds(text, ", ");
    }
    tn_buf_adds(text, ")");
}

/* Explains why the node is not `wanted`: only the comparisons that have a part in it. */
static void explain(const struct tn_filter *filter, int at, bool wanted, tn_attribute_fn attribute,
                    void *user, struct tn_buf *text)
{
    const struct node *node = &filter->node[at];

    if (node_holds(filter, at, attribute, user) == wanted)
        return;
    switch (node->kind) {
    case KIND_AND:
    case KIND_OR:
        explain(filter, node->left, wanted, attribute, user, text);
        explain(filter, node->right, wanted, attribute, user, text);
        return;
    case KIND_NOT:
        explain(filter, node->left, !wanted, attribute, user, text);
        return;
    case KIND_COMPARE:
    case KIND_IN:
    default:
        explain_one(filter, node, wanted, attribute(word(filter, node->name), user), text);
    }
}

void tn_filter_explain(const struct tn_filter *filter, tn_attribute_fn attribute, void *user,
                       struct tn_buf *text)
{
    explain(filter, filter->root, true, attribute, user, text);
}

static void name_each(const struct tn_filter *filter, int at,
                      void (*each)(const char *name, void *user), void *user)
{
    const struct node *node = &filter->node[at];

    if (node->kind == KIND_COMPARE || node->kind == KIND_IN) {
        each(word(filter, node->name), user);
        return;
    }
    name_each(filter, node->left, each, user);
    if (node->kind != KIND_NOT)
        name_each(filter, node->right, each, user);
}

void tn_filter_names(const struct tn_filter *filter, void (*each)(const char *name, void *user),
                     void *user)
{
    name_each(filter, filter->root, each, user);
}
