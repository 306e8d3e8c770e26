/*
 * The tagged stream of a plan: four version bytes, one to three objects, the device block, then
 * (from 10.6 on, and in RTX) the flags. Layouts are chosen by the types met on the way, never by
 * the version, so that an unseen release either matches a known line or stays unknown.
 */
#include "plan/parse.h"

#include "base/macros.h"

#include <string.h>

enum { BLOCK_ITEMS_MAX = 24, OBJECTS_MAX = 4, NOT_THERE = 31 };

/* Device blocks: types of the items (7 = u32, 8 = u64 of either kind, a = bool) and which item
 * holds which fact. `ends` says what must follow, because the older blocks are prefixes of the
 * newer. */
enum block_end { ENDS_BATCH /* u32, bool, bool */, ENDS_CLOSE };

static const struct block {
    char name[8];
    char types[BLOCK_ITEMS_MAX];
    enum block_end ends;
    uint8_t cc_major, cc_minor, core, memory_clock, bus, l2, sms, integrated, memory;
} blocks[] = {
    { "D109", "888777777777777", ENDS_CLOSE, 12, 13, 3, 4, 5, 1, 8, 9, 0 },
    { "D101",
      "7777788"
      "7777a777778",
      ENDS_CLOSE, 0, 1, 2, 3, 4, 5, 10, 11, 17 },
    { "D100",
      "7777788"
      "7777a7777787",
      ENDS_CLOSE, 0, 1, 2, 3, 4, 5, 10, 11, 17 },
    { "D85",
      "7777788"
      "7777a777787",
      ENDS_CLOSE, 0, 1, 2, 3, 4, 5, 10, 11, 16 },
    { "D84",
      "777778"
      "7777a777787",
      ENDS_CLOSE, 0, 1, 2, 3, 4, 5, 9, 10, 15 },
    { "D80",
      "777778"
      "8887a777787",
      ENDS_CLOSE, 0, 1, 2, 3, 4, 5, 9, 10, 15 },
    { "D72",
      "777778"
      "8887a777787",
      ENDS_BATCH, 0, 1, 2, 3, 4, 5, 9, 10, 15 },
    { "D71",
      "777778"
      "8887a77778",
      ENDS_BATCH, 0, 1, 2, 3, 4, 5, 9, 10, 15 },
    { "D70",
      "777778"
      "8887a7777",
      ENDS_BATCH, 0, 1, 2, 3, 4, 5, 9, 10, NOT_THERE },
    { "D60",
      "777778"
      "8887a",
      ENDS_BATCH, 0, 1, 2, 3, 4, 5, 9, 10, NOT_THERE },
};

/* The primitives that stand in a row at the device block. */
struct items {
    char types[BLOCK_ITEMS_MAX + 1];
    uint64_t value[BLOCK_ITEMS_MAX];
    size_t end[BLOCK_ITEMS_MAX]; /* offset behind the item */
    size_t count;
};

static char type_letter(int type)
{
    switch (type) {
    case TN_ITEM_U32:
        return '7';
    case TN_ITEM_U64:
    case TN_ITEM_I64:
        return '8';
    case TN_ITEM_BOOL:
        return 'a';
    default:
        return '\0';
    }
}

static void read_items(struct tn_stream *s, struct items *items)
{
    for (items->count = 0; items->count < BLOCK_ITEMS_MAX; items->count++) {
        int type = tn_stream_peek(s);
        char letter = type_letter(type);

        if (!letter || !tn_stream_take(s, (enum tn_item)type, &items->value[items->count]))
            break;
        items->types[items->count] = letter;
        items->end[items->count] = s->at;
    }
    items->types[items->count] = '\0';
}

static const struct block *match_block(const struct items *items)
{
    for (size_t i = 0; i < TN_COUNT(blocks); i++) {
        size_t length = strlen(blocks[i].types);

        if (items->count < length || memcmp(items->types, blocks[i].types, length) != 0)
            continue;
        if (blocks[i].ends == ENDS_CLOSE ? items->count == length
                                         : strncmp(items->types + length, "7aa", 3) == 0)
            return &blocks[i];
    }
    return NULL;
}

/* Compute capabilities that exist; anything else in these fields means that they are not what they
 * seem. */
