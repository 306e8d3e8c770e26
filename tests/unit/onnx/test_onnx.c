#include "base/file.h"
#include "base/json.h"
#include "model_bytes.h"
#include "onnx/onnx.h"
#include "tn_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

/* Two, for calls that need two at once. */
static const char *in_folder(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static const char *in_folder_too(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Makes a file look old, so that a change in the same tick of the file system's clock shows. */
static void age_file(const char *name)
{
    const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

    assert_int_equal(utimensat(AT_FDCWD, in_folder(name), old, 0), 0);
}

/* Writes the model that a graph makes, both taken. */
static void write_model(const char *name, struct tn_buf *graph)
{
    struct tn_buf model = make_model(graph, 17);

    write_file(name, tn_buf_text(&model), model.size);
    tn_buf_done(&model);
}

static struct tn_model read_model(const char *name)
{
    struct tn_model model = { 0 };
    struct tn_error err = { 0 };

    if (tn_model_read(in_folder(name), &model, &err) < 0)
        fail_msg("%s", err.text);
    return model;
}

static void expect_refusal(const char *name, int code, const char *words)
{
    struct tn_model model = { .io_count = 77 };
    struct tn_error err = { 0 };

    assert_int_equal(tn_model_read(in_folder(name), &model, &err), code);
    assert_int_equal(model.io_count, 77); /* outputs are untouched on failure */
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
}

static const struct tn_preflight *find_row(const struct tn_model *model, const char *code)
{
    for (size_t i = 0; i < model->preflight_count; i++)
        if (strcmp(model->preflight[i].code, code) == 0)
            return &model->preflight[i];
    return NULL;
}

static const char *const any_shape[] = { "batch", "3", "", NULL };
static const char *const fixed_shape[] = { "4", "8", NULL };

/* x -> Relu -> y, to which a test adds. */
static struct tn_buf relu_graph(void)
{
    struct tn_buf graph = BYTES();

    put_node(&graph, "Relu", "", "x", "y", NULL);
    put_io(&graph, 11, "x", F32, fixed_shape);
    put_io(&graph, 12, "y", F32, fixed_shape);
    return graph;
}

/* ---- facts --------------------------------------------------------------------------------- */

TEST(facts__are_those_of_the_file)
{
    static const float ones[] = { 1, 1, 1 };
    struct tn_buf graph = BYTES();
    struct tn_model model;

    put_node(&graph, "Add", "", "x w", "s", NULL);
    put_node(&graph, "Relu", "", "s", "y", NULL);
    put_tensor(&graph, 5, "w", F32, 3, ones, sizeof(ones));
    put_io(&graph, 11, "x", F32, any_shape);
    put_io(&graph, 11, "w", F32, any_shape); /* an initializer, as IR version 3 lists it */
    put_io(&graph, 12, "y", F16, NULL);
    put_io(&graph, 11, "n", I64, any_shape + 3); /* a scalar, after the output */
    write_model("facts.onnx", &graph);

    model = read_model("facts.onnx");
    assert_int_equal(model.ir_version, 8);
    assert_int_equal(model.opset, 17);
    assert_string_equal(model.producer, "tenon-test");
    assert_int_equal(model.node_count, 2);
    assert_int_equal(model.precision, TN_PRECISION_FP32);
    assert_int_equal(model.input_count, 2);
    assert_int_equal(model.io_count, 3);
    assert_string_equal(model.io[0].io.name, "x");
    assert_int_equal(model.io[0].io.dtype, TN_DTYPE_FLOAT);
    assert_int_equal(model.io[0].io.dims.count, 3);
    assert_int_equal(model.io[0].io.dims.dim[0], -1);
    assert_int_equal(model.io[0].io.dims.dim[1], 3);
    assert_int_equal(model.io[0].io.dims.dim[2], -1);
    assert_string_equal(model.io[0].axis[0], "batch");
    assert_string_equal(model.io[0].axis[2], "");
    assert_string_equal(model.io[1].io.name, "n");
    assert_int_equal(model.io[1].io.dims.count, 0);
    assert_string_equal(model.io[2].io.name, "y");
    assert_true(model.io[2].io.output);
    assert_true(model.io[2].io.dims.count < 0);
    tn_model_done(&model);
}

TEST(facts__an_initializer_after_its_input_is_no_input_either)
{
    struct tn_buf graph = BYTES();
    struct tn_model model;

    put_io(&graph, 11, "w", F32, fixed_shape);
    put_io(&graph, 11, "x", F32, fixed_shape);
    put_tensor(&graph, 5, "w", F32, 1, "\0\0\200?", 4);
    put_io(&graph, 12, "y", F32, fixed_shape);
    put_node(&graph, "Add", "", "x w", "y", NULL);
    write_model("order.onnx", &graph);

    model = read_model("order.onnx");
    assert_int_equal(model.input_count, 1);
    assert_int_equal(model.io_count, 2);
    assert_string_equal(model.io[0].io.name, "x");
    tn_model_done(&model);
}

TEST(facts__digest_of_one_file_is_its_sha256)
{
    struct tn_buf graph = relu_graph(), bytes = BYTES();
    struct tn_error err = { 0 };
    struct tn_digest digest;
    struct tn_model model;

    write_model("digest.onnx", &graph);
    assert_int_equal(tn_file_read(in_folder("digest.onnx"), &bytes, &err), 0);
    assert_int_equal(tn_digest_of(tn_buf_text(&bytes), bytes.size, &digest, &err), 0);
    model = read_model("digest.onnx");
    assert_true(tn_digest_equal(&model.digest, &digest));
    assert_int_equal(model.size_bytes, bytes.size);
    tn_model_done(&model);
    tn_buf_done(&bytes);
}

/* ---- precision ----------------------------------------------------------------------------- */

TEST(precision__is_the_type_of_most_weight_bytes)
{
    static const struct {
        int type;
        enum tn_precision precision;
    } rows[] = { { F16, TN_PRECISION_FP16 },
                 { BF16, TN_PRECISION_BF16 },
                 { F32, TN_PRECISION_FP32 },
                 { F64, TN_PRECISION_FP32 },
                 { I64, TN_PRECISION_FP32 } };
    static const char data[64] = "some weights";

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_buf graph = relu_graph();
        struct tn_model model;

        put_tensor(&graph, 5, "big", rows[i].type, 8, data, 64);
        put_tensor(&graph, 5, "small", F32, 8, data, 32);
        write_model("precision.onnx", &graph);
        model = read_model("precision.onnx");
        assert_int_equal(model.precision, rows[i].precision);
        tn_model_done(&model);
    }
}

/* x -> Q -> DQ -> y with a zero point of that type and value. */
static struct tn_buf quantized_graph(int type, const char *zero_point)
{
    struct tn_buf graph = BYTES();

    put_node(&graph, "QuantizeLinear", "", "x s z", "q", NULL);
    put_node(&graph, "DequantizeLinear", "", "q s z", "y", NULL);
    put_tensor(&graph, 5, "s", F32, 1, "\0\0\200?", 4);
    put_tensor(&graph, 5, "z", type, 1, zero_point, 1);
    put_io(&graph, 11, "x", F32, fixed_shape);
    put_io(&graph, 12, "y", F32, fixed_shape);
    return graph;
}

TEST(precision__of_a_quantized_model_is_that_of_its_zero_points)
{
    static const struct {
        int type;
        enum tn_precision precision;
    } rows[] = { { I8, TN_PRECISION_INT8 },
                 { U8, TN_PRECISION_INT8 },
                 { E4M3, TN_PRECISION_FP8 },
                 { I4, TN_PRECISION_INT4 },
                 { FP4, TN_PRECISION_FP4 } };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_buf graph = quantized_graph(rows[i].type, "");
        struct tn_model model;

        write_model("quantized.onnx", &graph);
        model = read_model("quantized.onnx");
        assert_int_equal(model.precision, rows[i].precision);
        assert_null(tn_model_stopper(&model));
        assert_non_null(find_row(&model, "quantized-model"));
        tn_model_done(&model);
    }
}

