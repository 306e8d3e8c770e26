/*
 * The weight types of a TensorRT-RTX plan, from the readable text that its compiler leaves in ENGN:
 * one line per tensor, of which those with `const_payload_size=` are weights and end in `type=…`.
 */
#include "base/file.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE_BYTES = 256 << 10,
    LINE_MAX_BYTES = 8 << 10, /* descriptor lines are a few hundred bytes */
    SCALAR_BYTES = 8,         /* factors of a product, not weights */
};

/* Names of types as the text writes them, the narrowest first: the order of the answer. */
static const char *const type_names[] = { "int4", "fp4",  "fp4_e2m1", "fp8_e4m3", "fp8_e5m2",
                                          "int8", "bf16", "half",     "float",    "double" };

struct seen {
    bool type[TN_COUNT(type_names)];
};

static uint64_t digits_at(const char *text, const char *end)
{
    uint64_t value = 0;

    for (; text < end && *text >= '0' && *text <= '9' && value < UINT64_MAX / 16; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

static void see_type(const char *text, const char *end, struct seen *seen)
{
    size_t length = 0;

    while (text + length < end && text[length] != ' ' && text[length] != '}')
        length++;
    for (size_t i = 0; i < TN_COUNT(type_names); i++)
        if (strlen(type_names[i]) == length && memcmp(type_names[i], text, length) == 0)
            seen->type[i] = true;
}

/* One line that begins with the size of a constant. */
static void see_weight(const char *line, const char *end, struct seen *seen)
{
    static const char type[] = " type=";
    const char *found = memmem(line, (size_t)(end - line), type, sizeof(type) - 1);

    if (found && digits_at(line, end) > SCALAR_BYTES)
        see_type(found + sizeof(type) - 1, end, seen);
}

/* Looks at every whole line. @return how many bytes at the end belong to a line not yet whole */
static size_t see_lines(const char *text, size_t size, struct seen *seen)
{
    static const char size_of[] = "const_payload_size=";
    const char *end = text + size;
    const char *at = text;
    const char *last = memrchr(text, '\n', size);

    while ((at = memmem(at, (size_t)(end - at), size_of, sizeof(size_of) - 1)) != NULL) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));

        if (!stop)
            break;
        see_weight(at + sizeof(size_of) - 1, stop, seen);
        at = stop;
    }
    size = last ? (size_t)(end - last) : size;
    return size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;
}

static int see_section(int fd, const struct tn_plan_section *section, struct seen *seen,
                       struct tn_error *err)
{
    tn_auto(tn_str_free) char *text = malloc(PIECE_BYTES + LINE_MAX_BYTES);
    size_t kept = 0;
    size_t got = 1;

    if (!text)
        return tn_fail(err, TN_E_NOMEM, "read the text of a plan");
    for (int64_t at = 0; at < section->length && got > 0; at += (int64_t)got) {
        int64_t left = section->length - at;
        size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        int rc = tn_file_read_at(fd, section->offset + at, text + kept, want, &got, err);
        size_t held = kept + got;

        if (rc < 0)
            return rc;
        kept = see_lines(text, held, seen);
        memmove(text, text + held - kept, kept);
    }
    return TN_OK;
}

int tn_plan_weight_precision(int fd, const struct tn_plan *plan, char ret_text[64],
                             struct tn_error *err)
{
    struct seen seen = { 0 };
    char text[64] = "";

    for (int i = 0; i < plan->section_count && plan->flavor == TN_FLAVOR_RTX; i++) {
        int rc = strcmp(plan->section[i].tag, "ENGN") == 0
                     ? see_section(fd, &plan->section[i], &seen, err)
                     : TN_OK;

        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < TN_COUNT(type_names); i++) {
        size_t used = strlen(text);

        if (seen.type[i] && used + strlen(type_names[i]) + 2 <= sizeof(text))
            (void)snprintf(text + used, sizeof(text) - used, "%s%s", used ? "," : "",
                           type_names[i]);
    }
    memcpy(ret_text, text, sizeof(text));
    return TN_OK;
}
