#include "recipe/recipe.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "types/precision.h"

#include <stdlib.h>
#include <string.h>

#define RECIPE_HEAD "tenon-recipe/1\n"

/* 256 inputs with names of 255 bytes, each of which may become "\xNN", and three shapes of 16 axes
 */
enum { VALUE_BYTES_MAX = 1 << 19, RECIPE_BYTES_MAX = 1 << 20 };

static const char *const field_names[] = {
#define X(id, name) name,
    TN_RECIPE_FIELDS(X)
#undef X
};

const char *tn_recipe_field_name(enum tn_recipe_field field)
{
    return field_names[field];
}

void tn_recipe_done(struct tn_recipe *recipe)
{
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        free(recipe->value[i]);
    *recipe = (struct tn_recipe) { 0 };
}

/* ---- foreign text ---- */

/* Escapes as the header says; every step can be undone, so different texts stay different. */
static void add_foreign(struct tn_buf *value, const char *text, const char *separators)
{
    tn_auto(tn_buf_done) struct tn_buf marked = TN_BUF(VALUE_BYTES_MAX);

    if (strcmp(text, "-") == 0)
        tn_buf_adds(&marked, "\\");
    for (; *text; text++) {
        if (*text == '\n')
            tn_buf_adds(&marked, "\\n");
        else if (*text == '\\' || strchr(separators, *text))
            tn_buf_addf(&marked, "\\%c", *text);
        else
            tn_buf_add(&marked, text, 1);
    }
    tn_text_add_safe(value, tn_buf_text(&marked), marked.size);
    if (marked.failed)
        value->failed = marked.failed;
}

static void add_text_or_dash(struct tn_buf *value, const char *text)
{
    if (text && *text)
        add_foreign(value, text, "");
    else
        tn_buf_adds(value, "-");
}

static void add_digest(struct tn_buf *value, const struct tn_digest *digest)
{
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(digest, hex);
    tn_buf_adds(value, hex);
}

/* ---- values, one function per field ---- */

typedef int put_field(const struct tn_want *want, struct tn_buf *value, struct tn_error *err);

static int put_precision(enum tn_precision precision, const char *of, struct tn_buf *value,
                         struct tn_error *err)
{
    const char *name = tn_precision_name(precision);

    if (!name)
        return tn_fail(err, TN_E_INVALID, "recipe: the precision of the %s is not known", of);
    tn_buf_adds(value, name);
    return TN_OK;
}

static int put_MODEL_DIGEST(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    add_digest(value, &want->model->digest);
    return TN_OK;
}

static int put_MODEL_PRECISION(const struct tn_want *want, struct tn_buf *value,
                               struct tn_error *err)
{
    return put_precision(want->model_precision, "model", value, err);
}

static int put_DERIVED_BY(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    add_text_or_dash(value, want->derived_by);
    return TN_OK;
}

static int put_FLAVOR(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    const char *name = tn_flavor_name(want->flavor);

    if (!name)
        return tn_fail(err, TN_E_INVALID, "recipe: the flavor is not known");
    tn_buf_adds(value, name);
    return TN_OK;
}

static int put_TRT_VERSION(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    char text[TN_VERSION_TEXT];

    tn_version_print(&want->version, text);
    if (want->version.parts != 4)
        return tn_fail(err, TN_E_INVALID,
                       "recipe: all four parts of the TensorRT version must be known, not '%s'",
                       text);
    tn_buf_adds(value, text);
    return TN_OK;
}

static int put_PLATFORM(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    if (!want->platform || !*want->platform)
        return tn_fail(err, TN_E_INVALID, "recipe: the platform is not known");
    add_foreign(value, want->platform, "");
    return TN_OK;
}

static int put_CLASS(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(1024);

    if (want->flavor == TN_FLAVOR_RTX) {
        tn_buf_adds(value, "-");
        return TN_OK;
    }
    if (!want->gpu)
        return tn_fail(err, TN_E_INVALID,
                       "recipe: a TensorRT engine is tuned for one GPU class, and none is known");
    if (!tn_gpu_class_add(&text, want->gpu))
        return tn_fail(err, TN_E_INVALID, "recipe: not every part of the GPU's class is known: %s",
                       tn_buf_text(&text));
    add_foreign(value, tn_buf_text(&text), "");
    return tn_buf_check(&text, "GPU class", err);
}

static int put_PRECISION(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    return put_precision(want->precision, "rung", value, err);
}

static const struct tn_model_io *find_input(const struct tn_model *model, const char *name)
{
    for (size_t i = 0; i < model->input_count; i++)
        if (strcmp(model->io[i].io.name, name) == 0)
            return &model->io[i];
    return NULL;
}