/* ---- what is no model ---------------------------------------------------------------------- */

TEST(refuses__what_is_no_model_with_a_text_of_its_own)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } rows[] = {
        { "", 0, "is empty" },
        { "version https://git-lfs.github.com/spec/v1\noid sha256:00\n", 57, "git lfs pull" },
        { "<html><body>404</body></html>\n", 30, "text, not an ONNX model" },
        { "vtrt\0\0\0\0\2\0\0\0", 12, "TensorRT-RTX engine" },
        { "ftrt\0\0\0\0\2\0\0\0", 12, "TensorRT engine" },
        { "PK\3\4\24\0\0\0", 8, "zip archive" },
        { "\10\10", 2, "no graph" },
        { "\72\0", 2, "no IR version" },
        { "\10\0\72\0", 4, "no IR version" },
        { "\10\10\72\177x", 5, "cut off" },
        { "\377\377\377\377", 4, "not an ONNX model" },
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        write_file("bad.onnx", rows[i].bytes, rows[i].size);
        expect_refusal("bad.onnx", TN_E_INVALID, rows[i].words);
    }
    expect_refusal("nothing.onnx", TN_E_NOTFOUND, "nothing.onnx");
    expect_refusal(".", TN_E_INVALID, "folder");
}

TEST(refuses__a_file_over_two_gibibytes_without_reading_it)
{
    struct tn_buf graph = relu_graph();

    write_model("huge.onnx", &graph);
    assert_int_equal(truncate(in_folder("huge.onnx"), 5LL << 30), 0);
    expect_refusal("huge.onnx", TN_E_TOOBIG, "external data");
}

