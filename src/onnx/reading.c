#include "onnx/reading.h"

#include "base/text.h"
#include "onnx/onnx.pb.h"
#include "onnx/operators.h"

#include <stdlib.h>
#include <string.h>

/* Each message is the first member of the struct that is filled from it, so the callback of a field
 * (one for each message, named in onnx.options) finds its context through field->message. */

enum {
    TEXT_MAX = TN_NAME_TEXT,
    INPUTS_MAX = 64,       /* inputs of a node that wait for its operator */
    USES_MAX = 128 * 1024, /* names that only nodes mention; the rest is for initializers */
    LOCATION_MAX = sizeof(((struct tn_model_external *)0)->location),
};

/* A tensor without its data. */
struct tensor_reading {
    tn_pb_Tensor pb;
    struct tn_reading *reading;
    uint64_t hash;
    char name[TEXT_MAX];
    int64_t elements;   /* product of its dimensions, saturated; TN_UNKNOWN when negative */
    int64_t data_bytes; /* inline */
    bool nonzero;
    char location[LOCATION_MAX];
    int64_t offset, length;
};

struct node_reading {
    tn_pb_Node pb;
    struct tn_reading *reading;
    char name[TEXT_MAX], op[TEXT_MAX], domain[TEXT_MAX];
    uint64_t input[INPUTS_MAX];
    size_t inputs; /* more than INPUTS_MAX are counted, not kept */
    char input_text[3][TEXT_MAX];
    uint64_t output;
    char output_text[TEXT_MAX];
    int64_t to; /* attribute of Cast */
    bool has_value;
    struct tn_name value; /* of Constant: flags and dtype */
};

struct graph_reading {
    tn_pb_Graph pb;
    struct tn_reading *reading;
};

struct model_reading {
    tn_pb_Model pb;
    struct tn_reading *reading;
};

struct opset_reading {
    tn_pb_Opset pb;
    char domain[TEXT_MAX];
};

struct function_reading {
    tn_pb_Function pb;
    struct tn_reading *reading;
    char name[TEXT_MAX], domain[TEXT_MAX];
};

struct attribute_reading {
    tn_pb_Attribute pb;
    struct node_reading *node;
    char name[16];
    struct tensor_reading *tensor;
};

struct sparse_reading {
    tn_pb_SparseTensor pb;
    struct tn_reading *reading;
};

struct entry_reading {
    tn_pb_Entry pb;
    struct tensor_reading *tensor;
    char key[16], value[LOCATION_MAX];
    bool value_cut;
};

struct value_reading {
    tn_pb_ValueInfo pb;
    struct tn_reading *reading;
    struct tn_model_io *io;
    uint64_t hash;
    int rank;          /* also beyond TN_DIMS_MAX */
    int32_t data_type; /* as ONNX numbers it; 0 when it is no tensor */
};

struct type_reading {
    tn_pb_Type pb;
    struct value_reading *value;
};

struct tensor_type_reading {
    tn_pb_TensorType pb;
    struct value_reading *value;
};

struct shape_reading {
    tn_pb_Shape pb;
    struct value_reading *value;
};

struct dimension_reading {
    tn_pb_Dimension pb;
    char param[sizeof(((struct tn_model_io *)0)->axis[0])];
};

/* ONNX TensorProto.DataType to ours, with the bits of an element. */
static const struct {
    uint8_t dtype, bits;
} data_types[] = {
    [1] = { TN_DTYPE_FLOAT, 32 },  [2] = { TN_DTYPE_UINT8, 8 },    [3] = { TN_DTYPE_INT8, 8 },
    [4] = { TN_DTYPE_OTHER, 16 },  [5] = { TN_DTYPE_OTHER, 16 },   [6] = { TN_DTYPE_INT32, 32 },
    [7] = { TN_DTYPE_INT64, 64 },  [8] = { TN_DTYPE_STRING, 0 },   [9] = { TN_DTYPE_BOOL, 8 },
    [10] = { TN_DTYPE_HALF, 16 },  [11] = { TN_DTYPE_DOUBLE, 64 }, [12] = { TN_DTYPE_OTHER, 32 },
    [13] = { TN_DTYPE_OTHER, 64 }, [14] = { TN_DTYPE_OTHER, 64 },  [15] = { TN_DTYPE_OTHER, 128 },
    [16] = { TN_DTYPE_BF16, 16 },  [17] = { TN_DTYPE_FP8, 8 },     [18] = { TN_DTYPE_FP8, 8 },
    [19] = { TN_DTYPE_FP8, 8 },    [20] = { TN_DTYPE_FP8, 8 },     [21] = { TN_DTYPE_OTHER, 4 },
    [22] = { TN_DTYPE_INT4, 4 },   [23] = { TN_DTYPE_FP4, 4 },     [24] = { TN_DTYPE_OTHER, 8 },
    [25] = { TN_DTYPE_OTHER, 2 },  [26] = { TN_DTYPE_OTHER, 2 },
};

