/*
 * The envelopes around the tagged stream: bare archives (`ptrt`, TensorRT 6.0 to 8.5, and every
 * timing cache), containers with a section table (`ftrt` from 8.6 on, `vtrt` of TensorRT-RTX).
 *
 * A container: magic, u32 header version 0, u64 sections, u64 size of all, four version bytes,
 * platform tag, [RTX: u64 compute capability mask, CUDA driver, CUDA runtime, weight bytes], then
 * per section name, u32 0, u64 offset, u64 length; after the last section zeros up to a multiple
 * of 8 and the complement of `ftrt` (in RTX too).
 */
#include "plan/parse.h"

#include "base/macros.h"

#include <string.h>

enum {
    ARCHIVE_BYTES = 0x18, /* the longest archive header */
    CONTAINER_TABLE = 0x20,
    CONTAINER_TABLE_RTX = 0x40,
    SECTION_BYTES = 24,
    SECTIONS_LIKELY = 64, /* more than that in a table is not a table */
    TAG_TIMING_CACHE = 0x18,
    SCAN_BYTES = 0x80, /* how far an unknown archive header is searched for the stream */
};

static const uint8_t end_of_archive[4] = { 0x8f, 0x8b, 0x8d, 0x8b }; /* complement of "ptrt" */
static const uint8_t end_of_plan[4] = { 0x99, 0x8b, 0x8d, 0x8b };    /* complement of "ftrt" */

/* Archive headers: where the fields lie. */
static const struct archive {
    char name[8];
    uint8_t header_bytes, serialization_at, length_at;
} archive_old = { "P-old", 0x18, 0x08, 0x0c }, archive_80 = { "P-80", 0x18, 0x08, 0x10 },
  archive_82 = { "P-82", 0x18, 0x08, 0x10 }, archive_f1 = { "F1", 0x18, 0x08, 0x10 },
  archive_f2 = { "F2", 0x14, 0x04, 0x08 };

static bool fits(const struct archive *archive, const uint8_t *data, int64_t length)
{
    return length > archive->header_bytes &&
           tn_le_length(data + archive->length_at) == length - archive->header_bytes;
}

/* Word 04 tells the bare archives apart; where one reading only fits the length, that wins. */
static const struct archive *pick_bare(const uint8_t *data, int64_t length)
{
    uint32_t word = tn_le32(data + 4);

    if (word == 0)
        return &archive_82;
    if (fits(&archive_old, data, length))
        return &archive_old;
    if (fits(&archive_f2, data, length))
        return &archive_f2;
    if (word == 43)
        return &archive_80;
    return tn_le64(data + 0x0c) == 0 ? &archive_f2 : &archive_old;
}

static const struct archive *pick_section(const uint8_t *data, int64_t length)
{
    if (fits(&archive_f1, data, length))
        return &archive_f1;
    if (fits(&archive_f2, data, length))
        return &archive_f2;
    return tn_le32(data + 4) == 0 ? &archive_f1 : &archive_f2;
}

static bool is_version_item(const uint8_t *data, size_t size)
{
    return size >= 4 && (tn_le16(data) & 0x7fff) == TN_ITEM_U8 && tn_le16(data + 2) == 1;
}

/* Four version items in a row, wherever a header not seen before ends. */
static size_t scan_for_stream(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at + 20 <= size && at < SCAN_BYTES; at++)
        if (is_version_item(data + at, 4) && is_version_item(data + at + 5, 4) &&
            is_version_item(data + at + 10, 4) && is_version_item(data + at + 15, 4))
            return at;
    return 0;
}

