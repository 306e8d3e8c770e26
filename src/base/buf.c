#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int reserve(struct tn_buf *buf, size_t more)
{
    size_t wanted, grown;
    char *data;

    if (buf->failed)
        return buf->failed;
    if (more > buf->limit - buf->size)
        return buf->failed = TN_E_TOOBIG;
    wanted = buf->size + more + 1;
    if (wanted <= buf->capacity)
        return TN_OK;
    grown = buf->capacity < 128 ? 128 : buf->capacity * 2;
    if (grown < wanted)
        grown = wanted;
    data = realloc(buf->data, grown);
    if (!data)
        return buf->failed = TN_E_NOMEM;
    buf->data = data;
    buf->capacity = grown;
    return TN_OK;
}

void tn_buf_add(struct tn_buf *buf, const void *data, size_t size)
{
    if (reserve(buf, size) != TN_OK)
        return;
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void tn_buf_adds(struct tn_buf *buf, const char *text)
{
    tn_buf_add(buf, text, strlen(text));
}

void tn_buf_addf(struct tn_buf *buf, const char *format, ...)
{
    size_t room = buf->failed ? 0 : buf->capacity - buf->size;
    va_list args;
    int length;

    /* first into the room there is: mostly it is enough */
    va_start(args, format);
    length = vsnprintf(room ? buf->data + buf->size : NULL, room, format, args);
    va_end(args);
    if (length < 0 || reserve(buf, (size_t)length) != TN_OK) {
        if (room)
            buf->data[buf->size] = '\0'; /* what was written of it does not count */
        return;
    }
    if ((size_t)length >= room) {
        va_start(args, format);
        (void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format, args);
        va_end(args);
    }
    buf->size += (size_t)length;
}

const char *tn_buf_text(const struct tn_buf *buf)
{
    return buf->data ? buf->data : "";
}

void tn_buf_clear(struct tn_buf *buf)
{
    buf->size = 0;
    buf->failed = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

int tn_buf_check(const struct tn_buf *buf, const char *what, struct tn_error *err)
{
    if (buf->failed == TN_E_TOOBIG)
        return tn_fail(err, TN_E_TOOBIG, "%s: larger than the limit of %zu bytes", what,
                       buf->limit);
    if (buf->failed)
        return tn_fail(err, buf->failed, "%s: out of memory", what);
    return TN_OK;
}

char *tn_buf_steal(struct tn_buf *buf)
{
    char *data;

    if (!buf->data)
        (void)reserve(buf, 0);
    if (buf->failed)
        return NULL;
    data = buf->data;
    data[buf->size] = '\0';
    *buf = TN_BUF(buf->limit);
    return data;
}

void tn_buf_done(struct tn_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->size = buf->capacity = 0;
}
