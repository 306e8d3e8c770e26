#include "base/json.h"

#include "base/text.h"
#include "onnx/onnx.h"

#include <stdlib.h>
#include <string.h>

enum {
    SCHEMA = 1, /* of a cached object; another number is another program's */
    LIST_MAX = 4096,
};

static const char *const severities[] = { "note", "warning", "stops" };

/* ---- out ----------------------------------------------------------------------------------- */

/* Each axis is its length, its name, or null. */
static json_t *axes_to_json(const struct tn_model_io *io)
{
    json_t *axes = io->io.dims.count >= 0 ? json_array() : json_null();

    for (int i = 0; i < io->io.dims.count; i++) {
        json_t *axis = json_object();

        tn_json_set_int(axis, "length", io->io.dims.dim[i]);
        tn_json_set_str(axis, "name", io->axis[i]);
        (void)json_array_append_new(axes, axis);
    }
    return axes;
}

static json_t *io_to_json(const struct tn_model_io *io)
{
    json_t *json = json_object();

    tn_json_set_str(json, "name", io->io.name);
    tn_json_set_str(json, "dtype", tn_dtype_name(io->io.dtype));
    tn_json_set(json, "axes", axes_to_json(io));
    tn_json_set(json, "output", json_boolean(io->io.output));
    return json;
}

static json_t *external_to_json(const struct tn_model_external *external)
{
    json_t *json = json_object();

    tn_json_set_str(json, "location", external->location);
    tn_json_set_str(json, "path", external->path);
    tn_json_set_int(json, "needed_bytes", external->needed_bytes);
    tn_json_set(json, "stamp", tn_stamp_to_json(&external->stamp));
    return json;
}

static json_t *preflight_to_json(const struct tn_preflight *row)
{
    json_t *json = json_object();

    tn_json_set_str(json, "severity", severities[row->severity]);
    tn_json_set_str(json, "code", row->code);
    tn_json_set_str(json, "detail", row->detail);
    tn_json_set_str(json, "remedy", row->remedy);
    return json;
}

static void set_lists(json_t *json, const struct tn_model *model)
{
    json_t *io = json_array(), *external = json_array(), *preflight = json_array();

    for (size_t i = 0; i < model->io_count; i++)
        (void)json_array_append_new(io, io_to_json(&model->io[i]));
    for (size_t i = 0; i < model->external_count; i++)
        (void)json_array_append_new(external, external_to_json(&model->external[i]));
    for (size_t i = 0; i < model->preflight_count; i++)
        (void)json_array_append_new(preflight, preflight_to_json(&model->preflight[i]));
    tn_json_set(json, "io", io);
    tn_json_set(json, "external", external);
    tn_json_set(json, "preflight", preflight);
}

json_t *tn_model_to_json(const struct tn_model *model)
{
    json_t *json = json_object();
    char hex[TN_DIGEST_HEX];

    tn_digest_hex(&model->digest, hex);
    tn_json_set_int(json, "schema", SCHEMA);
    tn_json_set_str(json, "path", model->path);
    tn_json_set(json, "stamp", tn_stamp_to_json(&model->stamp));
    tn_json_set_str(json, "digest", hex);
    tn_json_set_int(json, "size_bytes", model->size_bytes);
    tn_json_set_int(json, "ir_version", model->ir_version);
    tn_json_set_int(json, "opset", model->opset);
    tn_json_set_str(json, "producer", model->producer);
    tn_json_set_str(json, "precision", tn_precision_name(model->precision));
    tn_json_set_int(json, "node_count", model->node_count);
    set_lists(json, model);
    return json;
}

/* ---- back ---------------------------------------------------------------------------------- */

/* Reads members of one foreign object; the first that is wrong is remembered and ends it. */
struct in {
    const json_t *object;
    const char *wrong; /* name of that member */
};

