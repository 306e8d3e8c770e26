#include "onnx/onnx.h"

#include "base/text.h"
#include "onnx/external.h"
#include "onnx/reading.h"

#include <stdlib.h>
#include <string.h>

/* protobuf counts a message in 31 bits; weights beyond that are external data */
static const int64_t file_bytes_max = INT32_MAX;

/* What is taken for a model now and then, told by its first bytes. */
static const struct {
    const char *begins, *what;
} mistaken[] = {
    { "version https://git-lfs", "a Git LFS pointer: run 'git lfs pull' to get the model" },
    { "version https://hawser", "a Git LFS pointer: run 'git lfs pull' to get the model" },
    { "ftrt", "a TensorRT engine, not an ONNX model" },
    { "vtrt", "a TensorRT-RTX engine, not an ONNX model" },
    { "PK\003\004", "a zip archive (PyTorch?), not an ONNX model" },
    { "\x89HDF", "an HDF5 file (Keras?), not an ONNX model" },
    { "ORTM", "a model in ONNX Runtime's own format, not an ONNX model" },
};

/* Whether the bytes are text: a model begins with a field number, a control byte. */
static bool is_text(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < ' ' && !memchr("\t\n\r\f", bytes[i], 4))
            return false;
    return size > 0;
}

static int check_beginning(struct tn_source *source, struct tn_error *err)
{
    const unsigned char *bytes;
    size_t size = tn_source_peek(source, &bytes, 512);

    if (source->rc < 0)
        return tn_fail(err, source->rc, "%s", source->error.text);
    if (size == 0)
        return tn_fail(err, TN_E_INVALID, "the file is empty");
    if (source->stamp.size > file_bytes_max)
        return tn_fail(err, TN_E_TOOBIG,
                       "larger than the 2 GiB that the format allows: save the weights as external "
                       "data");
    for (size_t i = 0; i < TN_COUNT(mistaken); i++) {
        size_t length = strlen(mistaken[i].begins);

        if (size >= length && memcmp(bytes, mistaken[i].begins, length) == 0)
            return tn_fail(err, TN_E_INVALID, "%s", mistaken[i].what);
    }
    if (is_text(bytes, size))
        return tn_fail(err, TN_E_INVALID, "text, not an ONNX model");
    return TN_OK;
}

/* ---- precision ----------------------------------------------------------------------------- */

/* Of a quantized model: the type that most zero points and quantized weights have; of equals the
 * narrower, since scales of a narrow type are themselves quantized to a wider one. */
static enum tn_precision quantized_precision(const struct tn_names *names)
{
    static const struct {
        enum tn_dtype dtype;
        enum tn_precision precision;
    } kinds[] = { { TN_DTYPE_FP4, TN_PRECISION_FP4 },
                  { TN_DTYPE_INT4, TN_PRECISION_INT4 },
                  { TN_DTYPE_FP8, TN_PRECISION_FP8 } };
    enum tn_precision best = TN_PRECISION_INT8;
    size_t count[TN_ONNX_DTYPES] = { 0 };
    size_t most;

    for (size_t i = 0; i < names->slots; i++)
        if (names->slot[i].hash && (names->slot[i].flags & TN_NAME_CONSTANT) &&
            (names->slot[i].flags & (TN_NAME_ZERO_POINT | TN_NAME_SCALED)))
            count[names->slot[i].dtype]++;
    most = count[TN_DTYPE_INT8] + count[TN_DTYPE_UINT8] + 1;
    for (size_t i = TN_COUNT(kinds); i-- > 0;)
        if (count[kinds[i].dtype] > 0 && count[kinds[i].dtype] + 1 >= most) {
            best = kinds[i].precision;
            most = count[kinds[i].dtype] + 1;
        }
    return best;
}

static enum tn_precision precision_of_dtype(enum tn_dtype dtype)
{
    if (dtype == TN_DTYPE_HALF)
        return TN_PRECISION_FP16;
    return dtype == TN_DTYPE_BF16 ? TN_PRECISION_BF16 : TN_PRECISION_FP32;
}

