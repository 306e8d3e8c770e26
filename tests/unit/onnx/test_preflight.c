/* Each trap by the smallest model that has it, and beside it the nearest one that has not. What
 * real releases do with such models is tests/scenario/test_onnx_facts.py. */
#include "base/file.h"
#include "model_bytes.h"
#include "onnx/onnx.h"
#include "tn_test.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const shape[] = { "4", "8", NULL };
static const char *const nine[] = { "1", "1", "1", "1", "1", "1", "1", "1", "1", NULL };
static const char one[8] = { 1 };
static const char zero[8] = { 0 };

static void input(struct tn_buf *graph, const char *name, int type, const char *const *axes)
{
    put_io(graph, 11, name, type, axes);
}

static void weight(struct tn_buf *graph, const char *name, int type, const char *data)
{
    put_tensor(graph, 5, name, type, 1, data, type == F16 ? 2 : type == F32 || type == I32 ? 4 : 1);
}

static void cast_to_float(struct tn_buf *graph, const char *from, const char *to)
{
    struct tn_buf attribute = BYTES();

    put_text(&attribute, 1, "to");
    put_int(&attribute, 3, F32);
    put_node(graph, "Cast", "", from, to, &attribute);
}

static void no_output(struct tn_buf *graph)
{
    input(graph, "x", F32, shape);
}

static void uint16_input(struct tn_buf *graph)
{
    input(graph, "n", U16, shape);
}

static void uint8_input(struct tn_buf *graph)
{
    input(graph, "n", U8, shape);
}

static void e5m2_weight(struct tn_buf *graph)
{
    weight(graph, "w", E5M2, zero);
}

static void string_weight(struct tn_buf *graph)
{
    weight(graph, "w", STR, zero);
}

static void sequence_input(struct tn_buf *graph)
{
    struct tn_buf value = BYTES(), type = BYTES();

    put_text(&type, 4, "");
    put_text(&value, 1, "q");
    put_message(&value, 2, &type);
    put_message(graph, 11, &value);
}

static void nine_axes(struct tn_buf *graph)
{
    input(graph, "x", F32, nine);
}

static void eight_axes(struct tn_buf *graph)
{
    input(graph, "x", F32, nine + 1);
}

static void sparse_weight(struct tn_buf *graph)
{
    struct tn_buf sparse = BYTES();

    put_tensor(&sparse, 1, "w", F32, 1, one, 4);
    put_message(graph, 15, &sparse);
}

static void unsupported(struct tn_buf *graph)
{
    put_node(graph, "Det", "", "x", "d", NULL);
}

static void integer_matmul(struct tn_buf *graph)
{
    put_node(graph, "MatMulInteger", "", "x x", "d", NULL);
}

static void dynamic_lstm(struct tn_buf *graph)
{
    put_node(graph, "DynamicQuantizeLSTM", "com.microsoft", "x x", "d", NULL);
}

static void quantize(struct tn_buf *graph, int type, const char *value)
{
    put_node(graph, "QuantizeLinear", "", "x s z", "q", NULL);
    weight(graph, "s", F32, one);
    weight(graph, "z", type, value);
}

static void zero_point_one(struct tn_buf *graph)
{
    quantize(graph, I8, one);
}

static void zero_point_uint8_zero(struct tn_buf *graph)
{
    quantize(graph, U8, zero);
}

static void dequantize(struct tn_buf *graph, int type)
{
    put_node(graph, "DequantizeLinear", "", "w s", "d", NULL);
    weight(graph, "s", F32, one);
    weight(graph, "w", type, one);
}

static void weight_uint8(struct tn_buf *graph)
{
    dequantize(graph, U8);
}

static void weight_int8(struct tn_buf *graph)
{
    dequantize(graph, I8);
}

static void bias_int32(struct tn_buf *graph)
{
    dequantize(graph, I32);
}

static void gathered_int8(struct tn_buf *graph)
{
    put_node(graph, "Gather", "", "w x", "g", NULL);
    weight(graph, "w", I8, one);
}

static void gathered_uint8(struct tn_buf *graph)
{
    put_node(graph, "Gather", "", "w x", "g", NULL);
    weight(graph, "w", U8, one);
}

static void half_beside_cast(struct tn_buf *graph)
{
    cast_to_float(graph, "x", "c");
    put_node(graph, "MatMul", "", "c w", "m", NULL);
    weight(graph, "w", F16, one);
}

static void half_resized_after_cast(struct tn_buf *graph)
{
    cast_to_float(graph, "x", "c");
    put_node(graph, "Resize", "", "c w", "m", NULL);
    weight(graph, "w", F16, one);
}

static void half_power_of_cast(struct tn_buf *graph)
{
    cast_to_float(graph, "x", "c");
    put_node(graph, "Pow", "", "c w", "m", NULL);
    weight(graph, "w", F16, one);
}

static void custom(struct tn_buf *graph)
{
    put_node(graph, "Fancy", "my.own", "x", "d", NULL);
}

static void known_name_in_other_domain(struct tn_buf *graph)
{
    put_node(graph, "Gelu", "com.microsoft", "x", "d", NULL);
}

static void newer(struct tn_buf *graph)
{
    put_node(graph, "Swish", "", "x", "d", NULL);
}

static void same_name_in_one_input(struct tn_buf *graph)
{
    static const char *const axes[] = { "n", "n", NULL };

    input(graph, "a", F32, axes);
}

static void placeholder_in_two_inputs(struct tn_buf *graph)
{
    static const char *const axes[] = { "?", "3", NULL };

    input(graph, "a", F32, axes);
    input(graph, "b", F32, axes);
}

static void batch_in_two_inputs(struct tn_buf *graph)
{
    static const char *const axes[] = { "batch", "3", NULL };

    input(graph, "a", F32, axes);
    input(graph, "b", F32, axes);
}