static enum tn_dtype dtype_of(int32_t data_type)
{
    if (data_type == 0)
        return TN_DTYPE_UNKNOWN;
    if (data_type < 0 || (size_t)data_type >= TN_COUNT(data_types))
        return TN_DTYPE_OTHER;
    return data_types[data_type].dtype;
}

static int64_t bits_of(int32_t data_type)
{
    return data_type > 0 && (size_t)data_type < TN_COUNT(data_types) ? data_types[data_type].bits
                                                                     : 0;
}

/* Ends the decoding with a failure that is ours to word. */
#define STOP(in, reading, ...)                                                                     \
    do {                                                                                           \
        (reading)->rc = tn_fail(&(reading)->error, __VA_ARGS__);                                   \
        PB_RETURN_ERROR(in, "stopped");                                                            \
    } while (0)

/* ---- single values ------------------------------------------------------------------------- */

static bool read_message(pb_istream_t *in, const pb_msgdesc_t *fields, void *message)
{
    if (!tn_source_owns(in))
        PB_RETURN_ERROR(in, "wrong wire type");
    return pb_decode(in, fields, message);
}

/* Text that may be cut. @return false on a broken stream */
static bool read_text(pb_istream_t *in, char *ret_text, size_t size)
{
    size_t take = in->bytes_left < size ? in->bytes_left : size - 1;

    if (!tn_source_owns(in))
        PB_RETURN_ERROR(in, "wrong wire type");
    if (!pb_read(in, (pb_byte_t *)ret_text, take))
        return false;
    ret_text[take] = '\0';
    return tn_source_skip(in);
}

/* Whether text can be shown and stored as it is: UTF-8 without control bytes. */
static bool is_plain(const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(4096);

    tn_text_add_safe(&safe, text, strlen(text));
    return strcmp(tn_buf_text(&safe), text) == 0;
}

static void make_plain(char *text, size_t size)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(4096);

    tn_text_add_safe(&safe, text, strlen(text));
    (void)tn_text_copy(text, size, tn_buf_text(&safe));
}

/* The hash of a whole name, and the beginning of its text. */
static bool read_name(pb_istream_t *in, const struct tn_reading *reading, uint64_t *ret_hash,
                      char ret_text[TEXT_MAX])
{
    uint64_t hash = TN_NAME_HASH_BEGIN ^ reading->scope;
    char piece[256];
    size_t kept = 0;

    if (!tn_source_owns(in))
        PB_RETURN_ERROR(in, "wrong wire type");
    while (in->bytes_left > 0) {
        size_t take = in->bytes_left < sizeof(piece) ? in->bytes_left : sizeof(piece);

        if (!pb_read(in, (pb_byte_t *)piece, take))
            return false;
        hash = tn_name_hash_add(hash, piece, take);
        if (kept == 0) {
            kept = take < TEXT_MAX ? take : TEXT_MAX - 1;
            memcpy(ret_text, piece, kept);
        }
    }
    ret_text[kept] = '\0';
    *ret_hash = tn_name_hash_end(hash);
    return true;
}

static uint64_t operator_hash(const char *domain, const char *op)
{
    uint64_t hash = tn_name_hash_add(~TN_NAME_HASH_BEGIN, domain, strlen(domain) + 1);

    return tn_name_hash_end(tn_name_hash_add(hash, op, strlen(op)));
}

/* Adds to what is known of a name that a node mentions; best effort. */
static struct tn_name *flag_name(struct tn_reading *reading, uint64_t hash, uint16_t flags,
                                 const char *text)
{
    struct tn_name *name = tn_names_find(&reading->names, hash);

    if (!name && reading->names.used < USES_MAX)
        name = tn_names_at(&reading->names, hash);
    if (!name) {
        reading->names.incomplete = true;
        return NULL;
    }
    name->flags |= flags;
    if (text)
        tn_names_keep_text(&reading->names, name, text);
    return name;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static bool read_dims(pb_istream_t *in, struct tensor_reading *tensor)
{
    while (in->bytes_left > 0) {
        uint64_t value;

        if (!pb_decode_varint(in, &value))
            return false;
        if (value > INT64_MAX)
            tensor->elements = TN_UNKNOWN;
        else if (tensor->elements >= 0 &&
                 __builtin_mul_overflow(tensor->elements, (int64_t)value, &tensor->elements))
            tensor->elements = INT64_MAX;
    }
    return true;
}

/* Passes over values; looks at them only until one byte is not zero. */
static bool read_values(pb_istream_t *in, struct tensor_reading *tensor)
{
    unsigned char piece[512];

    tensor->data_bytes += (int64_t)in->bytes_left;
    while (!tensor->nonzero && in->bytes_left > 0) {
        size_t take = in->bytes_left < sizeof(piece) ? in->bytes_left : sizeof(piece);

        if (!pb_read(in, piece, take))
            return false;
        tensor->nonzero = piece[0] != 0 || memcmp(piece, piece + 1, take - 1) != 0;
    }
    return tn_source_skip(in);
}

bool tn_reading_entry_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct entry_reading *entry = field->message;

    (void)out;
    if (field->tag == tn_pb_Entry_key_tag)
        return read_text(in, entry->key, sizeof(entry->key));
    entry->value_cut = in->bytes_left >= sizeof(entry->value);
    return read_text(in, entry->value, sizeof(entry->value));
}

