/*
 * What is met where a plan is expected, and TensorRT 5's flatbuffer, which has no magic either.
 */
#include "plan/parse.h"

#include "base/text.h"

#include <string.h>

enum {
    WRAPPER_MAX = 16 << 20, /* more JSON than that before a plan is not metadata */
    FLATBUFFER_START = 8,   /* u64 file size comes first */
    ONNX_IR_VERSION_MAX = 100,
};

int64_t tn_plan_wrapper_bytes(const uint8_t *head, size_t head_bytes, int64_t file_size)
{
    int64_t length;

    if (head_bytes < 6 || head[4] != '{' || !strchr("\"} \t\r\n", head[5]) || head[5] == '\0')
        return 0;
    length = tn_le32(head);
    return length >= 2 && length <= WRAPPER_MAX && length + 4 < file_size ? length + 4 : 0;
}

/* Flatbuffers: a table begins with its distance back to a vtable of u16 {own size, table size,
 * slots…}. Positions count from the start of the file. */
struct table {
    const uint8_t *data;
    size_t size, at, vtable, vtable_bytes;
};

static bool open_table(const uint8_t *data, size_t size, uint64_t at, struct table *ret_table)
{
    int64_t vtable;

    if (size < 8 || at > size - 4)
        return false;
    vtable = (int64_t)at - (int32_t)tn_le32(data + at);
    if (vtable < FLATBUFFER_START || vtable > (int64_t)size - 4)
        return false;
    *ret_table = (struct table) { data, size, (size_t)at, (size_t)vtable, tn_le16(data + vtable) };
    return ret_table->vtable_bytes >= 4 && ret_table->vtable_bytes % 2 == 0 &&
           ret_table->vtable_bytes <= size - ret_table->vtable;
}

/* Position of a slot's value of `bytes` bytes; 0 when absent or beyond what is at hand. */
static size_t slot(const struct table *table, size_t number, size_t bytes)
{
    size_t entry = 4 + 2 * number;
    size_t at;

    if (entry + 2 > table->vtable_bytes || tn_le16(table->data + table->vtable + entry) == 0)
        return 0;
    at = table->at + tn_le16(table->data + table->vtable + entry);
    return at + bytes <= table->size ? at : 0;
}

static uint32_t slot_u32(const struct table *table, size_t number)
{
    size_t at = slot(table, number, 4);

    return at ? tn_le32(table->data + at) : 0;
}

static int64_t slot_u64(const struct table *table, size_t number)
{
    size_t at = slot(table, number, 8);

    return at ? tn_le_length(table->data + at) : 0;
}

static bool slot_table(const struct table *table, size_t number, struct table *ret_table)
{
    size_t at = slot(table, number, 4);

    return at && open_table(table->data, table->size, at + (uint64_t)tn_le32(table->data + at),
                            ret_table);
}

static void slot_text(const struct table *table, size_t number, char *ret_text, size_t size)
{
    size_t at = slot(table, number, 4);
    uint64_t text = at ? at + (uint64_t)tn_le32(table->data + at) : 0;
    uint64_t length;

    if (!at || text > table->size - 4)
        return;
    length = tn_le32(table->data + text);
    if (length <= table->size - 4 - text)
        (void)tn_text_copy_n(ret_text, size, (const char *)table->data + text + 4, (size_t)length);
}

static bool read_flatbuffer_gpu(const struct table *device, struct tn_gpu *gpu)
{
    size_t integrated = slot(device, 10, 1);

    gpu->cc_major = slot_u32(device, 1);
    gpu->cc_minor = slot_u32(device, 2);
    if (gpu->cc_major < 3 || gpu->cc_major > 7 || gpu->cc_minor > 9)
        return false;
    slot_text(device, 0, gpu->name, sizeof(gpu->name));
    gpu->core_khz = slot_u32(device, 3);
    gpu->memory_khz = slot_u32(device, 4);
    gpu->bus_bits = slot_u32(device, 5);
    gpu->memory_bytes = slot_u64(device, 6);
    gpu->l2_bytes = slot_u64(device, 7);
    gpu->sm_count = slot_u32(device, 8);
    gpu->integrated = integrated && device->data[integrated] == 1; /* absent = default = false */
    return true;
}

bool tn_plan_flatbuffer(const struct tn_plan_bytes *bytes, struct tn_plan *plan)
{
    struct tn_gpu gpu = tn_gpu_unknown();
    struct table root;
    struct table version;
    struct table device;
    int64_t length;

    if (bytes->head_bytes < 64)
        return false;
    length = tn_le_length(bytes->head);
    if (length < 64 ||
        !open_table(bytes->head, bytes->head_bytes,
                    FLATBUFFER_START + (uint64_t)tn_le32(bytes->head + FLATBUFFER_START), &root) ||
        !slot_table(&root, 1, &version) || !slot_table(&root, 2, &device) ||
        slot_u32(&version, 0) != 5 || slot_u32(&version, 1) > 255 || slot_u32(&version, 2) > 255 ||
        slot_u32(&version, 3) > 255 || !read_flatbuffer_gpu(&device, &gpu))
        return false;
    plan->kind = TN_FILE_ENGINE;
    plan->flavor = TN_FLAVOR_TENSORRT;
    plan->version =
        tn_version_make(5, slot_u32(&version, 1), slot_u32(&version, 2), slot_u32(&version, 3));
    plan->gpu = gpu;
    plan->has_gpu = true;
    plan->expected_size = bytes->base + length;
    plan->complete = plan->expected_size == plan->size;
    memcpy(plan->layout, "E5", 3);
    return true;
}

/* A protobuf varint. @return whether a whole one of at most ten bytes was there */
static bool varint(const uint8_t *data, size_t size, size_t *at, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && *at < size; shift += 7) {
        uint8_t byte = data[(*at)++];

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Whether field `number` with this wire type occurs in ModelProto. */
static bool is_model_field(uint64_t key)
{
    static const uint8_t text_or_message[] = { 2, 3, 4, 6, 7, 8, 14, 20, 25, 26 };
    uint64_t number = key >> 3;

    if (key == (5 << 3 | 0)) /* model_version */
        return true;
    for (size_t i = 0; (key & 7) == 2 && i < TN_COUNT(text_or_message); i++)
        if (number == text_or_message[i])
            return true;
    return false;
}

bool tn_plan_looks_like_onnx(const uint8_t *head, size_t head_bytes, int64_t file_size)
{
    size_t at = 1;
    uint64_t ir_version;
    uint64_t key;
    uint64_t length;

    /* writers put the fields in order: ir_version (field 1, varint) comes first */
    if (head_bytes < 4 || head[0] != (1 << 3 | 0) || !varint(head, head_bytes, &at, &ir_version) ||
        ir_version == 0 || ir_version > ONNX_IR_VERSION_MAX ||
        !varint(head, head_bytes, &at, &key) || !is_model_field(key) ||
        !varint(head, head_bytes, &at, &length))
        return false;
    if ((key & 7) != 2)
        return true;
    if (key == (7 << 3 | 2) && at < head_bytes) /* graph: begins with one of its own fields */
        return length > 0 && ((head[at] & 7) == 2 || (head[at] & 7) == 0) && head[at] >> 3 > 0 &&
               head[at] >> 3 <= 16;
    return length <= (uint64_t)file_size - at;
}
