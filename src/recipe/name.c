#include "recipe/name.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { SHAPES_SHOWN_MAX = 60 };

static const char suffix[] = ".engine";

static bool is_hex(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isdigit((unsigned char)text[i]) && (text[i] < 'a' || text[i] > 'f'))
            return false;
    return true;
}

/* ---- rules of the parts ---- */

/* "640" or "320-640-960". */
static bool axis_allowed(const char *text, size_t length)
{
    uint64_t value[3];
    size_t count = 0;

    for (const char *at = text, *end = text + length;; at++) {
        const char *dash = memchr(at, '-', (size_t)(end - at));
        const char *stop = dash ? dash : end;

        if (count == 3 || !tn_text_u64(at, (size_t)(stop - at), &value[count++]))
            return false;
        at = stop;
        if (!dash)
            break;
    }
    return count == 1 || (count == 3 && value[0] <= value[1] && value[1] <= value[2]);
}

static bool tensor_allowed(const char *text, size_t length)
{
    int axes = 0;

    if (length == 1 && text[0] == 's')
        return true;
    for (size_t start = 0; start <= length; axes++) {
        const char *x = memchr(text + start, 'x', length - start);
        size_t stop = x ? (size_t)(x - text) : length;

        if (axes == TN_DIMS_MAX || !axis_allowed(text + start, stop - start))
            return false;
        start = stop + 1;
    }
    return true;
}

