/* Any bytes as /etc/ld.so.cache; every string that it gives is read to its end. */
#include "device/ldcache.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *name, const char *path, void *user)
{
    size_t *total = user;

    *total += strlen(name) + strlen(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t total = 0;

    tn_ldcache_each((const char *)data, size, take, &total);
    return 0;
}