/* The stream of an archive whose header is read by `archive`. */
static void read_archive(const struct archive *archive, const uint8_t *data, size_t size,
                         int64_t offset, struct tn_plan *plan)
{
    struct tn_stream s = { .data = data, .size = size, .at = archive->header_bytes };

    if (size >= s.at + TN_ITEM_HEADER_BYTES && !is_version_item(data + s.at, size - s.at)) {
        if ((tn_le16(data + s.at) & 0x7fff) == TAG_TIMING_CACHE) {
            plan->kind = TN_FILE_TIMING_CACHE;
        } else {
            s.at = scan_for_stream(data, size);
            archive = NULL;
        }
    }
    if (archive) {
        memcpy(plan->layout, plan->flavor == TN_FLAVOR_RTX ? "RTX" : archive->name,
               plan->flavor == TN_FLAVOR_RTX ? 4 : sizeof(plan->layout));
        plan->serialization_number = tn_le32(data + archive->serialization_at);
    }
    if (s.at == 0 || s.at >= size)
        return;
    plan->payload_offset = offset + (int64_t)s.at;
    if (plan->kind == TN_FILE_ENGINE)
        tn_plan_payload(&s, plan);
}

void tn_plan_archive(const uint8_t *data, size_t size, int64_t offset, int64_t length,
                     struct tn_plan *plan)
{
    if (size >= ARCHIVE_BYTES && memcmp(data, "ptrt", 4) == 0)
        read_archive(pick_section(data, length), data, size, offset, plan);
}

/* 1 when the last four bytes are these, 0 when not, -1 when they are not at hand. */
static int ends_with(const struct tn_plan_bytes *bytes, const uint8_t end[4])
{
    if (bytes->tail && bytes->tail_bytes >= 4)
        return memcmp(bytes->tail + bytes->tail_bytes - 4, end, 4) == 0;
    if (bytes->size >= 4 && (int64_t)bytes->head_bytes >= bytes->size)
        return memcmp(bytes->head + bytes->size - 4, end, 4) == 0;
    return TN_UNKNOWN;
}

static int bare_complete(const struct tn_plan_bytes *bytes, const struct tn_plan *plan)
{
    static const struct tn_version first_with_end = { { 8, 4, 0, 0 }, 2 };

    if (plan->expected_size != plan->size)
        return 0;
    if (plan->kind == TN_FILE_TIMING_CACHE)
        return 1;
    if (plan->version.parts == 0)
        return TN_UNKNOWN;
    if (tn_version_compare(&plan->version, &first_with_end) < 0)
        return 1; /* up to 8.2 the length is all there is */
    return ends_with(bytes, end_of_archive);
}

static void bare_archive(const struct tn_plan_bytes *bytes, struct tn_plan *plan)
{
    const struct archive *archive;
    int64_t length;

    plan->flavor = TN_FLAVOR_TENSORRT;
    if (bytes->head_bytes < ARCHIVE_BYTES) {
        plan->complete = bytes->size < ARCHIVE_BYTES ? 0 : TN_UNKNOWN;
        return;
    }
    archive = pick_bare(bytes->head, bytes->size);
    read_archive(archive, bytes->head, bytes->head_bytes, bytes->base, plan);
    if (!plan->layout[0])
        return; /* a header of another kind: what seems its length may be none */
    length = tn_le_length(bytes->head + archive->length_at);
    if (length >= 0)
        plan->expected_size = bytes->base + archive->header_bytes + length;
    plan->complete = bare_complete(bytes, plan);
}

static const struct {
    char in_file[5], tag[5];
} section_names[] = { { "NGNE", "ENGN" }, { "THGW", "WGHT" }, { "NAEL", "LEAN" } };

/* Four foreign bytes as text; others than letters, digits and marks show as '?'. */
static void four_bytes_text(const uint8_t *data, char ret_text[5])
{
    for (int i = 0; i < 4; i++)
        ret_text[i] = data[i] > 0x20 && data[i] < 0x7f ? (char)data[i] : '?';
    ret_text[4] = '\0';
}

static void section_tag(const uint8_t *data, char ret_tag[5])
{
    for (size_t i = 0; i < TN_COUNT(section_names); i++)
        if (memcmp(data, section_names[i].in_file, 4) == 0) {
            memcpy(ret_tag, section_names[i].tag, 5);
            return;
        }
    four_bytes_text(data, ret_tag);
}

/* How many sections the table has: it ends where the first section begins. Where that makes no
 * sense the count at 08 is taken. */