static void add_range(struct tn_buf *value, const char *name, const struct tn_dims *min,
                      const struct tn_dims *opt, const struct tn_dims *max)
{
    add_foreign(value, name, "=;");
    tn_buf_adds(value, "=");
    tn_dims_add(value, min);
    tn_buf_adds(value, ":");
    tn_dims_add(value, opt);
    tn_buf_adds(value, ":");
    tn_dims_add(value, max);
}

static int put_SHAPES(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    static const struct tn_shapes none = { 0 };
    const struct tn_shapes *shapes = want->shapes ? want->shapes : &none;

    for (size_t i = 0; i < shapes->count; i++)
        if (!find_input(want->model, shapes->range[i].input))
            return tn_fail(err, TN_E_INVALID, "recipe: '%.120s' is not an input of the model",
                           shapes->range[i].input);
    if (want->model->input_count == 0)
        tn_buf_adds(value, "-");
    for (size_t i = 0; i < want->model->input_count; i++) {
        const struct tn_io *io = &want->model->io[i].io;
        const struct tn_shape_range *range = tn_shapes_find(shapes, io->name);

        if (!range && tn_dims_dynamic(&io->dims))
            return tn_fail(err, TN_E_INVALID, "recipe: the shape of input '%.120s' is open",
                           io->name);
        if (i > 0)
            tn_buf_adds(value, ";");
        add_range(value, io->name, range ? &range->min : &io->dims, range ? &range->opt : &io->dims,
                  range ? &range->max : &io->dims);
    }
    return TN_OK;
}

static int put_TF32(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    tn_buf_adds(value, want->options->tf32 ? "on" : "off");
    return TN_OK;
}

static int put_FLAGS(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    for (int i = 0; i < want->options->flag_count; i++)
        tn_buf_addf(value, "%s%s", i ? "," : "", want->options->flag[i]);
    if (want->options->flag_count == 0)
        tn_buf_adds(value, "-");
    return TN_OK;
}

static int put_HW_COMPAT(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    static const char *const names[] = { [TN_HW_COMPAT_NONE] = "none",
                                         [TN_HW_COMPAT_AMPERE_PLUS] = "ampere+",
                                         [TN_HW_COMPAT_SAME_CC] = "same-compute-capability" };

    if (want->options->hw_compat < 0 || (size_t)want->options->hw_compat >= TN_COUNT(names))
        return tn_fail(err, TN_E_INVALID, "recipe: the hardware compatibility level is not known");
    tn_buf_adds(value, names[want->options->hw_compat]);
    return TN_OK;
}

static int put_CCS(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    if (want->flavor != TN_FLAVOR_RTX)
        tn_buf_adds(value, "-");
    else if (want->options->cc_count == 0)
        tn_buf_adds(value, "default");
    else
        for (int i = 0; i < want->options->cc_count; i++)
            tn_buf_addf(value, "%s%d", i ? "," : "", want->options->cc[i]);
    return TN_OK;
}

static int put_DLA(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    if (want->options->dla_core < 0)
        tn_buf_adds(value, "-");
    else
        tn_buf_addf(value, "%d", want->options->dla_core);
    return TN_OK;
}

static int put_WORKSPACE(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    if (want->options->workspace_bytes <= 0)
        tn_buf_adds(value, "default");
    else
        tn_buf_addf(value, "%lld", (long long)want->options->workspace_bytes);
    return TN_OK;
}

static int put_OPT_LEVEL(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    if (want->options->optimization_level < 0)
        tn_buf_adds(value, "default");
    else
        tn_buf_addf(value, "%d", want->options->optimization_level);
    return TN_OK;
}

/* NAME:HEX of one plugin; 255 bytes of a name may become four each. */
struct plugin_text {
    char text[4 * 256 + TN_DIGEST_HEX + 2];
};

static int compare_plugins(const void *a, const void *b)
{
    return strcmp(((const struct plugin_text *)a)->text, ((const struct plugin_text *)b)->text);
}

static int put_PLUGINS(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    struct plugin_text list[TN_PLUGINS_MAX];
    int count = want->options->plugin_count;

    for (int i = 0; i < count; i++) {
        tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(sizeof(list[i].text) - 1);
        int rc;

        add_foreign(&text, tn_path_base(want->options->plugin[i].path), ":,");
        tn_buf_adds(&text, ":");
        add_digest(&text, &want->options->plugin[i].digest);
        rc = tn_buf_check(&text, "name of a plugin library", err);
        if (rc < 0)
            return rc;
        (void)tn_text_copy(list[i].text, sizeof(list[i].text), tn_buf_text(&text));
    }
    qsort(list, (size_t)count, sizeof(list[0]), compare_plugins);
    for (int i = 0; i < count; i++)
        tn_buf_addf(value, "%s%s", i ? "," : "", list[i].text);
    if (count == 0)
        tn_buf_adds(value, "-");
    return TN_OK;
}