TEST(answers__whatever_length_the_file_is_cut_at)
{
    struct tn_buf graph = quantized_graph(I8, "\3"), bytes;

    put_external(&graph, "e", 8, "gone.bin", "0", "32");
    bytes = make_model(&graph, 17);
    for (size_t size = 0; size < bytes.size; size++) {
        struct tn_model model = { 0 };
        struct tn_error err = { 0 };

        write_file("cut.onnx", tn_buf_text(&bytes), size);
        if (tn_model_read(in_folder("cut.onnx"), &model, &err) < 0)
            assert_true(err.code == TN_E_INVALID && err.text[0] != '\0');
        else
            assert_true(size >= bytes.size - 4); /* only the opset is missing */
        tn_model_done(&model);
    }
    tn_buf_done(&bytes);
}

TEST(answers__whichever_byte_is_flipped)
{
    struct tn_buf graph = quantized_graph(I8, "\3"), bytes;

    put_external(&graph, "e", 8, "gone.bin", "0", "32");
    bytes = make_model(&graph, 17);
    for (size_t i = 0; i < bytes.size; i++) {
        struct tn_model model = { 0 };
        struct tn_error err = { 0 };

        bytes.data[i] = (char)~bytes.data[i];
        write_file("flip.onnx", tn_buf_text(&bytes), bytes.size);
        bytes.data[i] = (char)~bytes.data[i];
        if (tn_model_read(in_folder("flip.onnx"), &model, &err) < 0)
            assert_true(err.text[0] != '\0');
        tn_model_done(&model);
    }
    tn_buf_done(&bytes);
}

/* ---- limits -------------------------------------------------------------------------------- */

/* A graph whose node's attribute holds a graph, and so on. */
static void write_nested(const char *name, int depth)
{
    struct tn_buf graph = relu_graph();

    for (int i = 1; i < depth; i++) {
        struct tn_buf attribute = BYTES(), outer = i + 1 < depth ? BYTES() : relu_graph();

        put_text(&attribute, 1, "body");
        put_message(&attribute, 6, &graph);
        put_node(&outer, "Loop", "", "", "l", &attribute);
        graph = outer;
    }
    write_model(name, &graph);
}

TEST(limits__sub_graphs_are_followed_sixteen_deep)
{
    struct tn_model model;

    write_nested("nested.onnx", 16);
    model = read_model("nested.onnx");
    assert_int_equal(model.node_count, 17);
    assert_int_equal(model.io_count, 2); /* those of the network alone */
    tn_model_done(&model);
    write_nested("nested.onnx", 17);
    expect_refusal("nested.onnx", TN_E_TOOBIG, "deeper than 16");
    write_nested("nested.onnx", 3000);
    expect_refusal("nested.onnx", TN_E_TOOBIG, "deeper than 16");
}