/* Where the data of a tensor lies, one key and value at a time. */
static bool read_entry(pb_istream_t *in, struct tensor_reading *tensor)
{
    struct entry_reading entry = { .tensor = tensor };
    struct tn_reading *reading = tensor->reading;

    if (!read_message(in, tn_pb_Entry_fields, &entry))
        return false;
    if (entry.value_cut && strcmp(entry.key, "location") == 0)
        STOP(in, reading, TN_E_TOOBIG, "tensor '%s': the name of its data file is too long",
             tensor->name);
    if (strcmp(entry.key, "location") == 0 && !is_plain(entry.value))
        STOP(in, reading, TN_E_INVALID,
             "tensor '%s': control bytes or broken UTF-8 in the name of its data file",
             tensor->name);
    if (strcmp(entry.key, "location") == 0)
        (void)tn_text_copy(tensor->location, sizeof(tensor->location), entry.value);
    if (strcmp(entry.key, "offset") == 0 &&
        (!tn_text_i64(entry.value, &tensor->offset) || tensor->offset < 0))
        STOP(in, reading, TN_E_INVALID, "tensor '%s': offset '%.40s' of its data is no number",
             tensor->name, entry.value);
    if (strcmp(entry.key, "length") == 0 &&
        (!tn_text_i64(entry.value, &tensor->length) || tensor->length < 0))
        STOP(in, reading, TN_E_INVALID, "tensor '%s': length '%.40s' of its data is no number",
             tensor->name, entry.value);
    return true;
}

bool tn_reading_tensor_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct tensor_reading *tensor = field->message;

    (void)out;
    switch (field->tag) {
    case tn_pb_Tensor_name_tag:
        return read_name(in, tensor->reading, &tensor->hash, tensor->name);
    case tn_pb_Tensor_dims_tag:
        return read_dims(in, tensor);
    case tn_pb_Tensor_external_data_tag:
        return read_entry(in, tensor);
    case tn_pb_Tensor_raw_data_tag:
    case tn_pb_Tensor_float_data_tag:
    case tn_pb_Tensor_int32_data_tag:
    case tn_pb_Tensor_int64_data_tag:
    case tn_pb_Tensor_double_data_tag:
    case tn_pb_Tensor_uint64_data_tag:
        return read_values(in, tensor);
    default:
        return tn_source_skip(in);
    }
}

/* The file of that location, new if need be; NULL when there are too many or memory has run out. */
static struct tn_model_external *external_at(struct tn_reading *reading, const char *location)
{
    struct tn_model *model = reading->model;
    struct tn_model_external *external;

    /* tensors of one file follow one another */
    for (size_t i = model->external_count; i-- > 0;)
        if (strcmp(model->external[i].location, location) == 0)
            return &model->external[i];
    if (model->external_count == reading->external_capacity) {
        size_t capacity = reading->external_capacity ? reading->external_capacity * 2 : 4;

        if (capacity > TN_ONNX_EXTERNAL_MAX)
            return NULL;
        external = reallocarray(model->external, capacity, sizeof(*external));
        if (!external)
            return NULL;
        model->external = external;
        reading->external_capacity = capacity;
    }
    external = &model->external[model->external_count++];
    memset(external, 0, sizeof(*external));
    (void)tn_text_copy(external->location, sizeof(external->location), location);
    return external;
}

static int64_t bytes_by_dims(const struct tensor_reading *tensor)
{
    int64_t bits;

    if (tensor->elements < 0 ||
        __builtin_mul_overflow(tensor->elements, bits_of(tensor->pb.data_type), &bits))
        return 0;
    return bits / 8 + (bits % 8 != 0);
}