static const json_t *member(struct in *in, const char *key, bool good_type(const json_t *))
{
    const json_t *value = json_object_get(in->object, key);

    if (!in->wrong && good_type(value))
        return value;
    if (!in->wrong)
        in->wrong = key;
    return NULL;
}

static bool is_string(const json_t *json)
{
    return json_is_string(json);
}

static bool is_string_or_null(const json_t *json)
{
    return json_is_string(json) || json_is_null(json);
}

static bool is_count(const json_t *json)
{
    return json_is_integer(json) && json_integer_value(json) >= 0;
}

static bool is_count_or_null(const json_t *json)
{
    return is_count(json) || json_is_null(json);
}

static bool is_integer(const json_t *json)
{
    return json_is_integer(json);
}

static bool is_boolean(const json_t *json)
{
    return json_is_boolean(json);
}

static bool is_object(const json_t *json)
{
    return json_is_object(json);
}

static bool is_list(const json_t *json)
{
    return json_is_array(json) && json_array_size(json) <= LIST_MAX;
}

static bool is_list_or_null(const json_t *json)
{
    return json_is_null(json) || (json_is_array(json) && json_array_size(json) <= TN_DIMS_MAX);
}

/* null gives "". */
static void get_text(struct in *in, const char *key, bool good_type(const json_t *), char *ret_text,
                     size_t size)
{
    const char *text = json_string_value(member(in, key, good_type));

    ret_text[0] = '\0';
    if (text && !tn_text_copy(ret_text, size, text) && !in->wrong)
        in->wrong = key;
}

/* null gives TN_UNKNOWN. */
static int64_t get_int(struct in *in, const char *key, bool good_type(const json_t *))
{
    const json_t *value = member(in, key, good_type);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : TN_UNKNOWN;
}

static struct tn_stamp get_stamp(struct in *in, const char *key)
{
    struct in at = { .object = member(in, key, is_object) };
    struct tn_stamp stamp = { .device = (uint64_t)get_int(&at, "device", is_integer),
                              .inode = (uint64_t)get_int(&at, "inode", is_integer),
                              .size = get_int(&at, "size", is_count),
                              .mtime = get_int(&at, "mtime", is_integer),
                              .ctime = get_int(&at, "ctime", is_integer) };

    if (at.wrong && !in->wrong)
        in->wrong = key;
    return stamp;
}

static int get_name(struct in *in, const char *key, const char *name_of(int), int first, int last)
{
    const char *text = json_string_value(member(in, key, is_string));

    for (int i = first; text && i <= last; i++)
        if (strcmp(text, name_of(i)) == 0)
            return i;
    if (!in->wrong)
        in->wrong = key;
    return first;
}

static const char *precision_name(int precision)
{
    return tn_precision_name((enum tn_precision)precision);
}

static const char *dtype_name(int dtype)
{
    return tn_dtype_name((enum tn_dtype)dtype);
}

static const char *severity_name(int severity)
{
    return severities[severity];
}

static void get_axes(struct in *in, struct tn_model_io *io)
{
    const json_t *axes = member(in, "axes", is_list_or_null);

    io->io.dims.count = json_is_array(axes) ? (int)json_array_size(axes) : TN_UNKNOWN;
    for (int i = 0; i < io->io.dims.count; i++) {
        struct in axis = { .object = json_array_get(axes, (size_t)i) };

        io->io.dims.dim[i] = get_int(&axis, "length", is_count_or_null);
        get_text(&axis, "name", is_string_or_null, io->axis[i], sizeof(io->axis[i]));
        if (axis.wrong && !in->wrong)
            in->wrong = "axes";
    }
}

static void get_io(struct in *in, void *element)
{
    struct tn_model_io *io = element;
    const json_t *dtype = json_object_get(in->object, "dtype");

    get_text(in, "name", is_string_or_null, io->io.name, sizeof(io->io.name));
    io->io.dtype = json_is_null(dtype)
                       ? TN_DTYPE_UNKNOWN
                       : (enum tn_dtype)get_name(in, "dtype", dtype_name, TN_DTYPE_UNKNOWN + 1,
                                                 TN_DTYPE_OTHER);
    io->io.output = json_is_true(member(in, "output", is_boolean));
    get_axes(in, io);
}