static uint64_t count_sections(const uint8_t *head, size_t head_bytes, size_t table)
{
    uint64_t first;

    if (head_bytes < table + SECTION_BYTES)
        return 0;
    first = tn_le64(head + table + 8);
    if (first > table && first <= table + SECTIONS_LIKELY * SECTION_BYTES &&
        (first - table) % SECTION_BYTES == 0)
        return (first - table) / SECTION_BYTES;
    return tn_le64(head + 8);
}

/* @return whether the whole table was at hand, made sense and fits `plan->section` */
static bool read_sections(const struct tn_plan_bytes *bytes, size_t table, struct tn_plan *plan)
{
    uint64_t count = count_sections(bytes->head, bytes->head_bytes, table);

    for (uint64_t i = 0; i < count; i++) {
        size_t at = table + (size_t)i * SECTION_BYTES;
        struct tn_plan_section *section = &plan->section[i];

        if (i == TN_PLAN_SECTIONS_MAX || bytes->head_bytes < at + SECTION_BYTES)
            return false;
        section_tag(bytes->head + at, section->tag);
        section->offset = tn_le_length(bytes->head + at + 8);
        section->length = tn_le_length(bytes->head + at + 16);
        if (section->offset < 0 || section->length < 0)
            return false;
        section->offset += bytes->base;
        plan->section_count++;
    }
    return count > 0;
}

static const struct tn_plan_section *find_section(const struct tn_plan *plan, const char *tag)
{
    for (int i = 0; i < plan->section_count; i++)
        if (strcmp(plan->section[i].tag, tag) == 0)
            return &plan->section[i];
    return NULL;
}

/* Sections in order, inside the file, the end marker right behind the last. */
static int sections_complete(const struct tn_plan_bytes *bytes, const struct tn_plan *plan)
{
    int64_t end = bytes->base;

    for (int i = 0; i < plan->section_count; i++) {
        if (plan->section[i].offset < end)
            return TN_UNKNOWN;
        end = plan->section[i].offset + plan->section[i].length;
        if (end > plan->size)
            return 0;
    }
    end = (end - bytes->base + 7) / 8 * 8 + 4;
    return end == bytes->size ? 1 : TN_UNKNOWN;
}

static int container_complete(const struct tn_plan_bytes *bytes, const struct tn_plan *plan,
                              bool table_read)
{
    int sections = table_read ? sections_complete(bytes, plan) : TN_UNKNOWN;
    int end = ends_with(bytes, end_of_plan);

    if (plan->expected_size != plan->size || sections == 0)
        return 0;
    if (end == 1 && table_read && !plan->layout[0] && sections != 1)
        return TN_UNKNOWN;
    if (end == 0)
        return plan->layout[0] ? 0 : TN_UNKNOWN;
    return end == 1 && (sections == 1 || !table_read) ? 1 : TN_UNKNOWN;
}

static void container_platform(const uint8_t *tag, struct tn_plan *plan)
{
    static const struct {
        enum tn_flavor flavor;
        char tag[5];
        const char *platform;
    } known[] = { { TN_FLAVOR_TENSORRT, "rtrt", "linux-x86_64" },
                  { TN_FLAVOR_RTX, "vtrt", "linux-x86_64" },
                  { TN_FLAVOR_TENSORRT, "utrt", "linux-aarch64-tegra" } };

    if (tn_le32(tag) == 0)
        return; /* 8.6: the field was not in use yet */
    for (size_t i = 0; i < TN_COUNT(known); i++)
        if (known[i].flavor == plan->flavor && memcmp(tag, known[i].tag, 4) == 0) {
            memcpy(plan->platform, known[i].platform, strlen(known[i].platform) + 1);
            return;
        }
    four_bytes_text(tag, plan->platform);
}

static void rtx_header(const uint8_t *head, struct tn_plan *plan)
{
    int64_t driver = tn_le_length(head + 0x28);
    int64_t runtime = tn_le_length(head + 0x30);

    plan->ccs.mask = tn_le64(head + 0x20);
    plan->cuda_driver = driver > 0 ? driver : TN_UNKNOWN;
    plan->cuda_runtime = runtime > 0 ? runtime : TN_UNKNOWN;
}