static bool add_external(pb_istream_t *in, struct tensor_reading *tensor)
{
    struct tn_reading *reading = tensor->reading;
    struct tn_model_external *external;
    int64_t end, length = tensor->length >= 0 ? tensor->length : bytes_by_dims(tensor);

    if (tensor->location[0] == '\0')
        STOP(in, reading, TN_E_INVALID, "tensor '%s' has external data but names no file",
             tensor->name);
    if (__builtin_add_overflow(tensor->offset, length, &end))
        STOP(in, reading, TN_E_INVALID, "tensor '%s': its data ends beyond any file", tensor->name);
    external = external_at(reading, tensor->location);
    if (!external)
        STOP(in, reading, TN_E_TOOBIG, "more than %d files of external data",
             (int)TN_ONNX_EXTERNAL_MAX);
    if (external->needed_bytes < end)
        external->needed_bytes = end;
    tensor->data_bytes = length;
    return true;
}

/* @param ret_tensor is zeroed and filled */
static bool read_tensor(pb_istream_t *in, struct tn_reading *reading,
                        struct tensor_reading *ret_tensor)
{
    enum tn_dtype dtype;

    memset(ret_tensor, 0, sizeof(*ret_tensor));
    ret_tensor->reading = reading;
    ret_tensor->elements = 1;
    ret_tensor->length = TN_UNKNOWN;
    if (!read_message(in, tn_pb_Tensor_fields, ret_tensor))
        return false;
    if (ret_tensor->pb.data_location == 1 && !add_external(in, ret_tensor))
        return false;
    dtype = dtype_of(ret_tensor->pb.data_type);
    if (__builtin_add_overflow(reading->weight_bytes[dtype], ret_tensor->data_bytes,
                               &reading->weight_bytes[dtype]))
        reading->weight_bytes[dtype] = INT64_MAX;
    return true;
}

/* What a constant adds to its name. */
static struct tn_name constant_of(const struct tensor_reading *tensor)
{
    bool no_value =
        tensor->pb.data_location == 1 || (tensor->data_bytes == 0 && tensor->elements != 0);

    return (struct tn_name) { .flags = (uint16_t)(TN_NAME_CONSTANT |
                                                  (tensor->nonzero ? TN_NAME_NONZERO : 0) |
                                                  (no_value ? TN_NAME_NO_VALUE : 0)),
                              .dtype = (uint8_t)dtype_of(tensor->pb.data_type) };
}

static void define_constant(struct tn_reading *reading, struct tn_name *name,
                            const struct tn_name *constant, const char *text)
{
    if (name->flags & TN_NAME_CONSTANT)
        name->flags |= TN_NAME_TWICE;
    name->flags |= constant->flags;
    name->dtype = constant->dtype;
    if (constant->dtype != TN_DTYPE_FLOAT) /* the common ones are never quoted */
        tn_names_keep_text(&reading->names, name, text);
}

static bool read_initializer(pb_istream_t *in, struct tn_reading *reading)
{
    struct tensor_reading tensor;
    struct tn_name *name, constant;

    if (!read_tensor(in, reading, &tensor))
        return false;
    name = tn_names_at(&reading->names, tensor.hash);
    if (!name)
        STOP(in, reading, TN_E_TOOBIG, "the model has too many initializers to tell its inputs");
    tn_findings_type(&reading->findings, tensor.pb.data_type, tensor.name);
    constant = constant_of(&tensor);
    constant.flags |= TN_NAME_INITIALIZER;
    define_constant(reading, name, &constant, tensor.name);
    return true;
}

bool tn_reading_sparse_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct sparse_reading *sparse = field->message;
    struct tensor_reading tensor;

    (void)out;
    if (field->tag == tn_pb_SparseTensor_values_tag)
        return read_initializer(in, sparse->reading);
    return read_tensor(in, sparse->reading, &tensor);
}

static bool read_sparse(pb_istream_t *in, struct tn_reading *reading)
{
    struct sparse_reading sparse = { .reading = reading };

    tn_findings_add(&reading->findings, TN_TRAP_SPARSE, NULL);
    return read_message(in, tn_pb_SparseTensor_fields, &sparse);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static bool read_graph(pb_istream_t *in, struct tn_reading *reading);

static bool read_attribute_tensor(pb_istream_t *in, struct attribute_reading *attribute)
{
    struct node_reading *node = attribute->node;
    struct tensor_reading tensor;

    if (!read_tensor(in, node->reading, &tensor))
        return false;
    node->value = constant_of(&tensor);
    node->has_value = true;
    return true;
}

bool tn_reading_attribute_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct attribute_reading *attribute = field->message;

    (void)out;
    switch (field->tag) {
    case tn_pb_Attribute_name_tag:
        return read_text(in, attribute->name, sizeof(attribute->name));
    case tn_pb_Attribute_t_tag:
    case tn_pb_Attribute_tensors_tag:
        return read_attribute_tensor(in, attribute);
    case tn_pb_Attribute_g_tag:
    case tn_pb_Attribute_graphs_tag:
        return read_graph(in, attribute->node->reading);
    case tn_pb_Attribute_sparse_tensor_tag:
    case tn_pb_Attribute_sparse_tensors_tag:
        return read_sparse(in, attribute->node->reading);
    default:
        return tn_source_skip(in);
    }
}

