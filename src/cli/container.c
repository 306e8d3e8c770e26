#include "cli/container.h"

#include "base/macros.h"
#include "base/text.h"

#include <string.h>
#include <unistd.h>

enum { CPIO_HEADER = 110, RAUC_SIGNATURE_MAX = 64 * 1024, DER_SEQUENCE = 0x30 };

static int read_at(int fd, void *data, size_t size, int64_t offset, struct tn_error *err)
{
    ssize_t got = pread(fd, data, size, (off_t)offset);

    if (got < 0)
        return tn_fail_os(err, TN_E_IO, "read it");
    return (size_t)got == size ? TN_OK : tn_fail(err, TN_E_INVALID, "it is cut off");
}

static int check_swupdate(int fd, int64_t bytes, struct tn_error *err)
{
    static const char first[] = "sw-description"; /* with its NUL */
    char head[CPIO_HEADER + sizeof(first)] = "";

    if (bytes < (int64_t)sizeof(head) || read_at(fd, head, sizeof(head), 0, err) < 0)
        return tn_fail(err, TN_E_INVALID, "too short for an SWUpdate image");
    if (memcmp(head, "070701", 6) != 0 && memcmp(head, "070702", 6) != 0)
        return tn_fail(err, TN_E_INVALID, "an SWUpdate image is a cpio archive, this is none");
    if (memcmp(head + CPIO_HEADER, first, sizeof(first)) != 0)
        return tn_fail(err, TN_E_INVALID,
                       "an SWUpdate image begins with sw-description, this archive does not");
    return TN_OK;
}

/* Payload, CMS, length of the CMS as 8 bytes with the highest first. */
static int check_rauc(int fd, int64_t bytes, struct tn_error *err)
{
    unsigned char length[8] = { 0 }, first = 0;
    uint64_t signature = 0;
    int rc = bytes > (int64_t)sizeof(length)
                 ? read_at(fd, length, sizeof(length), bytes - (int64_t)sizeof(length), err)
                 : tn_fail(err, TN_E_INVALID, "too short for a RAUC bundle");

    for (size_t i = 0; i < sizeof(length); i++)
        signature = signature << 8 | length[i];
    if (rc == TN_OK && signature > 0 && signature <= RAUC_SIGNATURE_MAX &&
        (int64_t)signature < bytes - (int64_t)sizeof(length))
        rc = read_at(fd, &first, 1, bytes - (int64_t)sizeof(length) - (int64_t)signature, err);
    if (rc == TN_OK && first != DER_SEQUENCE)
        rc = tn_fail(err, TN_E_INVALID, "a RAUC bundle ends with its signature, this does not");
    return rc;
}

static const struct row {
    const char *kind, *suffix;
    int (*check)(int fd, int64_t bytes, struct tn_error *err);
} rows[] = {
    { "swupdate", ".swu", check_swupdate },
    { "rauc", ".raucb", check_rauc },
};

const char *tn_container_kind(const char *path)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (tn_text_ends(path, rows[i].suffix))
            return rows[i].kind;
    return NULL;
}

int tn_container_check(const char *kind, int fd, int64_t bytes, struct tn_error *err)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++)
        if (strcmp(rows[i].kind, kind) == 0)
            return rows[i].check(fd, bytes, err);
    return tn_fail(err, TN_E_INVALID, "'%s' is no kind of container", kind);
}
