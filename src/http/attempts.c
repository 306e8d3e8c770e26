#include "http/attempts.h"

#include <stddef.h>
#include <string.h>

enum { WAYS = 4 };

void tn_attempts_init(struct tn_attempts *attempts, uint64_t seed)
{
    (void)memset(attempts, 0, sizeof(*attempts));
    attempts->seed = seed;
}

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 33;
}

uint64_t tn_attempts_key(const struct tn_attempts *attempts, const char *address,
                         const char *subject)
{
    uint64_t key = mix(attempts->seed, address);

    if (subject)
        key = mix(key + 1, subject);
    return key ? key : 1;
}

static size_t first_slot(uint64_t key)
{
    return (size_t)(key % (TN_ATTEMPTS_SLOTS / WAYS)) * WAYS;
}

static bool is_over(const struct tn_attempts *attempts, size_t at, int64_t now_s)
{
    return now_s - attempts->slot[at].since_s >= TN_ATTEMPTS_WINDOW_S;
}

void tn_attempts_failed(struct tn_attempts *attempts, uint64_t key, int64_t now_s)
{
    size_t first = first_slot(key), at = first;

    attempts->any = true;
    attempts->last_s = now_s;
    for (size_t i = first; i < first + WAYS; i++) {
        if (attempts->slot[i].key == key) {
            at = i;
            break;
        }
        if (attempts->slot[i].since_s < attempts->slot[at].since_s)
            at = i;
    }
    if (attempts->slot[at].key != key || is_over(attempts, at, now_s)) {
        attempts->slot[at].key = key;
        attempts->slot[at].since_s = now_s;
        attempts->slot[at].count = 0;
    }
    if (attempts->slot[at].count < UINT32_MAX)
        attempts->slot[at].count++;
}

bool tn_attempts_quiet(const struct tn_attempts *attempts, int64_t now_s)
{
    return !attempts->any || now_s - attempts->last_s >= TN_ATTEMPTS_WINDOW_S;
}

uint32_t tn_attempts_count(const struct tn_attempts *attempts, uint64_t key, int64_t now_s)
{
    size_t first = first_slot(key);

    for (size_t i = first; i < first + WAYS; i++)
        if (attempts->slot[i].key == key)
            return is_over(attempts, i, now_s) ? 0 : attempts->slot[i].count;
    return 0;
}
