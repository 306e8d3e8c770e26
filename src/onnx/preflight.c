#include "onnx/preflight.h"

#include "base/text.h"
#include "onnx/reading.h"

#include <stdlib.h>
#include <string.h>

enum { OPSET_SEEN = 21 }; /* newest whose models were built with every release at hand */

static const struct row {
    enum tn_severity severity;
    const char *code, *detail, *remedy;
} rows[] = {
#define X(name, severity, code, detail, remedy) { TN_SEVERITY_##severity, code, detail, remedy },
    TN_TRAPS(X)
#undef X
};

void tn_findings_add(struct tn_findings *findings, enum tn_trap trap, const char *format, ...)
{
    tn_auto(tn_buf_done) struct tn_buf safe = TN_BUF(4096);
    char example[sizeof(findings->trap[trap].example)];
    va_list args;

    if (findings->trap[trap].count < UINT32_MAX)
        findings->trap[trap].count++;
    if (findings->trap[trap].count > 1 || !format)
        return;
    va_start(args, format);
    (void)vsnprintf(example, sizeof(example), format, args);
    va_end(args);
    tn_text_add_safe(&safe, example, strlen(example));
    (void)tn_text_copy(findings->trap[trap].example, sizeof(findings->trap[trap].example),
                       tn_buf_text(&safe));
}

/* Operators by name, whatever their domain: TensorRT's parser looks at the name alone. */
static const struct {
    const char *op;
    enum tn_trap trap;
} operators[] = {
    { "ConvInteger", TN_TRAP_INTEGER_OP },
    { "DynamicQuantizeLinear", TN_TRAP_INTEGER_OP },
    { "DynamicQuantizeLSTM", TN_TRAP_INTEGER_OP },
    { "DynamicQuantizeMatMul", TN_TRAP_INTEGER_OP },
    { "MatMulInteger", TN_TRAP_INTEGER_OP },
    { "MatMulIntegerToFloat", TN_TRAP_INTEGER_OP },
    { "QAttention", TN_TRAP_INTEGER_OP },
    { "QGemm", TN_TRAP_INTEGER_OP },
    { "QLinearConv", TN_TRAP_INTEGER_OP },
    { "QLinearMatMul", TN_TRAP_INTEGER_OP },
    { "Det", TN_TRAP_UNSUPPORTED_OP },
};

bool tn_findings_operator(struct tn_findings *findings, const char *op, const char *node)
{
    for (size_t i = 0; i < TN_COUNT(operators); i++) {
        if (strcmp(op, operators[i].op) != 0)
            continue;
        tn_findings_add(findings, operators[i].trap, "%s%s%s", op, node[0] ? " of node " : "",
                        node);
        return operators[i].trap == TN_TRAP_INTEGER_OP;
    }
    return false;
}

