/* The plan readers on any bytes: the parser with and without a tail, and the readers of files. */
#include "base/macros.h"
#include "plan/plan.h"
#include "plan/plan_json.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as_file(const uint8_t *data, size_t size)
{
    struct tn_plan_io io = { .found = false };
    struct tn_digest digest;
    struct tn_plan plan;
    char precision[64];
    int fd = memfd_create("plan", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
        tn_plan_read(fd, (int64_t)size, &plan, NULL) != TN_OK)
        abort();
    (void)tn_plan_verify(fd, &plan, &digest, NULL);
    (void)tn_plan_read_io(fd, &plan, &io, NULL);
    (void)tn_plan_weight_precision(fd, &plan, precision, NULL);
    json_decref(tn_plan_to_json(&plan, &io));
    tn_plan_io_done(&io);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t head = size < TN_PLAN_HEAD_BYTES ? size : TN_PLAN_HEAD_BYTES;
    size_t tail = size < TN_PLAN_TAIL_BYTES ? size : TN_PLAN_TAIL_BYTES;
    struct tn_plan plan;

    tn_plan_parse(data, head, NULL, 0, (int64_t)size + 4096, &plan);
    tn_plan_parse(data, head, data + size - tail, tail, (int64_t)size, &plan);
    if (size > 0)
        read_as_file(data, size);
    return 0;
}