TEST(limits__names_and_counts_are_bounded)
{
    struct tn_buf graph = BYTES();
    char name[400];

    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    put_io(&graph, 11, name, F32, fixed_shape);
    write_model("long.onnx", &graph);
    {
        struct tn_model model = read_model("long.onnx");

        assert_string_equal(model.io[0].io.name, name);
        tn_model_done(&model);
    }
    name[255] = 'n';
    name[256] = '\0';
    graph = (struct tn_buf)BYTES();
    put_io(&graph, 11, name, F32, fixed_shape);
    write_model("long.onnx", &graph);
    expect_refusal("long.onnx", TN_E_TOOBIG, "256 bytes");

    graph = (struct tn_buf)BYTES();
    put_io(&graph, 11, "with\nbreak", F32, fixed_shape);
    write_model("long.onnx", &graph);
    expect_refusal("long.onnx", TN_E_INVALID, "control bytes");

    graph = (struct tn_buf)BYTES();
    for (int i = 0; i <= 4096; i++) {
        (void)snprintf(name, sizeof(name), "i%d", i);
        put_io(&graph, 11, name, F32, fixed_shape);
    }
    write_model("many.onnx", &graph);
    expect_refusal("many.onnx", TN_E_TOOBIG, "4096 inputs");
}

TEST(limits__more_names_than_are_kept_give_facts_all_the_same)
{
    struct tn_buf graph = relu_graph();
    struct tn_model model;

    for (int i = 0; i < 100000; i++) {
        char inputs[64], output[32];

        (void)snprintf(inputs, sizeof(inputs), "o%d other%d more%d", i - 1, i, i);
        (void)snprintf(output, sizeof(output), "o%d", i);
        put_node(&graph, "Sum", "", inputs, output, NULL);
    }
    put_tensor(&graph, 5, "w", F32, 1, "\0\0\200?", 4);
    put_io(&graph, 11, "w", F32, fixed_shape);
    write_model("names.onnx", &graph);
    model = read_model("names.onnx");
    assert_int_equal(model.node_count, 100001);
    assert_int_equal(model.input_count, 1);
    tn_model_done(&model);
}

/* ---- external data ------------------------------------------------------------------------- */

/* Two tensors in b.bin, one in a.bin; `twist` exchanges the order in the file. */
static void write_external_model(bool twist)
{
    struct tn_buf graph = relu_graph();

    if (twist)
        put_external(&graph, "w1", 2, "sub/a.bin", NULL, NULL);
    put_external(&graph, "w2", 4, "b.bin", "16", "16");
    put_external(&graph, "w3", 4, "b.bin", NULL, "16");
    if (!twist)
        put_external(&graph, "w1", 2, "sub/a.bin", NULL, NULL);
    write_model("external.onnx", &graph);
    (void)mkdir(in_folder("sub"), 0755);
    write_file("sub/a.bin", "12345678", 8);
    write_file("b.bin", "0123456789abcdef0123456789abcdef", 32);
    age_file("sub/a.bin");
    age_file("b.bin");
}

static void add_sha256(struct tn_buf *text, const char *name)
{
    struct tn_buf bytes = BYTES();
    struct tn_error err = { 0 };
    struct tn_digest digest;
    char hex[TN_DIGEST_HEX];

    assert_int_equal(tn_file_read(in_folder(name), &bytes, &err), 0);
    assert_int_equal(tn_digest_of(tn_buf_text(&bytes), bytes.size, &digest, &err), 0);
    tn_digest_hex(&digest, hex);
    tn_buf_addf(text, "%zu %s", bytes.size, hex);
    tn_buf_done(&bytes);
}

TEST(external__digest_is_that_of_the_documented_text)
{
    struct tn_error err = { 0 };

    for (int twist = 0; twist <= 1; twist++) {
        struct tn_buf text = BYTES();
        struct tn_digest digest;
        struct tn_model model;

        write_external_model(twist);
        tn_buf_adds(&text, "tenon-model/1\nonnx ");
        add_sha256(&text, "external.onnx");
        tn_buf_adds(&text, "\nexternal ");
        add_sha256(&text, "b.bin");
        tn_buf_adds(&text, " 5 b.bin\nexternal ");
        add_sha256(&text, "sub/a.bin");
        tn_buf_adds(&text, " 9 sub/a.bin\n");
        assert_int_equal(tn_digest_of(tn_buf_text(&text), text.size, &digest, &err), 0);

        model = read_model("external.onnx");
        assert_true(tn_digest_equal(&model.digest, &digest));
        assert_int_equal(model.external_count, 2);
        assert_string_equal(model.external[0].location, "b.bin");
        assert_int_equal(model.external[0].needed_bytes, 32);
        assert_int_equal(model.external[1].needed_bytes, 8); /* by dimensions and type */
        assert_int_equal(model.size_bytes, model.stamp.size + 40);
        assert_int_equal(model.preflight_count, 0);
        tn_model_done(&model);
        tn_buf_done(&text);
    }
}

