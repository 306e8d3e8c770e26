/*
 * Writes the corpus of fuzz_onnx: small models that touch every message and every trap.
 *   cc -std=c17 -D_GNU_SOURCE -Isrc -Iinclude -Itests/unit/onnx tests/fuzz/onnx/make_corpus.c
 * src/base/buf.c \ src/base/error.c -o /tmp/make && /tmp/make tests/fuzz/corpus/onnx
 */
#include "model_bytes.h"

#include <stdio.h>
#include <stdlib.h>

static const char *folder;
static const char *const shape[] = { "batch", "3", "?", "?", NULL };

static void save(const char *name, struct tn_buf *graph, struct tn_buf *more)
{
    struct tn_buf model = make_model(graph, 22);
    char path[512];
    FILE *file;

    if (more) {
        tn_buf_add(&model, tn_buf_text(more), more->size);
        tn_buf_done(more);
    }
    (void)snprintf(path, sizeof(path), "%s/%s.onnx", folder, name);
    file = fopen(path, "wb");
    if (!file || fwrite(model.data, 1, model.size, file) != model.size || fclose(file) != 0)
        exit(1);
    tn_buf_done(&model);
}

static struct tn_buf start(void)
{
    struct tn_buf graph = BYTES();

    put_io(&graph, 11, "x", F32, shape);
    put_io(&graph, 12, "y", F32, shape);
    return graph;
}

static void save_quantized(void)
{
    struct tn_buf graph = start();

    put_node(&graph, "QuantizeLinear", "", "x s z", "q", NULL);
    put_node(&graph, "DequantizeLinear", "", "q s u", "d", NULL);
    put_node(&graph, "DequantizeLinear", "", "b s", "e", NULL);
    put_node(&graph, "Gather", "", "t d", "g", NULL);
    put_node(&graph, "DynamicQuantizeLSTM", "com.microsoft", "d e - g", "y", NULL);
    put_tensor(&graph, 5, "s", F32, 1, "\0\0\200?", 4);
    put_tensor(&graph, 5, "z", I8, 1, "\3", 1);
    put_tensor(&graph, 5, "u", U8, 1, "\200", 1);
    put_tensor(&graph, 5, "b", I32, 2, "\1\0\0\0\2\0\0\0", 8);
    put_tensor(&graph, 5, "t", I8, 4, "\1\2\3\4", 4);
    put_tensor(&graph, 5, "e5", E5M2, 1, "\0", 1);
    put_tensor(&graph, 5, "i4", I4, 2, "\21", 1);
    save("quantized", &graph, NULL);
}

static void save_external(void)
{
    struct tn_buf graph = start();

    put_node(&graph, "Add", "", "x w", "y", NULL);
    put_external(&graph, "w", 4, "weights.bin", "4096", "16");
    put_external(&graph, "v", 4, "sub/more.bin", NULL, NULL);
    save("external", &graph, NULL);
}

/* A Cast, a Constant, an If with two branches. */
static void save_attributes(void)
{
    struct tn_buf graph = start(), to = BYTES(), value = BYTES(), branch = start(), then = BYTES();

    put_text(&to, 1, "to");
    put_int(&to, 3, 1);
    put_node(&graph, "Cast", "", "x", "c", &to);
    put_text(&value, 1, "value");
    put_tensor(&value, 5, "", F16, 2, "\0\74\0\74", 4);
    put_node(&graph, "Constant", "", "", "k", &value);
    put_node(&graph, "Add", "", "c k", "a", NULL);
    put_node(&branch, "Relu", "", "a", "r", NULL);
    put_text(&then, 1, "then_branch");
    put_message(&then, 6, &branch);
    put_node(&graph, "If", "", "a", "y", &then);
    save("attributes", &graph, NULL);
}

/* Fields that are skipped, arrays in both encodings, a sparse weight, a function. */
static void save_rest(void)
{
    struct tn_buf graph = start(), tensor = BYTES(), sparse = BYTES(), function = BYTES();
    struct tn_buf more = BYTES(), node = BYTES();

    put_int(&tensor, 1, 2);
    put_bytes(&tensor, 1, "\2\3", 2);
    put_int(&tensor, 2, F32);
    put_bytes(&tensor, 4, "\0\0\200?\0\0\0@", 8);
    put_int(&tensor, 5, 7);
    put_bytes(&tensor, 5, "\0\0\1", 3);
    put_int(&tensor, 7, -1);
    put_text(&tensor, 8, "w");
    put_text(&tensor, 12, "words");
    put_message(&graph, 5, &tensor);
    put_tensor(&sparse, 1, "sw", F32, 1, "\0\0\200?", 4);
    put_tensor(&sparse, 2, "si", I64, 1, "\1\0\0\0\0\0\0\0", 8);
    put_message(&graph, 15, &sparse);
    put_text(&graph, 13, "value info");
    put_node(&graph, "Mine", "my.own", "x w", "y", NULL);
    put_node(&graph, "Det", "", "x", "z", NULL);
    put_text(&function, 1, "Mine");
    put_text(&node, 1, "a");
    put_text(&node, 2, "b");
    put_text(&node, 4, "Relu");
    put_message(&function, 7, &node);
    put_text(&function, 10, "my.own");
    put_message(&more, 25, &function);
    put_text(&more, 14, "metadata");
    put_int(&more, 99, 5);
    save("rest", &graph, &more);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    folder = argv[1];
    save_quantized();
    save_external();
    save_attributes();
    save_rest();
    return 0;
}
