#include "onnx/preflight.h"

#include "base/text.h"
#include "onnx/reading.h"

#include <stdlib.h>
#include <string.h>

enum { OPSET_SEEN = 21 };

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

void tn_findings_operator(struct tn_findings *findings, enum tn_operator_class class,
                          const char *op, const char *node)
{
    static const enum tn_trap traps[] = { [TN_OPERATOR_UNKNOWN] = TN_TRAP_COUNT,
                                          [TN_OPERATOR_KNOWN] = TN_TRAP_COUNT,
                                          [TN_OPERATOR_NEWER] = TN_TRAP_NEWER_OP,
                                          [TN_OPERATOR_REFUSED] = TN_TRAP_UNSUPPORTED_OP,
                                          [TN_OPERATOR_INTEGER] = TN_TRAP_INTEGER_OP };

    /* unknown ones wait until the model's own functions have been read */
    if (traps[class] != TN_TRAP_COUNT)
        tn_findings_add(findings, traps[class], "%s%s%s", op, node[0] ? " of node " : "", node);
}

void tn_findings_type(struct tn_findings *findings, int32_t data_type, const char *name)
{
    /* by ONNX's numbers; 24 and later were not tried */
    static const struct {
        int32_t data_type;
        const char *name;
    } refused[] = { { 4, "uint16" },           { 5, "int16" },
                    { 12, "uint32" },          { 13, "uint64" },
                    { 14, "complex64" },       { 15, "complex128" },
                    { 18, "float8 e4m3fnuz" }, { 19, "float8 e5m2" },
                    { 20, "float8 e5m2fnuz" }, { 21, "uint4" } };

    if (data_type == 8)
        tn_findings_add(findings, TN_TRAP_STRINGS, "'%s'", name);
    for (size_t i = 0; i < TN_COUNT(refused); i++)
        if (data_type == refused[i].data_type)
            tn_findings_add(findings, TN_TRAP_UNSUPPORTED_TYPE, "'%s' is %s", name,
                            refused[i].name);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Whether a name has all of the flags `with` and none of `without`. */
static bool is(const struct tn_name *name, int with, int without)
{
    return (name->flags & with) == with && (name->flags & without) == 0;
}

/* int8 and narrower, which the builder takes for quantized floats; uint8 is only a number to it */
static bool quantized(const struct tn_name *name)
{
    return name->dtype == TN_DTYPE_INT8 || name->dtype == TN_DTYPE_INT4 ||
           name->dtype == TN_DTYPE_FP8;
}

static void check_constant(struct tn_findings *findings, const struct tn_name *name,
                           const char *text)
{
    if (is(name, TN_NAME_ZERO_POINT | TN_NAME_NONZERO, 0))
        tn_findings_add(findings, TN_TRAP_NONZERO_ZERO_POINT, "'%s'", text);
    if (is(name, TN_NAME_SCALED, 0) && name->dtype == TN_DTYPE_UINT8)
        tn_findings_add(findings, TN_TRAP_UINT8_WEIGHT, "'%s'", text);
    if (is(name, TN_NAME_SCALED, 0) && name->dtype == TN_DTYPE_INT32)
        tn_findings_add(findings, TN_TRAP_QUANTIZED_BIAS, "'%s'", text);
    if (is(name, TN_NAME_USED, TN_NAME_ZERO_POINT) && quantized(name))
        tn_findings_add(findings, TN_TRAP_QUANTIZED_CONSTANT, "'%s'", text);
    if (is(name, TN_NAME_BESIDE_CAST, 0) && name->dtype == TN_DTYPE_HALF)
        tn_findings_add(findings, TN_TRAP_MIXED_TYPES, "'%s'", text);
}

static void check_name(struct tn_reading *reading, const struct tn_name *name)
{
    struct tn_findings *findings = &reading->findings;
    const char *text = tn_names_text(&reading->names, name);
    bool half = reading->model->precision == TN_PRECISION_FP16;

    if (is(name, TN_NAME_CUSTOM_OP, TN_NAME_FUNCTION))
        tn_findings_add(findings, TN_TRAP_CUSTOM_OP, "%s", text);
    if (is(name, TN_NAME_CONDITION, TN_NAME_CONSTANT))
        tn_findings_add(findings, TN_TRAP_COMPUTED_IF, "'%s'", text);
    if (is(name, TN_NAME_CAST_USED, TN_NAME_OUTPUT) && half)
        tn_findings_add(findings, TN_TRAP_LEFTOVER_CAST, "'%s'", text);
    if (is(name, TN_NAME_CONSTANT, TN_NAME_TWICE))
        check_constant(findings, name, text);
}

/* ---- inputs, outputs, the whole ------------------------------------------------------------ */

/* A name that a tool gives when it knows none: it says nothing about equality. */
static bool placeholder(const char *name)
{
    static const char *const names[] = { "?", "unk", "None", "none", "unknown", "dynamic", "-1" };

    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Axis `a` of one input against the later ones of the same, and placeholders of all later inputs:
 * a true name that two inputs share ("batch") is right as a rule. */
static void check_axis(struct tn_findings *findings, const struct tn_model *model, size_t i, int a)
{
    const struct tn_model_io *io = &model->io[i];
    const char *name = io->axis[a];
    /* a name that was cut is not known to be the same */
    bool ask = name[0] != '\0' && io->io.dims.dim[a] < 0 && strlen(name) + 1 < sizeof(io->axis[a]);

    for (int b = a + 1; ask && b < io->io.dims.count; b++)
        if (strcmp(name, io->axis[b]) == 0) {
            tn_findings_add(findings, TN_TRAP_AXIS_NAMES, "axes %d and %d of '%s' are both '%s'", a,
                            b, io->io.name, name);
            return; /* the next pair begins at b */
        }
    for (size_t k = i + 1; ask && placeholder(name) && k < model->input_count; k++)
        for (int b = 0; b < model->io[k].io.dims.count; b++)
            if (strcmp(name, model->io[k].axis[b]) == 0) {
                tn_findings_add(findings, TN_TRAP_AXIS_NAMES,
                                "axis %d of '%s' and axis %d of '%s' are both '%s'", a, io->io.name,
                                b, model->io[k].io.name, name);
                return;
            }
}

static void check_input(struct tn_findings *findings, const struct tn_model *model, size_t i)
{
    const struct tn_model_io *io = &model->io[i];

    if (io->io.dims.count == TN_UNKNOWN && io->io.dtype != TN_DTYPE_OTHER)
        tn_findings_add(findings, TN_TRAP_DYNAMIC_RANK, "'%s'", io->io.name);
    for (int a = 0; a < io->io.dims.count; a++) {
        check_axis(findings, model, i, a);
        if (io->io.dims.dim[a] == 0)
            tn_findings_add(findings, TN_TRAP_ZERO_DIM, "axis %d of '%s'", a, io->io.name);
    }
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

    for (size_t i = 0; i < model->input_count; i++)
        check_input(findings, model, i);
    for (size_t i = 0; i < model->external_count; i++)
        check_external(findings, &model->external[i]);
    for (size_t i = 0; i < reading->names.slots; i++)
        if (reading->names.slot[i].hash)
            check_name(reading, &reading->names.slot[i]);
    if (model->io_count == model->input_count)
        tn_findings_add(findings, TN_TRAP_NO_OUTPUTS, NULL);
    if (reading->quantizing_nodes > 0)
        tn_findings_add(findings, TN_TRAP_QDQ_RELEASES, NULL);
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