static bool shapes_allowed(const char *text)
{
    if (text[0] == 's' && strlen(text) == 9 && is_hex(text + 1, 8))
        return true;
    for (;;) {
        size_t length = strcspn(text, "+");

        if (!tensor_allowed(text, length))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

static bool plain_character(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '-';
}

static bool arch_allowed(const char *text)
{
    for (const char *at = text; *at; at++)
        if (!plain_character(*at))
            return false;
    return text[0] != '\0';
}

static bool runtime_allowed(const struct tn_runtime_id *id)
{
    return (id->kind == TN_RUNTIME_TRT || id->kind == TN_RUNTIME_RTX) && id->version.parts > 0;
}

static bool key8_allowed(const char *key8)
{
    return key8[0] == '\0' || (strlen(key8) == 8 && is_hex(key8, 8));
}

static int check_parts(const struct tn_engine_name *parts, struct tn_error *err)
{
    if (parts->model[0] == '\0')
        return tn_fail(err, TN_E_INVALID, "engine name: the model has no name");
    if (!shapes_allowed(parts->shapes))
        return tn_fail(err, TN_E_INVALID,
                       "engine name: '%s' are no shapes such as 1x3x640x640, 1-4-8x3x640x640+s or "
                       "s1a2b3c4d",
                       parts->shapes);
    if (!runtime_allowed(&parts->runtime))
        return tn_fail(err, TN_E_INVALID,
                       "engine name: needs a version such as trt8.4.1.5 or rtx1.7.1.116");
    if (!arch_allowed(parts->arch))
        return tn_fail(err, TN_E_INVALID, "engine name: '%s' is no GPU such as t4 or sm89",
                       parts->arch);
    if (!tn_precision_name(parts->precision))
        return tn_fail(err, TN_E_INVALID, "engine name: the precision is not known");
    if (!key8_allowed(parts->key8))
        return tn_fail(err, TN_E_INVALID, "engine name: '%s' are not 8 hex digits of a key",
                       parts->key8);
    return TN_OK;
}

/* ---- making ---- */

int tn_engine_name_make(const struct tn_engine_name *parts, char ret_name[TN_ENGINE_NAME_MAX],
                        struct tn_error *err)
{
    char model[sizeof(parts->model)], runtime[TN_RUNTIME_TEXT];
    int rc = check_parts(parts, err);
    int length;

    if (rc < 0)
        return rc;
    (void)tn_text_copy(model, sizeof(model), parts->model);
    for (char *at = model; *at; at++)
        if (!plain_character(*at) || (at == model && *at == '.'))
            *at = '-';
    tn_runtime_id_print(&parts->runtime, runtime);
    length = snprintf(ret_name, TN_ENGINE_NAME_MAX, "%s_%s_%s_%s_%s%s%s%s", model, parts->shapes,
                      runtime, parts->arch, tn_precision_name(parts->precision),
                      parts->key8[0] ? "." : "", parts->key8, suffix);
    if (length < 0 || length >= TN_ENGINE_NAME_MAX) {
        ret_name[0] = '\0';
        return tn_fail(err, TN_E_TOOBIG, "engine name: more than %d bytes", TN_ENGINE_NAME_MAX - 1);
    }
    return TN_OK;
}

/* ---- reading ---- */

/* Cuts the text after the last '_' off `text`; NULL where there is none. */
static char *cut_last(char *text)
{
    char *mark = strrchr(text, '_');

    if (!mark)
        return NULL;
    *mark = '\0';
    return mark + 1;
}

/* Takes ".engine" and ".1a2b3c4d" off the end. */
static bool cut_suffix(char *text, struct tn_engine_name *parts)
{
    size_t length = strlen(text);

    if (!tn_text_ends(text, suffix))
        return false;
    length -= sizeof(suffix) - 1;
    text[length] = '\0';
    if (length > 9 && text[length - 9] == '.' && is_hex(text + length - 8, 8)) {
        (void)tn_text_copy(parts->key8, sizeof(parts->key8), text + length - 8);
        text[length - 9] = '\0';
    }
    return true;
}

static int wrong_part(const char *name, const char *part, const char *text, const char *example,
                      struct tn_error *err)
{
    if (!text)
        return tn_fail(err, TN_E_INVALID,
                       "'%.120s' is not MODEL_SHAPES_VERSION_ARCH_PRECISION.engine: the %s is "
                       "missing",
                       name, part);
    return tn_fail(err, TN_E_INVALID, "'%.120s': '%.60s' is not a %s such as %s", name, text, part,
                   example);
}

int tn_engine_name_parse(const char *name, struct tn_engine_name *ret_parts, struct tn_error *err)
{
    struct tn_engine_name parts = { .model = "" };
    char text[TN_ENGINE_NAME_MAX];
    char *part;

    name = tn_path_base(name);
    if (!tn_text_copy(text, sizeof(text), name))
        return tn_fail(err, TN_E_INVALID, "'%.120s…' is longer than %d bytes", name,
                       TN_ENGINE_NAME_MAX - 1);
    if (!cut_suffix(text, &parts))
        return tn_fail(err, TN_E_INVALID, "'%.120s' does not end in %s", name, suffix);
    part = cut_last(text);
    if (part)
        parts.precision = tn_precision_parse(part, strlen(part));
    if (parts.precision == TN_PRECISION_UNKNOWN)
        return wrong_part(name, "precision", part, "fp16", err);
    part = cut_last(text);
    if (!part || !arch_allowed(part) || !tn_text_copy(parts.arch, sizeof(parts.arch), part))
        return wrong_part(name, "GPU", part, "t4 or sm89", err);
    part = cut_last(text);
    if (!part || tn_runtime_id_parse(part, &parts.runtime, NULL) != TN_OK ||
        !runtime_allowed(&parts.runtime))
        return wrong_part(name, "version", part, "trt8.4.1.5 or rtx1.7.1.116", err);
    part = cut_last(text);
    if (!part || !shapes_allowed(part) || !tn_text_copy(parts.shapes, sizeof(parts.shapes), part))
        return wrong_part(name, "shape", part, "1x3x640x640 or 1-4-8x3x640x640", err);
    if (text[0] == '\0' || !tn_text_copy(parts.model, sizeof(parts.model), text))
        return tn_fail(err, TN_E_INVALID, "'%.120s': the model's name is missing or too long",
                       name);
    *ret_parts = parts;
    return TN_OK;
}

/* ---- parts from facts ---- */

static void add_axes(struct tn_buf *text, const struct tn_dims *min, const struct tn_dims *opt,
                     const struct tn_dims *max)
{
    if (min->count == 0)
        tn_buf_adds(text, "s");
    for (int i = 0; i < min->count; i++) {
        tn_buf_addf(text, "%s%lld", i ? "x" : "", (long long)min->dim[i]);
        if (min->dim[i] != max->dim[i])
            tn_buf_addf(text, "-%lld-%lld", (long long)opt->dim[i], (long long)max->dim[i]);
    }
}

static int finish_shapes(struct tn_buf *text, char ret_text[64], struct tn_error *err)
{
    char hex[TN_DIGEST_HEX];
    struct tn_digest digest;
    int rc = tn_buf_check(text, "shapes in a name", err);

    if (rc < 0)
        return rc;
    if (text->size == 0)
        tn_buf_adds(text, "0");
    if (text->size <= SHAPES_SHOWN_MAX) {
        (void)tn_text_copy(ret_text, 64, tn_buf_text(text));
        return TN_OK;
    }
    rc = tn_digest_of(text->data, text->size, &digest, err);
    if (rc < 0)
        return rc;
    tn_digest_hex(&digest, hex);
    (void)snprintf(ret_text, 64, "s%.8s", hex);
    return TN_OK;
}

int tn_engine_name_shapes(const struct tn_model *model, const struct tn_shapes *shapes,
                          char ret_text[64], struct tn_error *err)
{
    static const struct tn_shapes none = { 0 };
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 18);

    for (size_t i = 0; i < model->input_count; i++) {
        const struct tn_io *io = &model->io[i].io;
        const struct tn_shape_range *range = tn_shapes_find(shapes ? shapes : &none, io->name);

        if (!range && tn_dims_dynamic(&io->dims))
            return tn_fail(err, TN_E_INVALID, "engine name: the shape of input '%.120s' is open",
                           io->name);
        tn_buf_adds(&text, i ? "+" : "");
        add_axes(&text, range ? &range->min : &io->dims, range ? &range->opt : &io->dims,
                 range ? &range->max : &io->dims);
    }
    return finish_shapes(&text, ret_text, err);
}

int tn_engine_name_ranges(const struct tn_shapes *shapes, char ret_text[64], struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1 << 18);

    for (size_t i = 0; i < shapes->count; i++) {
        tn_buf_adds(&text, i ? "+" : "");
        add_axes(&text, &shapes->range[i].min, &shapes->range[i].opt, &shapes->range[i].max);
    }
    return finish_shapes(&text, ret_text, err);
}

void tn_engine_name_arch(const struct tn_gpu *gpu, const struct tn_cc_set *ccs, char ret_text[48])
{
    ret_text[0] = '\0';
    if (ccs && ccs->count > 1)
        (void)snprintf(ret_text, 48, "sm%d-%d", ccs->cc[0], ccs->cc[ccs->count - 1]);
    else if (ccs && ccs->count == 1)
        (void)snprintf(ret_text, 48, "sm%d", ccs->cc[0]);
    else if (gpu && gpu->product[0])
        (void)tn_text_copy(ret_text, 48, gpu->product);
    else if (gpu && gpu->cc_major >= 0 && gpu->cc_minor >= 0)
        (void)snprintf(ret_text, 48, "sm%lld",
                       (long long)gpu->cc_major * 10 + (long long)gpu->cc_minor);
    for (char *at = ret_text; *at; at++)
        *at = plain_character(*at) ? (char)tolower((unsigned char)*at) : '-';
}
