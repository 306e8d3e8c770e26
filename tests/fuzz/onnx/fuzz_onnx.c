/* Any bytes as a model: it ends in an answer, and the facts survive their way through JSON. */
#include "base/json.h"
#include "onnx/onnx.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const struct tn_model *model)
{
    json_t *json = tn_model_to_json(model), *again;
    struct tn_error err = { 0 };
    struct tn_model back;

    if (tn_model_from_json(json, &back, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    again = tn_model_to_json(&back);
    if (!json_equal(json, again))
        abort();
    json_decref(json);
    json_decref(again);
    tn_model_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_error err = { 0 };
    struct tn_model model;
    char path[64];
    int fd = memfd_create("model", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tn_model_read(path, &model, &err) == TN_OK) {
        check_json(&model);
        tn_model_done(&model);
    } else if (err.code == 0 || err.text[0] == '\0') {
        abort();
    }
    (void)close(fd);
    return 0;
}