TEST(external__a_changed_file_changes_digest_and_is_noticed)
{
    struct tn_model before, after;

    write_external_model(false);
    before = read_model("external.onnx");
    assert_true(tn_model_unchanged(&before));
    write_file("b.bin", "0123456789abcdef0123456789abcdeX", 32);
    assert_false(tn_model_unchanged(&before));
    after = read_model("external.onnx");
    assert_false(tn_digest_equal(&before.digest, &after.digest));
    assert_true(tn_model_unchanged(&after));
    assert_int_equal(unlink(in_folder("b.bin")), 0);
    assert_false(tn_model_unchanged(&after));
    tn_model_done(&before);
    tn_model_done(&after);
}

TEST(external__missing_and_short_files_stop_with_needed_and_found_bytes)
{
    const struct tn_preflight *row;
    struct tn_model lacking, model;

    write_external_model(false);
    assert_int_equal(unlink(in_folder("sub/a.bin")), 0);
    lacking = read_model("external.onnx");
    row = tn_model_stopper(&lacking);
    assert_non_null(row);
    assert_string_equal(row->code, "external-data-missing");
    assert_non_null(strstr(row->detail, "'sub/a.bin', 8 bytes are needed"));
    assert_true(tn_model_unchanged(&lacking));
    write_file("sub/a.bin", "", 0); /* there, but empty: another content than missing */
    assert_false(tn_model_unchanged(&lacking));
    model = read_model("external.onnx");
    row = tn_model_stopper(&model);
    assert_string_equal(row->code, "external-data-short");
    assert_non_null(strstr(row->detail, "8 bytes are needed, it has 0"));
    assert_false(tn_digest_equal(&lacking.digest, &model.digest));
    tn_model_done(&lacking);
    tn_model_done(&model);
}

static void write_located(const char *location)
{
    struct tn_buf graph = relu_graph();

    put_external(&graph, "w", 1, location, NULL, NULL);
    write_model("located.onnx", &graph);
}

TEST(external__nothing_outside_the_folder_is_read)
{
    static const char *const locations[] = { "/etc/passwd", "../b.bin", "sub/../../x", "..",
                                             "sub/.." };

    for (size_t i = 0; i < TN_COUNT(locations); i++) {
        write_located(locations[i]);
        expect_refusal("located.onnx", TN_E_UNTRUSTED, "in its own folder");
    }
    (void)unlink(in_folder("link.bin"));
    assert_int_equal(symlink("/etc/passwd", in_folder("link.bin")), 0);
    write_located("link.bin");
    expect_refusal("located.onnx", TN_E_UNTRUSTED, "outside the model's folder");
    (void)unlink(in_folder("pipe.bin"));
    assert_int_equal(mkfifo(in_folder("pipe.bin"), 0600), 0);
    write_located("pipe.bin");
    expect_refusal("located.onnx", TN_E_UNTRUSTED, "not a regular file");
    write_located("sub");
    expect_refusal("located.onnx", TN_E_UNTRUSTED, "not a regular file");
    write_located("");
    expect_refusal("located.onnx", TN_E_INVALID, "names no file");
}