static bool read_attribute(pb_istream_t *in, struct node_reading *node)
{
    struct attribute_reading attribute = { .node = node };

    if (!read_message(in, tn_pb_Attribute_fields, &attribute))
        return false;
    if (attribute.pb.has_i && strcmp(attribute.name, "to") == 0)
        node->to = attribute.pb.i;
    return true;
}

static bool read_input(pb_istream_t *in, struct node_reading *node)
{
    char text[TEXT_MAX];
    bool empty = in->bytes_left == 0; /* an input that is left out */
    uint64_t hash;

    if (!read_name(in, node->reading, &hash, text))
        return false;
    if (empty)
        hash = 0;
    if (node->inputs < TN_COUNT(node->input_text))
        memcpy(node->input_text[node->inputs], text, sizeof(text));
    if (node->inputs < INPUTS_MAX)
        node->input[node->inputs] = hash;
    else if (!empty)
        (void)flag_name(node->reading, hash, TN_NAME_USED, NULL);
    node->inputs++;
    return true;
}

bool tn_reading_node_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct node_reading *node = field->message;

    (void)out;
    switch (field->tag) {
    case tn_pb_Node_input_tag:
        return read_input(in, node);
    case tn_pb_Node_output_tag:
        if (node->output) /* only the first is of interest */
            return tn_source_skip(in);
        return read_name(in, node->reading, &node->output, node->output_text);
    case tn_pb_Node_name_tag:
        return read_text(in, node->name, sizeof(node->name));
    case tn_pb_Node_op_type_tag:
        return read_text(in, node->op, sizeof(node->op));
    case tn_pb_Node_domain_tag:
        return read_text(in, node->domain, sizeof(node->domain));
    case tn_pb_Node_attribute_tag:
        return read_attribute(in, node);
    default:
        return tn_source_skip(in);
    }
}

/* What operators mean for the names that they take: flags for the first three inputs, for the
 * others, and for the output. */
static const struct role {
    const char *op;
    uint16_t input[3];
} roles[] = {
    { "QuantizeLinear", { TN_NAME_USED, TN_NAME_USED, TN_NAME_ZERO_POINT } },
    { "DequantizeLinear", { TN_NAME_SCALED, TN_NAME_USED, TN_NAME_ZERO_POINT } },
    { "If", { TN_NAME_CONDITION, TN_NAME_USED, TN_NAME_USED } },
};

static const struct role *role_of(const char *op)
{
    static const struct role other = { "", { TN_NAME_USED, TN_NAME_USED, TN_NAME_USED } };

    for (size_t i = 0; i < TN_COUNT(roles); i++)
        if (strcmp(op, roles[i].op) == 0)
            return &roles[i];
    return &other;
}

static void flag_inputs(struct node_reading *node)
{
    const struct role *role = role_of(node->op);

    for (size_t i = 0; i < node->inputs && i < INPUTS_MAX; i++) {
        uint16_t flags = i < TN_COUNT(role->input) ? role->input[i] : TN_NAME_USED;

        if (node->input[i])
            (void)flag_name(node->reading, node->input[i], flags,
                            flags == TN_NAME_USED ? NULL : node->input_text[i]);
    }
}

static bool one_of(const char *op, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(op, *list) == 0)
            return true;
    return false;
}

/* What is left of fp32 in a model that was converted to half: casts whose result is computed with,
 * and what it is computed with. */
static void flag_beside_cast(struct node_reading *node)
{
    static const char *const harmless[] = { "Cast", "Resize", "Shape", "Upsample", NULL };
    static const char *const equal_types[] = { "Add",   "Concat", "Conv", "ConvTranspose",
                                               "Div",   "Einsum", "Gemm", "MatMul",
                                               "Max",   "Min",    "Mul",  "Sub",
                                               "Where", NULL };
    struct tn_names *names = &node->reading->names;
    size_t count = node->inputs < INPUTS_MAX ? node->inputs : INPUTS_MAX;
    bool beside = false;

    for (size_t i = 0; i < count && !one_of(node->op, harmless); i++) {
        struct tn_name *name = tn_names_find(names, node->input[i]);

        if (!name || !(name->flags & TN_NAME_FROM_CAST))
            continue;
        name->flags |= TN_NAME_CAST_USED;
        beside = true;
    }
    if (!beside || !one_of(node->op, equal_types))
        return;
    for (size_t i = 0; i < count; i++)
        if (node->input[i])
            (void)flag_name(node->reading, node->input[i], TN_NAME_BESIDE_CAST, NULL);
}