static void get_external(struct in *in, void *element)
{
    struct tn_model_external *external = element;

    get_text(in, "location", is_string, external->location, sizeof(external->location));
    get_text(in, "path", is_string, external->path, sizeof(external->path));
    external->needed_bytes = get_int(in, "needed_bytes", is_count);
    external->stamp = get_stamp(in, "stamp");
}

static void get_preflight(struct in *in, void *element)
{
    struct tn_preflight *row = element;

    row->severity = (enum tn_severity)get_name(in, "severity", severity_name, TN_SEVERITY_NOTE,
                                               TN_SEVERITY_STOPS);
    get_text(in, "code", is_string, row->code, sizeof(row->code));
    get_text(in, "detail", is_string, row->detail, sizeof(row->detail));
    get_text(in, "remedy", is_string_or_null, row->remedy, sizeof(row->remedy));
}

/* Elements of `size` bytes each. @return NULL when empty, wrong or out of memory (says which) */
static void *get_list(struct in *in, const char *key, size_t size,
                      void get_element(struct in *, void *), size_t *ret_count)
{
    const json_t *list = member(in, key, is_list);
    size_t count = json_array_size(list);
    char *elements = count > 0 ? calloc(count, size) : NULL;

    *ret_count = 0;
    if (count > 0 && !elements)
        in->wrong = "memory";
    for (size_t i = 0; i < count && !in->wrong; i++) {
        struct in element = { .object = json_array_get(list, i) };

        get_element(&element, elements + i * size);
        in->wrong = element.wrong;
    }
    if (!in->wrong)
        *ret_count = count;
    return elements;
}

static void get_facts(struct in *in, struct tn_model *model)
{
    const char *digest;

    if (get_int(in, "schema", is_count) != SCHEMA && !in->wrong)
        in->wrong = "schema";
    get_text(in, "path", is_string, model->path, sizeof(model->path));
    model->stamp = get_stamp(in, "stamp");
    digest = json_string_value(member(in, "digest", is_string));
    if (digest && tn_digest_parse(digest, &model->digest, NULL) < 0)
        in->wrong = "digest";
    model->size_bytes = get_int(in, "size_bytes", is_count);
    model->ir_version = get_int(in, "ir_version", is_count);
    model->opset = get_int(in, "opset", is_count_or_null);
    get_text(in, "producer", is_string_or_null, model->producer, sizeof(model->producer));
    model->precision = (enum tn_precision)get_name(in, "precision", precision_name,
                                                   TN_PRECISION_FP32, TN_PRECISION_INT4);
    model->node_count = get_int(in, "node_count", is_count);
}

static void get_lists(struct in *in, struct tn_model *model)
{
    model->io = get_list(in, "io", sizeof(*model->io), get_io, &model->io_count);
    model->external =
        get_list(in, "external", sizeof(*model->external), get_external, &model->external_count);
    model->preflight = get_list(in, "preflight", sizeof(*model->preflight), get_preflight,
                                &model->preflight_count);
    for (size_t i = 0; i < model->io_count; i++) {
        if (!model->io[i].io.output && model->input_count++ < i && !in->wrong)
            in->wrong = "io"; /* an input after an output */
    }
}

int tn_model_from_json(const json_t *json, struct tn_model *ret_model, struct tn_error *err)
{
    struct in in = { .object = json };
    struct tn_model model = { 0 };

    get_facts(&in, &model);
    get_lists(&in, &model);
    if (in.wrong) {
        tn_model_done(&model);
        return tn_fail(err, TN_E_INVALID, "facts of a model: '%s' is missing or wrong", in.wrong);
    }
    *ret_model = model;
    return TN_OK;
}