TEST(external__model_and_data_may_both_be_links_into_one_place)
{
    char target[256];
    struct tn_model model;

    write_external_model(false);
    (void)mkdir(in_folder("cache"), 0755);
    (void)mkdir(in_folder("cache/sub"), 0755);
    (void)unlink(in_folder("cache/m.onnx"));
    (void)unlink(in_folder("cache/b.bin"));
    (void)unlink(in_folder("cache/sub/a.bin"));
    assert_int_equal(symlink("../external.onnx", in_folder("cache/m.onnx")), 0);
    assert_int_equal(symlink("../b.bin", in_folder("cache/b.bin")), 0);
    (void)snprintf(target, sizeof(target), "%s/sub/a.bin", folder);
    assert_int_equal(symlink(target, in_folder("cache/sub/a.bin")), 0);
    model = read_model("cache/m.onnx");
    assert_null(tn_model_stopper(&model));
    tn_model_done(&model);
}

TEST(external__offsets_that_make_no_sense_are_refused)
{
    static const char *const offsets[][2] = { { "-1", "4" },
                                              { "x", "4" },
                                              { "0", "-4" },
                                              { "9223372036854775807", "1" },
                                              { "99999999999999999999", "1" } };

    for (size_t i = 0; i < TN_COUNT(offsets); i++) {
        struct tn_buf graph = relu_graph();

        put_external(&graph, "w", 1, "b.bin", offsets[i][0], offsets[i][1]);
        write_model("offset.onnx", &graph);
        expect_refusal("offset.onnx", TN_E_INVALID, "tensor 'w'");
    }
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
/* KiB that this program itself held at most. ru_maxrss will not do: it starts at what the program
 * that started this one held. */
static long peak_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    assert_non_null(status);
    while (kib < 0 && fgets(line, sizeof(line), status))
        (void)sscanf(line, "VmHWM: %ld", &kib);
    (void)fclose(status);
    return kib;
}
#endif

