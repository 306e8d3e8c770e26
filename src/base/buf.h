/*
 * A growing byte buffer with a hard limit, always terminated by a NUL that does not count.
 *
 * Appending never needs checking call by call: after the first failure (limit or memory) the
 * buffer stays as it was and remembers why; ask once at the end with tn_buf_check().
 * An object belongs to one thread.
 */
#ifndef TN_BASE_BUF_H
#define TN_BASE_BUF_H

#include "base/error.h"

#include <stddef.h>

struct tn_buf {
    char *data;      /* NULL while empty */
    size_t size;     /* bytes in use, the final NUL not counted */
    size_t capacity; /* bytes allocated */
    size_t limit;    /* most bytes that it may hold */
    int failed;      /* TN_E_TOOBIG or TN_E_NOMEM once an append failed, else 0 */
};

/** A new empty buffer that never holds more than `limit` bytes. */
#define TN_BUF(limit_bytes) ((struct tn_buf) { .limit = (limit_bytes) })

void tn_buf_add(struct tn_buf *buf, const void *data, size_t size);
void tn_buf_adds(struct tn_buf *buf, const char *text);
void tn_buf_addf(struct tn_buf *buf, const char *format, ...) TN_PRINTF(2, 3);

/** The text so far; "" while empty. Owned by the buffer, valid until the next append. */
const char *tn_buf_text(const struct tn_buf *buf);

/** Empties the buffer and keeps its memory. */
void tn_buf_clear(struct tn_buf *buf);

/** @return 0, TN_E_TOOBIG or TN_E_NOMEM; `what` names the content in the message */
int tn_buf_check(const struct tn_buf *buf, const char *what, struct tn_error *err);

/** Hands the text to the caller, who frees it with free(); NULL if an append failed or no memory.
 */
char *tn_buf_steal(struct tn_buf *buf);

void tn_buf_done(struct tn_buf *buf);

#endif