void tn_findings_tensor(struct tn_findings *findings, int32_t data_type, const char *name)
{
    if (data_type == 8)
        tn_findings_add(findings, TN_TRAP_STRINGS, "'%s'", name);
    if (data_type == 19)
        tn_findings_add(findings, TN_TRAP_FLOAT8_E5M2, "'%s'", name);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Whether a name has all of the flags `with` and none of `without`. */
static bool is(const struct tn_name *name, int with, int without)
{
    return (name->flags & with) == with && (name->flags & without) == 0;
}

static bool quantized(const struct tn_name *name)
{
    return name->dtype == TN_DTYPE_INT8 || name->dtype == TN_DTYPE_INT4 ||
           name->dtype == TN_DTYPE_FP8;
}

static void check_name(struct tn_reading *reading, const struct tn_name *name)
{
    struct tn_findings *findings = &reading->findings;
    const char *text = tn_names_text(&reading->names, name);

    if (is(name, TN_NAME_CUSTOM_OP, TN_NAME_FUNCTION))
        tn_findings_add(findings, TN_TRAP_CUSTOM_OP, "%s", text);
    if (is(name, TN_NAME_CONDITION, TN_NAME_CONSTANT))
        tn_findings_add(findings, TN_TRAP_COMPUTED_IF, "'%s'", text);
    if (!is(name, TN_NAME_CONSTANT, TN_NAME_TWICE))
        return;
    if (is(name, TN_NAME_ZERO_POINT, 0) && name->dtype == TN_DTYPE_UINT8)
        tn_findings_add(findings, TN_TRAP_UINT8_ZERO_POINT, "'%s'", text);
    else if (is(name, TN_NAME_ZERO_POINT | TN_NAME_NONZERO, 0))
        tn_findings_add(findings, TN_TRAP_NONZERO_ZERO_POINT, "'%s'", text);
    if (is(name, TN_NAME_SCALED, 0) && name->dtype == TN_DTYPE_INT32)
        tn_findings_add(findings, TN_TRAP_QUANTIZED_BIAS, "'%s'", text);
    if (is(name, TN_NAME_USED, TN_NAME_ZERO_POINT) && quantized(name))
        tn_findings_add(findings, TN_TRAP_QUANTIZED_CONSTANT, "'%s'", text);
}

/* ---- inputs, outputs, the whole ------------------------------------------------------------ */

static void check_axis_names(struct tn_findings *findings, const struct tn_model_io *io)
{
    for (int a = 0; a < io->io.dims.count; a++)
        for (int b = a + 1; b < io->io.dims.count; b++)
            if (io->axis[a][0] != '\0' && strcmp(io->axis[a], io->axis[b]) == 0)
                tn_findings_add(findings, TN_TRAP_AXIS_NAMES,
                                "axes %d and %d of '%s' are both '%s'", a, b, io->io.name,
                                io->axis[a]);
}

static void check_io(struct tn_findings *findings, const struct tn_model_io *io)
{
    const struct tn_dims *dims = &io->io.dims;

    if (io->io.dtype == TN_DTYPE_STRING)
        tn_findings_add(findings, TN_TRAP_STRINGS, "'%s'", io->io.name);
    if (io->io.dtype == TN_DTYPE_UNKNOWN && !io->io.output)
        tn_findings_add(findings, TN_TRAP_NOT_A_TENSOR, "'%s'", io->io.name);
    if (io->io.output)
        return;
    check_axis_names(findings, io);
    if (dims->count == TN_UNKNOWN)
        tn_findings_add(findings, TN_TRAP_DYNAMIC_RANK, "'%s'", io->io.name);
    for (int i = 0; i < dims->count; i++)
        if (dims->dim[i] == 0)
            tn_findings_add(findings, TN_TRAP_ZERO_DIM, "axis %d of '%s'", i, io->io.name);
}

static void check_external(struct tn_findings *findings, const struct tn_model_external *external)
{
    if (external->stamp.inode == 0)
        tn_findings_add(findings, TN_TRAP_EXTERNAL_MISSING, "'%s', %lld bytes are needed",
                        external->location, (long long)external->needed_bytes);
    else if (external->stamp.size < external->needed_bytes)
        tn_findings_add(findings, TN_TRAP_EXTERNAL_SHORT,
                        "'%s', %lld bytes are needed, it has %lld", external->location,
                        (long long)external->needed_bytes, (long long)external->stamp.size);
}

static void check_model(struct tn_reading *reading)
{
    const struct tn_model *model = reading->model;
    struct tn_findings *findings = &reading->findings;

    for (size_t i = 0; i < model->io_count; i++)
        check_io(findings, &model->io[i]);
    for (size_t i = 0; i < model->external_count; i++)
        check_external(findings, &model->external[i]);
    for (size_t i = 0; i < reading->names.slots; i++)
        if (reading->names.slot[i].hash)
            check_name(reading, &reading->names.slot[i]);
    if (model->io_count == model->input_count)
        tn_findings_add(findings, TN_TRAP_NO_OUTPUTS, NULL);
    if (model->opset > OPSET_SEEN)
        tn_findings_add(findings, TN_TRAP_NEW_OPSET, "opset %lld", (long long)model->opset);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void write_row(const struct tn_findings *findings, enum tn_trap trap,
                      struct tn_preflight *ret_row)
{
    const struct row *row = &rows[trap];
    uint32_t count = findings->trap[trap].count;
    const char *example = findings->trap[trap].example;
    char more[32] = "";

    ret_row->severity = row->severity;
    (void)tn_text_copy(ret_row->code, sizeof(ret_row->code), row->code);
    (void)tn_text_copy(ret_row->remedy, sizeof(ret_row->remedy), row->remedy);
    if (count > 1)
        (void)snprintf(more, sizeof(more), " (and %u more)", count - 1);
    (void)snprintf(ret_row->detail, sizeof(ret_row->detail), "%s%s%s%s", row->detail,
                   example[0] ? ": " : "", example, more);
}

int tn_preflight(struct tn_reading *reading, struct tn_error *err)
{
    struct tn_model *model = reading->model;
    struct tn_preflight *list = calloc(TN_TRAP_COUNT, sizeof(*list));
    size_t count = 0;

    if (!list)
        return tn_fail(err, TN_E_NOMEM, "preflight of '%s'", model->path);
    check_model(reading);
    for (int severity = TN_SEVERITY_STOPS; severity >= TN_SEVERITY_NOTE; severity--)
        for (int trap = 0; trap < TN_TRAP_COUNT; trap++)
            if ((int)rows[trap].severity == severity && reading->findings.trap[trap].count > 0)
                write_row(&reading->findings, (enum tn_trap)trap, &list[count++]);
    model->preflight = list;
    model->preflight_count = count;
    return TN_OK;
}