TEST(memory__is_constant_whatever_the_size)
{
#ifdef SANITIZED
    skip(); /* shadow memory counts as resident */
#else
    /* a hole is read through pages of the cache, 5 GiB of them take half a minute */
    int64_t size = getenv("TENON_TEST_SLOW") ? 5LL << 30 : 1LL << 30;
    struct tn_buf graph = relu_graph();
    const struct tn_preflight *row;
    struct tn_model model;

    put_external(&graph, "w", 1, "sparse.bin", "5368709120", "4");
    write_model("sparse.onnx", &graph);
    write_file("sparse.bin", "", 0);
    if (truncate(in_folder("sparse.bin"), size) < 0)
        skip();
    model = read_model("sparse.onnx");
    row = tn_model_stopper(&model);
    assert_string_equal(row->code, "external-data-short");
    assert_non_null(strstr(row->detail, "5368709124 bytes are needed"));
    assert_int_equal(model.size_bytes, model.stamp.size + size);
    print_message("peak resident of this whole test: %ld KiB\n", peak_kib());
    assert_in_range(peak_kib(), 1, 16 * 1024);
    tn_model_done(&model);
    (void)unlink(in_folder("sparse.bin"));
#endif
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *json_of_external_model(void)
{
    struct tn_model model;
    json_t *json;

    write_external_model(false);
    assert_int_equal(unlink(in_folder("b.bin")), 0);
    model = read_model("external.onnx");
    assert_int_equal(model.preflight_count, 1);
    json = tn_model_to_json(&model);
    tn_model_done(&model);
    assert_non_null(json);
    return json;
}

TEST(json__comes_back_as_it_went)
{
    tn_auto(tn_json_done) json_t *json = json_of_external_model();
    tn_auto(tn_json_done) json_t *again = NULL;
    struct tn_error err = { 0 };
    struct tn_model model;

    if (tn_model_from_json(json, &model, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(model.input_count, 1);
    assert_int_equal(model.io_count, 2);
    assert_true(tn_model_unchanged(&model));
    assert_non_null(tn_model_stopper(&model));
    again = tn_model_to_json(&model);
    assert_true(json_equal(json, again));
    tn_model_done(&model);
}

/* Tries every member of `object` (a part of `whole`) gone, null where it may not be, and of a wrong
 * type; the whole must be refused each time. */
static void break_members(json_t *whole, json_t *object)
{
    static const char *const may_be_null[] = { "opset",  "producer", "dtype", "axes",
                                               "length", "remedy",   "name" };
    tn_auto(tn_json_done) json_t *copy = json_copy(object);
    const char *key;
    json_t *value;

    json_object_foreach(copy, key, value)
    {
        bool null = false, text = json_is_string(value) || strcmp(key, "name") == 0;

        for (size_t i = 0; i < TN_COUNT(may_be_null); i++)
            null |= strcmp(key, may_be_null[i]) == 0;
        for (int kind = 0; kind < 4; kind++) {
            struct tn_model model = { .io_count = 77 };
            struct tn_error err = { 0 };

            if (kind == 0)
                (void)json_object_del(object, key);
            if (kind == 1)
                (void)json_object_set_new(object, key, null ? json_real(1) : json_null());
            if (kind == 2)
                (void)json_object_set_new(object, key,
                                          json_is_object(value) ? json_array() : json_object());
            if (kind == 3)
                (void)json_object_set_new(object, key,
                                          text ? json_integer(-7) : json_string("no such"));
            if (tn_model_from_json(whole, &model, &err) != TN_E_INVALID)
                fail_msg("member '%s', kind %d, was taken", key, kind);
            assert_int_equal(model.io_count, 77);
            (void)json_object_set(object, key, value);
        }
    }
}

TEST(json__a_foreign_or_damaged_one_is_refused)
{
    tn_auto(tn_json_done) json_t *json = json_of_external_model();
    static const char *const lists[] = { "io", "external", "preflight" };
    json_t *axes = json_object_get(json_array_get(json_object_get(json, "io"), 0), "axes");

    break_members(json, json);
    break_members(json, json_object_get(json, "stamp"));
    for (size_t i = 0; i < TN_COUNT(lists); i++)
        break_members(json, json_array_get(json_object_get(json, lists[i]), 0));
    break_members(json, json_array_get(axes, 0));
    break_members(json,
                  json_object_get(json_array_get(json_object_get(json, "external"), 1), "stamp"));
}

/* ---- unchanged ----------------------------------------------------------------------------- */

TEST(unchanged__notices_another_file_under_the_name)
{
    struct tn_buf first = relu_graph(), second = relu_graph();
    struct tn_model model;

    write_model("same.onnx", &first);
    age_file("same.onnx");
    model = read_model("same.onnx");
    assert_true(tn_model_unchanged(&model));
    write_model("other.onnx", &second); /* equal bytes, but nobody can know */
    assert_int_equal(rename(in_folder_too("other.onnx"), in_folder("same.onnx")), 0);
    assert_false(tn_model_unchanged(&model));
    assert_int_equal(unlink(in_folder("same.onnx")), 0);
    assert_false(tn_model_unchanged(&model));
    tn_model_done(&model);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/tenon-onnx-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts__are_those_of_the_file),
        cmocka_unit_test(facts__an_initializer_after_its_input_is_no_input_either),
        cmocka_unit_test(facts__digest_of_one_file_is_its_sha256),
        cmocka_unit_test(precision__is_the_type_of_most_weight_bytes),
        cmocka_unit_test(precision__of_a_quantized_model_is_that_of_its_zero_points),
        cmocka_unit_test(refuses__what_is_no_model_with_a_text_of_its_own),
        cmocka_unit_test(refuses__a_file_over_two_gibibytes_without_reading_it),
        cmocka_unit_test(answers__whatever_length_the_file_is_cut_at),
        cmocka_unit_test(answers__whichever_byte_is_flipped),
        cmocka_unit_test(external__digest_is_that_of_the_documented_text),
        cmocka_unit_test(external__a_changed_file_changes_digest_and_is_noticed),
        cmocka_unit_test(external__missing_and_short_files_stop_with_needed_and_found_bytes),
        cmocka_unit_test(external__nothing_outside_the_folder_is_read),
        cmocka_unit_test(external__model_and_data_may_both_be_links_into_one_place),
        cmocka_unit_test(external__offsets_that_make_no_sense_are_refused),
        cmocka_unit_test(json__comes_back_as_it_went),
        cmocka_unit_test(json__a_foreign_or_damaged_one_is_refused),
        cmocka_unit_test(unchanged__notices_another_file_under_the_name),
        cmocka_unit_test(memory__is_constant_whatever_the_size),
        cmocka_unit_test(limits__sub_graphs_are_followed_sixteen_deep),
        cmocka_unit_test(limits__names_and_counts_are_bounded),
        cmocka_unit_test(limits__more_names_than_are_kept_give_facts_all_the_same),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