/* A model without floating weights goes by its first floating input. */
static enum tn_precision precision_of_io(const struct tn_model *model)
{
    for (size_t i = 0; i < model->io_count; i++) {
        enum tn_dtype dtype = model->io[i].io.dtype;

        if (dtype == TN_DTYPE_FLOAT || dtype == TN_DTYPE_HALF || dtype == TN_DTYPE_BF16)
            return precision_of_dtype(dtype);
    }
    return TN_PRECISION_FP32;
}

static enum tn_precision precision_of(const struct tn_reading *reading)
{
    const int64_t *bytes = reading->weight_bytes;
    int64_t single = bytes[TN_DTYPE_FLOAT] > bytes[TN_DTYPE_DOUBLE] ? bytes[TN_DTYPE_FLOAT]
                                                                    : bytes[TN_DTYPE_DOUBLE];
    int64_t half = bytes[TN_DTYPE_HALF], brain = bytes[TN_DTYPE_BF16];

    if (reading->quantizing_nodes > 0)
        return quantized_precision(&reading->names);
    if (reading->integer_nodes > 0)
        return TN_PRECISION_INT8;
    if (single == 0 && half == 0 && brain == 0)
        return precision_of_io(reading->model);
    if (half > single && half >= brain)
        return TN_PRECISION_FP16;
    return brain > single ? TN_PRECISION_BF16 : TN_PRECISION_FP32;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int read_file(struct tn_source *source, struct tn_reading *reading, struct tn_error *err)
{
    int rc = check_beginning(source, err);

    if (rc == TN_OK)
        rc = tn_reading_run(reading, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", reading->model->path);
    rc = tn_source_finish(source, reading->model->path, &reading->model->digest, err);
    reading->model->stamp = source->stamp;
    reading->model->size_bytes = source->stamp.size;
    return rc;
}

static int read_model(struct tn_model *model, struct tn_error *err)
{
    tn_auto(tn_source_close) struct tn_source source = { .fd = -1 };
    tn_auto(tn_reading_done) struct tn_reading reading = { .source = &source, .model = model };
    int rc = tn_source_open(&source, model->path, err);

    if (rc == TN_OK)
        rc = read_file(&source, &reading, err);
    if (rc < 0)
        return rc;
    rc = tn_external_read(model, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", model->path);
    model->precision = precision_of(&reading);
    return tn_preflight(&reading, err);
}

int tn_model_read(const char *path, struct tn_model *ret_model, struct tn_error *err)
{
    struct tn_model model = { .opset = TN_UNKNOWN };
    int rc;

    if (!tn_text_copy(model.path, sizeof(model.path), path))
        return tn_fail(err, TN_E_TOOBIG, "'%.80s…': the path is too long", path);
    rc = read_model(&model, err);
    if (rc < 0) {
        tn_model_done(&model);
        return rc;
    }
    *ret_model = model;
    return TN_OK;
}

void tn_model_done(struct tn_model *model)
{
    free(model->io);
    free(model->external);
    free(model->preflight);
    *model = (struct tn_model) { 0 };
}

/* A file that was not there has a zeroed stamp, and so it must still be. */
static bool unchanged(const char *path, const struct tn_stamp *stamp)
{
    struct tn_stamp now = { 0 };
    struct stat st;

    if (stat(path, &st) == 0)
        now = tn_stamp_of(&st);
    return tn_stamp_equal(&now, stamp);
}

bool tn_model_unchanged(const struct tn_model *model)
{
    if (!unchanged(model->path, &model->stamp))
        return false;
    for (size_t i = 0; i < model->external_count; i++)
        if (!unchanged(model->external[i].path, &model->external[i].stamp))
            return false;
    return true;
}

const struct tn_preflight *tn_model_stopper(const struct tn_model *model)
{
    for (size_t i = 0; i < model->preflight_count; i++)
        if (model->preflight[i].severity == TN_SEVERITY_STOPS)
            return &model->preflight[i];
    return NULL;
}