/* Bits of the mask. 1.4 and older cannot name 12.1: there its bit is the one that means "later". */
static void rtx_compute_capabilities(struct tn_plan *plan)
{
    static const uint8_t names[] = { 75, 80, 86, 89, 120, 121 };
    static const struct tn_version first_with_121 = { { 1, 5, 0, 0 }, 2 };
    const struct tn_version *version = plan->version.parts ? &plan->version : &plan->version_outer;
    int nameable = tn_version_compare(version, &first_with_121) < 0 ? 5 : 6;
    struct tn_cc_set *ccs = &plan->ccs;

    for (int bit = 0; bit < nameable; bit++)
        if (ccs->mask >> bit & 1)
            ccs->cc[ccs->count++] = names[bit];
    ccs->later = ccs->mask >> nameable & 1;
}

static void container(const struct tn_plan_bytes *bytes, bool rtx, struct tn_plan *plan)
{
    const uint8_t *head = bytes->head;
    size_t table = rtx ? CONTAINER_TABLE_RTX : CONTAINER_TABLE;
    const struct tn_plan_section *engine;
    const struct tn_plan_section *weights;
    int64_t length;
    bool table_read;

    plan->flavor = rtx ? TN_FLAVOR_RTX : TN_FLAVOR_TENSORRT;
    if (bytes->head_bytes < table) {
        plan->complete = bytes->size < (int64_t)table ? 0 : TN_UNKNOWN;
        return;
    }
    if (tn_le32(head + 4) != 0)
        return; /* header version: the positions below hold for 0 only */
    length = tn_le_length(head + 0x10);
    plan->expected_size = length < 0 ? TN_UNKNOWN : bytes->base + length;
    plan->version_outer = tn_version_make(head[0x18], head[0x19], head[0x1a], head[0x1b]);
    container_platform(head + 0x1c, plan);
    if (rtx)
        rtx_header(head, plan);
    table_read = read_sections(bytes, table, plan);
    engine = find_section(plan, "ENGN");
    weights = find_section(plan, "WGHT");
    if (engine && engine->offset - bytes->base < (int64_t)bytes->head_bytes) {
        size_t at = (size_t)(engine->offset - bytes->base);

        tn_plan_archive(head + at, bytes->head_bytes - at, engine->offset, engine->length, plan);
    }
    if (weights)
        plan->weight_bytes = weights->length;
    if (rtx)
        rtx_compute_capabilities(plan);
    plan->lean_runtime_inside = find_section(plan, "LEAN") ? 1 : table_read ? 0 : TN_UNKNOWN;
    plan->complete = container_complete(bytes, plan, table_read);
}

bool tn_plan_envelope(const struct tn_plan_bytes *bytes, struct tn_plan *plan)
{
    if (bytes->head_bytes < 4)
        return false;
    plan->kind = TN_FILE_ENGINE;
    if (memcmp(bytes->head, "ptrt", 4) == 0)
        bare_archive(bytes, plan);
    else if (memcmp(bytes->head, "ftrt", 4) == 0)
        container(bytes, false, plan);
    else if (memcmp(bytes->head, "vtrt", 4) == 0)
        container(bytes, true, plan);
    else
        plan->kind = TN_FILE_UNKNOWN;
    return plan->kind != TN_FILE_UNKNOWN;
}

void tn_plan_flags_by_release(struct tn_plan *plan)
{
    static const struct tn_version compatible_since = { { 8, 6, 0, 0 }, 2 };
    static const struct tn_version strip_since = { { 10, 0, 0, 0 }, 2 };

    if (plan->lean_runtime_inside == 1)
        plan->version_compatible = 1;
    if (plan->flavor != TN_FLAVOR_TENSORRT || plan->version.parts == 0)
        return;
    if (tn_version_compare(&plan->version, &compatible_since) < 0) {
        plan->hw_compat = TN_HW_COMPAT_NONE;
        plan->lean_runtime_inside = plan->version_compatible = 0;
    }
    if (tn_version_compare(&plan->version, &strip_since) < 0)
        plan->stripped = plan->weight_streaming = 0;
}