static void add_file_digest(struct tn_buf *value, const char *path, const struct tn_digest *digest)
{
    if (path[0])
        add_digest(value, digest);
    else
        tn_buf_adds(value, "-");
}

static int put_CALIBRATION(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    add_file_digest(value, want->options->calibration, &want->options->calibration_digest);
    return TN_OK;
}

static int put_TIMING_CACHE(const struct tn_want *want, struct tn_buf *value, struct tn_error *err)
{
    (void)err;
    add_file_digest(value, want->options->timing_cache, &want->options->timing_cache_digest);
    return TN_OK;
}

static put_field *const put_fields[] = {
#define X(id, name) put_##id,
    TN_RECIPE_FIELDS(X)
#undef X
};

int tn_recipe_make(const struct tn_want *want, struct tn_recipe *ret_recipe, struct tn_error *err)
{
    tn_auto(tn_recipe_done) struct tn_recipe recipe = { 0 };

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        tn_auto(tn_buf_done) struct tn_buf value = TN_BUF(VALUE_BYTES_MAX);
        int rc = put_fields[i](want, &value, err);

        if (rc == TN_OK)
            rc = tn_buf_check(&value, field_names[i], err);
        if (rc < 0)
            return rc;
        recipe.value[i] = tn_buf_steal(&value);
        if (!recipe.value[i])
            return tn_fail(err, TN_E_NOMEM, "recipe field %s", field_names[i]);
    }
    *ret_recipe = recipe;
    recipe = (struct tn_recipe) { 0 };
    return TN_OK;
}

/* ---- key ---- */

static bool value_allowed(const char *value)
{
    return value && *value && strlen(value) <= RECIPE_BYTES_MAX &&
           tn_text_is_clean(value, strlen(value));
}

int tn_recipe_text(const struct tn_recipe *recipe, struct tn_buf *text, struct tn_error *err)
{
    tn_buf_adds(text, RECIPE_HEAD);
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        if (!value_allowed(recipe->value[i]))
            return tn_fail(err, TN_E_INVALID, "recipe: field %s is empty or not plain text",
                           field_names[i]);
        tn_buf_adds(text, field_names[i]);
        tn_buf_adds(text, "=");
        tn_buf_adds(text, recipe->value[i]);
        tn_buf_adds(text, "\n");
    }
    return tn_buf_check(text, "recipe", err);
}

int tn_recipe_key(const struct tn_recipe *recipe, struct tn_digest *ret_key, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(RECIPE_BYTES_MAX);
    int rc = tn_recipe_text(recipe, &text, err);

    return rc < 0 ? rc : tn_digest_of(text.data, text.size, ret_key, err);
}

/* ---- comparison ---- */

static bool same_value(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

enum tn_recipe_field tn_recipe_differs(const struct tn_recipe *a, const struct tn_recipe *b)
{
    size_t i = 0;

    while (i < TN_RECIPE_FIELD_COUNT && same_value(a->value[i], b->value[i]))
        i++;
    return (enum tn_recipe_field)i;
}

static bool is_listed(enum tn_recipe_field field, const enum tn_recipe_field *list)
{
    for (; *list != TN_RECIPE_FIELD_COUNT; list++)
        if (*list == field)
            return true;
    return false;
}

bool tn_recipe_equal_but(const struct tn_recipe *a, const struct tn_recipe *b,
                         const enum tn_recipe_field *but)
{
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        if (!same_value(a->value[i], b->value[i]) && !is_listed((enum tn_recipe_field)i, but))
            return false;
    return true;
}

/* ---- JSON ---- */

json_t *tn_recipe_to_json(const struct tn_recipe *recipe)
{
    json_t *json = json_object();

    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        tn_json_set_str(json, field_names[i], recipe->value[i]);
    return json;
}

int tn_recipe_from_json(const json_t *json, struct tn_recipe *ret_recipe, struct tn_error *err)
{
    tn_auto(tn_recipe_done) struct tn_recipe recipe = { 0 };

    if (!json_is_object(json))
        return tn_fail(err, TN_E_INVALID, "recipe: not a JSON object");
    for (size_t i = 0; i < TN_RECIPE_FIELD_COUNT; i++) {
        const char *value = tn_json_str(json, field_names[i], NULL);

        if (!value_allowed(value))
            return tn_fail(err, TN_E_INVALID, "recipe: field %s is missing or not plain text",
                           field_names[i]);
        recipe.value[i] = strdup(value);
        if (!recipe.value[i])
            return tn_fail(err, TN_E_NOMEM, "recipe field %s", field_names[i]);
    }
    /* a field that the key does not cover would be believed without having been hashed */
    if (json_object_size(json) != TN_RECIPE_FIELD_COUNT)
        return tn_fail(err, TN_E_INVALID, "recipe: more fields than tenon-recipe/1 has");
    *ret_recipe = recipe;
    recipe = (struct tn_recipe) { 0 };
    return TN_OK;
}