static void flag_output(struct node_reading *node)
{
    struct tn_reading *reading = node->reading;
    bool constant = strcmp(node->op, "Constant") == 0;
    struct tn_name *name;

    if (node->output == 0)
        return;
    if (strcmp(node->op, "Cast") == 0 && node->to == 1)
        (void)flag_name(reading, node->output, TN_NAME_FROM_CAST, node->output_text);
    if (!constant || !(name = flag_name(reading, node->output, 0, NULL)))
        return;
    if (!node->has_value) /* value_float, value_ints and the like: a float or int64 */
        node->value = (struct tn_name) { .flags = TN_NAME_CONSTANT | TN_NAME_NO_VALUE };
    define_constant(reading, name, &node->value, node->output_text);
}

/* How many nodes of each kind there are, and what the parsers make of them. */
static void count_operator(struct node_reading *node)
{
    static const char *const quantizing[] = { "QuantizeLinear", "DequantizeLinear", NULL };
    struct tn_reading *reading = node->reading;
    enum tn_operator_class class = tn_operator_class(node->op);
    char text[2 * TEXT_MAX + 2];

    if (reading->scope == 0)
        reading->model->node_count++;
    reading->quantizing_nodes += one_of(node->op, quantizing);
    reading->integer_nodes += class == TN_OPERATOR_INTEGER;
    tn_findings_operator(&reading->findings, class, node->op, node->name);
    if (class != TN_OPERATOR_UNKNOWN)
        return;
    (void)snprintf(text, sizeof(text), "%s%s%s", node->domain, node->domain[0] ? "::" : "",
                   node->op);
    (void)flag_name(reading, operator_hash(node->domain, node->op), TN_NAME_CUSTOM_OP, text);
}

static void finish_node(struct node_reading *node)
{
    count_operator(node);
    flag_inputs(node);
    flag_beside_cast(node);
    flag_output(node);
}

static bool read_node(pb_istream_t *in, struct tn_reading *reading)
{
    struct node_reading node;

    memset(&node, 0, sizeof(node));
    node.reading = reading;
    if (!read_message(in, tn_pb_Node_fields, &node))
        return false;
    finish_node(&node);
    return true;
}

/* ---- inputs and outputs -------------------------------------------------------------------- */

bool tn_reading_dimension_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct dimension_reading *dimension = field->message;

    (void)out;
    return read_text(in, dimension->param, sizeof(dimension->param));
}

bool tn_reading_shape_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct shape_reading *shape = field->message;
    struct tn_model_io *io = shape->value->io;
    struct dimension_reading dimension = { .param = "" };
    int axis = shape->value->rank++;

    (void)out;
    if (!read_message(in, tn_pb_Dimension_fields, &dimension))
        return false;
    if (axis >= TN_DIMS_MAX) {
        io->io.dims.count = TN_UNKNOWN;
        return true;
    }
    io->io.dims.count = axis + 1;
    io->io.dims.dim[axis] =
        dimension.pb.has_dim_value && dimension.pb.dim_value >= 0 ? dimension.pb.dim_value : -1;
    if (io->io.dims.dim[axis] < 0)
        (void)tn_text_copy(io->axis[axis], sizeof(io->axis[axis]), dimension.param);
    make_plain(io->axis[axis], sizeof(io->axis[axis]));
    return true;
}

bool tn_reading_tensor_type_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct tensor_type_reading *type = field->message;
    struct shape_reading shape = { .value = type->value };

    (void)out;
    type->value->io->io.dims.count = 0; /* there is a shape: a scalar so far */
    type->value->rank = 0;
    return read_message(in, tn_pb_Shape_fields, &shape);
}

bool tn_reading_type_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct type_reading *type = field->message;
    struct tensor_type_reading tensor = { .value = type->value };

    (void)out;
    type->value->io->io.dtype = TN_DTYPE_OTHER; /* sequences, maps, optionals */
    if (field->tag != tn_pb_Type_tensor_type_tag)
        return tn_source_skip(in);
    if (!read_message(in, tn_pb_TensorType_fields, &tensor))
        return false;
    type->value->data_type = tensor.pb.elem_type;
    type->value->io->io.dtype = dtype_of(tensor.pb.elem_type);
    return true;
}

/* The whole name: it is what a profile must say later, so it may not be cut. */
static bool read_io_name(pb_istream_t *in, struct value_reading *value)
{
    struct tn_reading *reading = value->reading;
    char *name = value->io->io.name;
    size_t length = in->bytes_left;

    if (length >= TN_TENSOR_NAME_MAX)
        STOP(in, reading, TN_E_TOOBIG, "an input or output has a name of %zu bytes, at most %d",
             length, TN_TENSOR_NAME_MAX - 1);
    if (!read_text(in, name, TN_TENSOR_NAME_MAX))
        return false;
    value->hash =
        tn_name_hash_end(tn_name_hash_add(TN_NAME_HASH_BEGIN ^ reading->scope, name, length));
    if (strlen(name) != length || !is_plain(name))
        STOP(in, reading, TN_E_INVALID,
             "an input or output has control bytes or broken UTF-8 in its name");
    return true;
}