static bool cc_exists(uint64_t major, uint64_t minor)
{
    static const uint8_t known[] = { 35, 37, 50, 52, 53, 60,  61,  62,  70,  72,  75,
                                     80, 86, 87, 89, 90, 100, 101, 103, 110, 120, 121 };

    if (major > 24 || minor > 9)
        return false;
    for (size_t i = 0; i < TN_COUNT(known); i++)
        if (known[i] == major * 10 + minor)
            return true;
    return false;
}

static int64_t value_at(const struct items *items, uint8_t at)
{
    return at == NOT_THERE || items->value[at] > INT64_MAX ? TN_UNKNOWN : (int64_t)items->value[at];
}

/* In the order of 10.9 the flag's place was inferred from discrete GPUs alone: believe it where the
 * platform says the same. */
static int64_t integrated_at(const struct items *items, const struct block *block,
                             const struct tn_plan *plan)
{
    int64_t value = value_at(items, block->integrated);

    if (value != 0 && value != 1)
        return TN_UNKNOWN;
    if (items->types[block->integrated] == 'a')
        return value;
    return strcmp(plan->platform, value ? "linux-aarch64-tegra" : "linux-x86_64") == 0 ? value
                                                                                       : TN_UNKNOWN;
}

static void take_block(const struct items *items, const struct block *block, struct tn_plan *plan)
{
    struct tn_gpu *gpu = &plan->gpu;

    memcpy(plan->device_block, block->name, sizeof(plan->device_block));
    if (plan->flavor == TN_FLAVOR_RTX ||
        !cc_exists(items->value[block->cc_major], items->value[block->cc_minor]))
        return; /* RTX leaves the block blank but for a seeming 8.0: its mask alone counts */
    plan->has_gpu = true;
    gpu->cc_major = value_at(items, block->cc_major);
    gpu->cc_minor = value_at(items, block->cc_minor);
    gpu->core_khz = value_at(items, block->core);
    gpu->memory_khz = value_at(items, block->memory_clock);
    gpu->bus_bits = value_at(items, block->bus);
    gpu->l2_bytes = value_at(items, block->l2);
    gpu->sm_count = value_at(items, block->sms);
    gpu->memory_bytes = value_at(items, block->memory);
    gpu->integrated = integrated_at(items, block, plan);
}

static void take_hw_compat(uint64_t level, struct tn_plan *plan)
{
    if (plan->flavor == TN_FLAVOR_TENSORRT && level <= TN_HW_COMPAT_SAME_CC)
        plan->hw_compat = (enum tn_hw_compat)level;
}

struct objects {
    uint16_t tag[OBJECTS_MAX];
    int count;
};

/* Opens the objects around the device block. From 8.6 on the outermost begins with the hardware
 * compatibility level and stays open behind the block. */
static void open_objects(struct tn_stream *s, struct objects *objects, struct tn_plan *plan)
{
    uint64_t level;

    objects->count = 0;
    while (objects->count < OBJECTS_MAX && tn_stream_open(s, &objects->tag[objects->count])) {
        struct tn_stream ahead = *s;
        uint16_t tag;

        if (++objects->count != 1 || !tn_stream_take(&ahead, TN_ITEM_U32, &level) ||
            !tn_stream_open(&ahead, &tag))
            continue;
        take_hw_compat(level, plan);
        (void)tn_stream_take(s, TN_ITEM_U32, &level);
    }
}

static bool close_objects(struct tn_stream *s, const struct objects *objects)
{
    for (int i = objects->count - 1; i >= 0 && i >= objects->count - 2; i--)
        if (!tn_stream_close(s, objects->tag[i]))
            return false;
    return true;
}

static bool take_version(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t part[4];

    for (int i = 0; i < 4; i++)
        if (!tn_stream_take(s, TN_ITEM_U8, &part[i]))
            return false;
    plan->version =
        tn_version_make((uint32_t)part[0], (uint32_t)part[1], (uint32_t)part[2], (uint32_t)part[3]);
    return true;
}

static void take_batch(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t batch;
    uint64_t implicit;

    if (tn_stream_take(s, TN_ITEM_U32, &batch) && tn_stream_take(s, TN_ITEM_BOOL, &implicit))
        plan->max_batch = (int64_t)batch;
}

/* {u64 n, n raw bytes}: the weights of 8.0 to 10.5, the offset table of the separated weights
 * later. */
static bool take_raw_object(struct tn_stream *s, uint16_t *ret_tag, uint64_t *ret_bytes)
{
    return tn_stream_open(s, ret_tag) && tn_stream_take(s, TN_ITEM_U64, ret_bytes);
}

