/*
 * Numbers, sizes and safe printing of foreign text.
 */
#ifndef TN_BASE_TEXT_H
#define TN_BASE_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Copies what fits, whole characters of UTF-8, and always ends with a NUL. @return whether all of
 * it fitted */
bool tn_text_copy(char *ret_text, size_t size, const char *text);

/** Like tn_text_copy() for `length` bytes that need not end with a NUL. */
bool tn_text_copy_n(char *ret_text, size_t size, const char *text, size_t length);

/** Decimal digits only, the whole of `length` bytes, no overflow. */
bool tn_text_u64(const char *text, size_t length, uint64_t *ret_value);

/** A signed decimal number that is the whole text. */
bool tn_text_i64(const char *text, int64_t *ret_value);

/** "1024", "64KiB", "2GiB", "1.5 GiB", "20GB": bytes. */
bool tn_text_size(const char *text, int64_t *ret_bytes);

/** "90s", "30m", "2h", "250ms", plain number = seconds: nanoseconds. */
bool tn_text_duration(const char *text, int64_t *ret_nsec);

bool tn_text_starts(const char *text, const char *prefix);
bool tn_text_ends(const char *text, const char *suffix);

/** Appends foreign bytes so that a terminal and a log stay safe: control bytes and broken UTF-8
 * become \xNN. */
void tn_text_add_safe(struct tn_buf *buf, const char *text, size_t length);

/** Whether foreign bytes are whole UTF-8 without control characters: fit for a name, and left as
 * they are by tn_text_add_safe(). */
bool tn_text_is_clean(const char *text, size_t length);

/** 0 to 15 of a hexadecimal digit of either case; -1 of anything else. */
int tn_text_hex_value(char c);

/** Bytes as lower-case hexadecimal digits and a NUL, and back: exactly 2 * `count` digits of either
 * case, else false. */
void tn_text_hex(const unsigned char *bytes, size_t count, char *ret_hex);
bool tn_text_unhex(const char *hex, size_t count, unsigned char *ret_bytes);

/** Foreign text as one safe line: line breaks and the indentation after them become one blank,
 * control bytes and broken UTF-8 \xNN; what does not fit is cut. */
void tn_text_one_line(char *ret_text, size_t size, const char *text);

/** Appends "9.2 MiB" (one decimal from KiB on). */
void tn_text_add_bytes(struct tn_buf *buf, int64_t bytes);

/** The entry of a NULL-ended list that a person most likely meant, or NULL when none is near. */
const char *tn_text_nearest(const char *text, const char *const *known);

#endif