bool tn_reading_value_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct value_reading *value = field->message;
    struct type_reading type = { .value = value };

    (void)out;
    switch (field->tag) {
    case tn_pb_ValueInfo_name_tag:
        return read_io_name(in, value);
    case tn_pb_ValueInfo_type_tag:
        return read_message(in, tn_pb_Type_fields, &type);
    default:
        return tn_source_skip(in);
    }
}

static bool reserve_io(struct tn_reading *reading)
{
    struct tn_model *model = reading->model;
    size_t capacity = reading->io_capacity ? reading->io_capacity * 2 : 8;
    struct tn_model_io *io;

    if (model->io_count < reading->io_capacity)
        return true;
    io = capacity <= TN_ONNX_IO_MAX ? reallocarray(model->io, capacity, sizeof(*io)) : NULL;
    if (!io)
        return false;
    model->io = io;
    reading->io_capacity = capacity;
    return true;
}

static bool is_initializer(const struct tn_reading *reading, uint64_t hash)
{
    const struct tn_name *name = tn_names_find(&reading->names, hash);

    return name && (name->flags & TN_NAME_INITIALIZER);
}

static bool read_value(pb_istream_t *in, struct tn_reading *reading, bool output)
{
    struct value_reading value = { .reading = reading };
    struct tn_model *model = reading->model;

    if (!reserve_io(reading))
        STOP(in, reading, TN_E_TOOBIG, "more than %d inputs and outputs", (int)TN_ONNX_IO_MAX);
    value.io = &model->io[model->io_count];
    memset(value.io, 0, sizeof(*value.io));
    value.io->io.output = output;
    value.io->io.dims.count = TN_UNKNOWN;
    if (!read_message(in, tn_pb_ValueInfo_fields, &value))
        return false;
    /* up to IR version 3 every initializer is listed as an input too */
    if (!output && is_initializer(reading, value.hash))
        return true;
    tn_findings_type(&reading->findings, value.data_type, value.io->io.name);
    if (value.io->io.dtype == TN_DTYPE_OTHER && value.data_type == 0)
        tn_findings_add(&reading->findings, TN_TRAP_NOT_A_TENSOR, "'%s'", value.io->io.name);
    if (value.rank > TN_TENSORRT_DIMS_MAX)
        tn_findings_add(&reading->findings, TN_TRAP_TOO_MANY_DIMS, "'%s' has %d", value.io->io.name,
                        value.rank);
    if (output)
        (void)flag_name(reading, value.hash, TN_NAME_OUTPUT, NULL);
    model->io_count++;
    return true;
}

/* ---- graphs and the model ------------------------------------------------------------------ */

bool tn_reading_graph_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct graph_reading *graph = field->message;
    struct tn_reading *reading = graph->reading;

    (void)out;
    switch (field->tag) {
    case tn_pb_Graph_node_tag:
        return read_node(in, reading);
    case tn_pb_Graph_initializer_tag:
        return read_initializer(in, reading);
    case tn_pb_Graph_sparse_initializer_tag:
        return read_sparse(in, reading);
    case tn_pb_Graph_input_tag:
    case tn_pb_Graph_output_tag:
        if (reading->depth == 1)
            return read_value(in, reading, field->tag == tn_pb_Graph_output_tag);
        return tn_source_skip(in);
    default:
        return tn_source_skip(in);
    }
}

static bool read_graph(pb_istream_t *in, struct tn_reading *reading)
{
    struct graph_reading graph = { .reading = reading };
    bool good;

    if (reading->depth == TN_ONNX_DEPTH_MAX)
        STOP(in, reading, TN_E_TOOBIG, "sub-graphs lie deeper than %d in one another",
             (int)TN_ONNX_DEPTH_MAX);
    reading->depth++;
    good = read_message(in, tn_pb_Graph_fields, &graph);
    reading->depth--;
    return good;
}

bool tn_reading_function_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct function_reading *function = field->message;

    (void)out;
    switch (field->tag) {
    case tn_pb_Function_name_tag:
        return read_text(in, function->name, sizeof(function->name));
    case tn_pb_Function_domain_tag:
        return read_text(in, function->domain, sizeof(function->domain));
    case tn_pb_Function_node_tag:
        return read_node(in, function->reading);
    default:
        return tn_source_skip(in);
    }
}