/* 8.0 to 8.6: weights, then the batch size behind them. */
static void take_weights_and_batch(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t bytes;
    uint16_t tag;

    if (!take_raw_object(s, &tag, &bytes) || bytes > INT64_MAX)
        return;
    plan->weight_bytes = (int64_t)bytes;
    if (tn_stream_skip(s, bytes) && tn_stream_close(s, tag))
        take_batch(s, plan);
}

/* 10.0 to 10.5: a bool, then the weights. */
static void take_weights(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t flag;
    uint64_t bytes;
    uint16_t tag;

    if (tn_stream_take(s, TN_ITEM_BOOL, &flag) && take_raw_object(s, &tag, &bytes) &&
        bytes <= INT64_MAX)
        plan->weight_bytes = (int64_t)bytes;
}

/* bool, bool stripped, u64 bytes taken out, then for a stripped plan k pieces of two u64 with k in
 * front, else the u64 of ordinary weights. */
static bool take_stripped(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t stored;
    uint64_t stripped;
    uint64_t removed;
    uint64_t count;

    if (!tn_stream_take(s, TN_ITEM_BOOL, &stored) || !tn_stream_take(s, TN_ITEM_BOOL, &stripped) ||
        !tn_stream_take(s, TN_ITEM_U64, &removed) || !tn_stream_take(s, TN_ITEM_U64, &count) ||
        stripped > 1 || (!stripped && removed != 0))
        return false;
    plan->stripped = (int)stripped;
    return !stripped || (count < s->size && tn_stream_skip(s, count * 24));
}

static bool take_offset_table(struct tn_stream *s)
{
    uint64_t value;
    uint16_t tag;

    return take_raw_object(s, &tag, &value) && tn_stream_skip(s, value) &&
           tn_stream_take(s, TN_ITEM_U64, &value) && tn_stream_take(s, TN_ITEM_U32, &value) &&
           tn_stream_take(s, TN_ITEM_U64, &value) && tn_stream_take(s, TN_ITEM_U64, &value) &&
           tn_stream_close(s, tag);
}

static void take_refit(uint64_t kind, struct tn_plan *plan)
{
    if (kind <= TN_REFIT_IDENTICAL || kind == TN_REFIT_INDIVIDUAL)
        plan->refit = (enum tn_refit)kind;
}

/* The flags of the two-section plans (10.6 on) and of RTX. */
static void take_flags(struct tn_stream *s, struct tn_plan *plan)
{
    uint64_t kind;
    uint64_t first;
    uint64_t tf32;
    uint64_t streaming;
    uint16_t tag;

    if (!take_stripped(s, plan) || !take_offset_table(s) || !tn_stream_open(s, &tag) ||
        !tn_stream_take(s, TN_ITEM_U32, &kind) || !tn_stream_take(s, TN_ITEM_BOOL, &first) ||
        !tn_stream_take(s, TN_ITEM_BOOL, &tf32) || !tn_stream_take(s, TN_ITEM_BOOL, &streaming))
        return;
    take_refit(kind, plan);
    if (streaming <= 1)
        plan->weight_streaming = (int)streaming;
}

static void after_block(struct tn_stream *s, struct tn_plan *plan)
{
    int type = tn_stream_peek(s);
    struct tn_stream ahead = *s;
    uint64_t flag;

    if (type != TN_ITEM_BOOL) {
        take_weights_and_batch(s, plan);
        return;
    }
    (void)tn_stream_take(&ahead, TN_ITEM_BOOL, &flag);
    if (tn_stream_peek(&ahead) == TN_ITEM_BOOL)
        take_flags(s, plan);
    else
        take_weights(s, plan);
}

void tn_plan_payload(struct tn_stream *s, struct tn_plan *plan)
{
    struct objects objects;
    struct items items;
    const struct block *block;

    if (!take_version(s, plan))
        return;
    open_objects(s, &objects, plan);
    if (objects.count == 0)
        return;
    read_items(s, &items);
    block = match_block(&items);
    if (block)
        take_block(&items, block, plan);
    if (block && block->ends == ENDS_BATCH) {
        s->at = items.end[strlen(block->types) - 1];
        take_batch(s, plan);
        return;
    }
    /* an unknown block that closes as it should is stepped over: RTX 1.4 has a short one */
    if (close_objects(s, &objects))
        after_block(s, plan);
}