static void computed_if(struct tn_buf *graph)
{
    put_node(graph, "Equal", "", "x x", "c", NULL);
    put_node(graph, "If", "", "c", "i", NULL);
}

static void constant_if(struct tn_buf *graph)
{
    put_node(graph, "If", "", "c", "i", NULL);
    weight(graph, "c", BOOLEAN, one);
}

static void no_rank(struct tn_buf *graph)
{
    input(graph, "a", F32, NULL);
}

static void zero_axis(struct tn_buf *graph)
{
    static const char *const axes[] = { "0", "3", NULL };

    input(graph, "a", F32, axes);
}

static const struct {
    const char *code; /* the trap that the model has, or "" */
    enum tn_severity severity;
    void (*add)(struct tn_buf *graph);
} rows[] = {
    { "unsupported-type", TN_SEVERITY_STOPS, uint16_input },
    { "", 0, uint8_input },
    { "unsupported-type", TN_SEVERITY_STOPS, e5m2_weight },
    { "string-tensor", TN_SEVERITY_STOPS, string_weight },
    { "not-a-tensor", TN_SEVERITY_STOPS, sequence_input },
    { "too-many-dims", TN_SEVERITY_STOPS, nine_axes },
    { "", 0, eight_axes },
    { "sparse-tensor", TN_SEVERITY_STOPS, sparse_weight },
    { "unsupported-operator", TN_SEVERITY_STOPS, unsupported },
    { "integer-operator", TN_SEVERITY_STOPS, integer_matmul },
    { "integer-operator", TN_SEVERITY_STOPS, dynamic_lstm },
    { "nonzero-zero-point", TN_SEVERITY_STOPS, zero_point_one },
    { "quantized-model", TN_SEVERITY_NOTE, zero_point_uint8_zero },
    { "uint8-weight", TN_SEVERITY_STOPS, weight_uint8 },
    { "quantized-model", TN_SEVERITY_NOTE, weight_int8 },
    { "quantized-bias", TN_SEVERITY_STOPS, bias_int32 },
    { "quantized-constant", TN_SEVERITY_STOPS, gathered_int8 },
    { "", 0, gathered_uint8 },
    { "mixed-types", TN_SEVERITY_STOPS, half_beside_cast },
    { "", 0, half_resized_after_cast },
    { "leftover-cast", TN_SEVERITY_WARNING, half_power_of_cast },
    { "custom-operator", TN_SEVERITY_WARNING, custom },
    { "", 0, known_name_in_other_domain },
    { "newer-operator", TN_SEVERITY_WARNING, newer },
    { "ambiguous-axis-names", TN_SEVERITY_WARNING, same_name_in_one_input },
    { "ambiguous-axis-names", TN_SEVERITY_WARNING, placeholder_in_two_inputs },
    { "", 0, batch_in_two_inputs },
    { "computed-condition", TN_SEVERITY_WARNING, computed_if },
    { "", 0, constant_if },
    { "dynamic-rank", TN_SEVERITY_WARNING, no_rank },
    { "zero-dim", TN_SEVERITY_WARNING, zero_axis },
};

/* Reads a model made of what `add` adds and an output, if any. */
static struct tn_model model_with(void (*add)(struct tn_buf *graph), bool output, int64_t opset)
{
    char path[] = "/tmp/tenon-preflight-XXXXXX";
    struct tn_buf graph = BYTES(), bytes;
    struct tn_error err = { 0 };
    struct tn_model model = { 0 };
    int fd = mkstemp(path);

    add(&graph);
    if (output)
        put_io(&graph, 12, "y", F32, shape);
    bytes = make_model(&graph, opset);
    assert_true(fd >= 0);
    assert_int_equal(tn_file_write_all(fd, tn_buf_text(&bytes), bytes.size, &err), 0);
    assert_int_equal(close(fd), 0);
    if (tn_model_read(path, &model, &err) < 0)
        fail_msg("%s", err.text);
    (void)unlink(path);
    tn_buf_done(&bytes);
    return model;
}

TEST(preflight__finds_each_trap_and_only_where_it_is)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_model model = model_with(rows[i].add, true, 17);
        bool stops = rows[i].severity == TN_SEVERITY_STOPS;

        if (rows[i].code[0] == '\0' && model.preflight_count > 0)
            fail_msg("row %zu: '%s' is not there", i, model.preflight[0].code);
        if (rows[i].code[0] != '\0') {
            if (model.preflight_count == 0)
                fail_msg("row %zu: '%s' was not found", i, rows[i].code);
            assert_string_equal(model.preflight[0].code, rows[i].code);
            assert_int_equal(model.preflight[0].severity, rows[i].severity);
            assert_true(model.preflight[0].detail[0] != '\0');
        }
        assert_int_equal(tn_model_stopper(&model) != NULL, stops);
        tn_model_done(&model);
    }
}

TEST(preflight__a_model_without_output_stops)
{
    struct tn_model model = model_with(no_output, false, 17);

    assert_non_null(tn_model_stopper(&model));
    assert_string_equal(tn_model_stopper(&model)->code, "no-outputs");
    tn_model_done(&model);
}

TEST(preflight__notes_an_opset_newer_than_those_seen)
{
    struct tn_model model = model_with(uint8_input, true, 99);

    assert_int_equal(model.preflight_count, 1);
    assert_string_equal(model.preflight[0].code, "new-opset");
    assert_int_equal(model.preflight[0].severity, TN_SEVERITY_NOTE);
    tn_model_done(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preflight__finds_each_trap_and_only_where_it_is),
        cmocka_unit_test(preflight__a_model_without_output_stops),
        cmocka_unit_test(preflight__notes_an_opset_newer_than_those_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