static bool read_function(pb_istream_t *in, struct tn_reading *reading)
{
    struct function_reading function = { .reading = reading };
    bool good;

    /* names in a function are its own, and its sub-graphs are never the network */
    reading->scope = (uint64_t)tn_source_offset(reading->source);
    reading->depth++;
    good = read_message(in, tn_pb_Function_fields, &function);
    reading->depth--;
    reading->scope = 0;
    if (good)
        (void)flag_name(reading, operator_hash(function.domain, function.name), TN_NAME_FUNCTION,
                        NULL);
    return good;
}

bool tn_reading_opset_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct opset_reading *opset = field->message;

    (void)out;
    return read_text(in, opset->domain, sizeof(opset->domain));
}

static bool read_opset(pb_istream_t *in, struct tn_reading *reading)
{
    struct opset_reading opset = { .domain = "" };

    if (!read_message(in, tn_pb_Opset_fields, &opset))
        return false;
    if ((opset.domain[0] == '\0' || strcmp(opset.domain, "ai.onnx") == 0) &&
        opset.pb.version > reading->model->opset)
        reading->model->opset = opset.pb.version;
    return true;
}

bool tn_reading_model_field(pb_istream_t *in, pb_ostream_t *out, const pb_field_iter_t *field)
{
    struct model_reading *model = field->message;
    struct tn_reading *reading = model->reading;

    (void)out;
    switch (field->tag) {
    case tn_pb_Model_producer_name_tag:
        return read_text(in, reading->model->producer, sizeof(reading->model->producer));
    case tn_pb_Model_graph_tag:
        reading->graph_seen = true;
        return read_graph(in, reading);
    case tn_pb_Model_opset_import_tag:
        return read_opset(in, reading);
    case tn_pb_Model_functions_tag:
        return read_function(in, reading);
    default:
        return tn_source_skip(in);
    }
}

/* Real inputs first, then outputs, each in the file's order. Initializers that came after the
 * inputs (unusual, but the format allows it) are removed only now. */
static int sort_io(struct tn_reading *reading, struct tn_error *err)
{
    struct tn_model *model = reading->model;
    struct tn_model_io *sorted = calloc(model->io_count + 1, sizeof(*sorted));
    size_t count = 0;

    if (!sorted)
        return tn_fail(err, TN_E_NOMEM, "sort %zu inputs and outputs", model->io_count);
    for (int output = 0; output <= 1; output++) {
        for (size_t i = 0; i < model->io_count; i++) {
            const struct tn_model_io *io = &model->io[i];
            uint64_t hash = tn_name_hash_end(
                tn_name_hash_add(TN_NAME_HASH_BEGIN, io->io.name, strlen(io->io.name)));

            if (io->io.output == (output == 1) && (output || !is_initializer(reading, hash)))
                sorted[count++] = *io;
        }
        if (!output)
            model->input_count = count;
    }
    free(model->io);
    model->io = sorted;
    model->io_count = count;
    return TN_OK;
}

static int decoding_failed(const struct tn_reading *reading, const char *reason,
                           struct tn_error *err)
{
    long long at = (long long)tn_source_offset(reading->source);
    long long size = (long long)reading->source->stamp.size;

    if (reading->source->rc < 0)
        return tn_fail(err, reading->source->rc, "%s", reading->source->error.text);
    if (reading->rc < 0)
        return tn_fail(err, reading->rc, "%s", reading->error.text);
    if (strcmp(reason, "parent stream too short") == 0 || strcmp(reason, "end-of-stream") == 0)
        return tn_fail(err, TN_E_INVALID,
                       "cut off or damaged: the field before byte %lld ends beyond its frame (the "
                       "file has %lld bytes)",
                       at, size);
    return tn_fail(err, TN_E_INVALID, "not an ONNX model, or damaged: %s before byte %lld of %lld",
                   reason, at, size);
}

int tn_reading_run(struct tn_reading *reading, struct tn_error *err)
{
    pb_istream_t in = tn_source_stream(reading->source);
    struct model_reading model = { .reading = reading };

    reading->model->opset = TN_UNKNOWN;
    if (!pb_decode(&in, tn_pb_Model_fields, &model))
        return decoding_failed(reading, PB_GET_ERROR(&in), err);
    if (!reading->graph_seen)
        return tn_fail(err, TN_E_INVALID, "not an ONNX model: it has no graph");
    if (model.pb.ir_version <= 0)
        return tn_fail(err, TN_E_INVALID, "not an ONNX model: it has no IR version");
    make_plain(reading->model->producer, sizeof(reading->model->producer));
    reading->model->ir_version = model.pb.ir_version;
    return sort_io(reading, err);
}

void tn_reading_done(struct tn_reading *reading)
{
    tn_names_done(&reading->names);
}
