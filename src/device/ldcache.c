#include "device/ldcache.h"

#include <stdint.h>
#include <string.h>

enum { HEADER = 48, ENTRY = 24, OLD_HEADER = 16, OLD_ENTRY = 12 };

static const char magic[] = "glibc-ld.so.cache1.1";
static const char old_magic[] = "ld.so-1.7.0";

static uint32_t u32_at(const char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Where the new header begins behind an old one; 0 without one. */
static size_t skip_old(const char *bytes, size_t size)
{
    uint64_t end;

    if (size < OLD_HEADER || memcmp(bytes, old_magic, sizeof(old_magic) - 1) != 0)
        return 0;
    end = OLD_HEADER + (uint64_t)OLD_ENTRY * u32_at(bytes + 12);
    end = (end + 7) & ~UINT64_C(7);
    return end < size ? (size_t)end : size;
}

static const char *string_at(const char *bytes, size_t size, uint32_t offset)
{
    if (offset >= size || !memchr(bytes + offset, '\0', size - offset))
        return NULL;
    return bytes + offset;
}

void tn_ldcache_each(const char *bytes, size_t size,
                     void (*take)(const char *name, const char *path, void *user), void *user)
{
    size_t skipped = bytes ? skip_old(bytes, size) : size;
    uint32_t count;

    bytes = bytes ? bytes + skipped : NULL;
    size -= skipped;
    if (size < HEADER || memcmp(bytes, magic, sizeof(magic) - 1) != 0)
        return;
    count = u32_at(bytes + 20);
    for (uint32_t i = 0; i < count && HEADER + ((uint64_t)i + 1) * ENTRY <= size; i++) {
        const char *entry = bytes + HEADER + (size_t)i * ENTRY;
        const char *name = string_at(bytes, size, u32_at(entry + 4));
        const char *path = string_at(bytes, size, u32_at(entry + 8));

        if (name && path)
            take(name, path, user);
    }
}
