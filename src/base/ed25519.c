#include "base/ed25519.h"

#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { KEY_FILE_BYTES_MAX = 16 * 1024, SPKI_BYTES = 44, PKCS8_BYTES = 48, BASE64_BYTES = 72 };

#define BEGIN_PUBLIC  "-----BEGIN PUBLIC KEY-----"
#define END_PUBLIC    "-----END PUBLIC KEY-----"
#define BEGIN_PRIVATE "-----BEGIN PRIVATE KEY-----"
#define END_PRIVATE   "-----END PRIVATE KEY-----"
#define COMMENT       "Comment: "

/* RFC 8410: the DER in front of the 32 bytes is always this. */
static const unsigned char spki_head[SPKI_BYTES - TN_ED25519_BYTES] = { 0x30, 0x2a, 0x30, 0x05,
                                                                        0x06, 0x03, 0x2b, 0x65,
                                                                        0x70, 0x03, 0x21, 0x00 };
static const unsigned char pkcs8_head[PKCS8_BYTES - TN_ED25519_BYTES] = {
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20
};

void tn_ed25519_done(struct tn_ed25519_secret *secret)
{
    explicit_bzero(secret, sizeof(*secret));
}

static void pkey_done(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void context_done(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static void bio_done(BIO **bio)
{
    BIO_free(*bio);
}

static void wipe(struct tn_buf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->capacity);
    tn_buf_done(text);
}

static int no_memory(struct tn_error *err)
{
    return tn_fail(err, TN_E_NOMEM, "Ed25519: libcrypto failed");
}

/* ---- keys and signatures ---- */

int tn_ed25519_of_seed(const unsigned char seed[TN_ED25519_BYTES],
                       struct tn_ed25519_secret *ret_secret, struct tn_error *err)
{
    tn_auto(pkey_done) EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TN_ED25519_BYTES);
    struct tn_ed25519_public public_key = { .comment = "" };
    size_t size = TN_ED25519_BYTES;

    if (!key || EVP_PKEY_get_raw_public_key(key, public_key.bytes, &size) != 1)
        return no_memory(err);
    memmove(ret_secret->seed, seed, TN_ED25519_BYTES);
    ret_secret->public_key = public_key;
    return TN_OK;
}

int tn_ed25519_new(struct tn_ed25519_secret *ret_secret, struct tn_error *err)
{
    unsigned char seed[TN_ED25519_BYTES];
    int rc;

    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return tn_fail_os(err, TN_E_IO, "random numbers for a key");
    rc = tn_ed25519_of_seed(seed, ret_secret, err);
    explicit_bzero(seed, sizeof(seed));
    return rc;
}

int tn_ed25519_id(const struct tn_ed25519_public *key, struct tn_digest *ret_id,
                  struct tn_error *err)
{
    char hex[2 * TN_ED25519_BYTES + 1], text[160];

    tn_text_hex(key->bytes, TN_ED25519_BYTES, hex);
    (void)snprintf(text, sizeof(text),
                   "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},"
                   "\"scheme\":\"ed25519\"}",
                   hex);
    return tn_digest_of(text, strlen(text), ret_id, err);
}

int tn_ed25519_sign(const struct tn_ed25519_secret *secret, const void *data, size_t size,
                    struct tn_ed25519_signature *ret_signature, struct tn_error *err)
{
    tn_auto(pkey_done) EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret->seed, TN_ED25519_BYTES);
    tn_auto(context_done) EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct tn_ed25519_signature signature;
    size_t length = sizeof(signature.bytes);

    if (!key || !context || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
        EVP_DigestSign(context, signature.bytes, &length, data, size) != 1)
        return no_memory(err);
    *ret_signature = signature;
    return TN_OK;
}

int tn_ed25519_verify(const struct tn_ed25519_public *key, const void *data, size_t size,
                      const struct tn_ed25519_signature *signature, struct tn_error *err)
{
    tn_auto(pkey_done) EVP_PKEY *public_key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes, TN_ED25519_BYTES);
    tn_auto(context_done) EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good;

    if (!public_key || !context || EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) != 1)
        return no_memory(err);
    (void)ERR_set_mark(); /* the queue of errors is the application's */
    good = EVP_DigestVerify(context, signature->bytes, sizeof(signature->bytes), data, size) == 1;
    (void)ERR_pop_to_mark();
    if (good)
        return TN_OK;
    return tn_fail(err, TN_E_UNTRUSTED, "the signature is not this key's, or of other bytes");
}

/* ---- writing ---- */

static void add_pem(struct tn_buf *text, const char *begin, const unsigned char *der, int size,
                    const char *end)
{
    unsigned char base64[BASE64_BYTES];

    (void)EVP_EncodeBlock(base64, der, size);
    tn_buf_addf(text, "%s\n%s\n%s\n", begin, (const char *)base64, end);
    explicit_bzero(base64, sizeof(base64));
}

static void add_private(struct tn_buf *text, const struct tn_ed25519_secret *secret)
{
    unsigned char der[PKCS8_BYTES];

    memcpy(der, pkcs8_head, sizeof(pkcs8_head));
    memcpy(der + sizeof(pkcs8_head), secret->seed, TN_ED25519_BYTES);
    add_pem(text, BEGIN_PRIVATE, der, sizeof(der), END_PRIVATE);
    explicit_bzero(der, sizeof(der));
}

static void add_public(struct tn_buf *text, const struct tn_ed25519_public *key)
{
    unsigned char der[SPKI_BYTES];

    memcpy(der, spki_head, sizeof(spki_head));
    memcpy(der + sizeof(spki_head), key->bytes, TN_ED25519_BYTES);
    if (key->comment[0])
        tn_buf_addf(text, COMMENT "%s\n", key->comment);
    add_pem(text, BEGIN_PUBLIC, der, sizeof(der), END_PUBLIC);
}

static int folder_of(const char *path, char ret_folder[PATH_MAX], struct tn_error *err)
{
    size_t length = (size_t)(tn_path_base(path) - path);

    if (length >= PATH_MAX)
        return tn_fail(err, TN_E_TOOBIG, "the path '%.100s…' is too long", path);
    (void)snprintf(ret_folder, PATH_MAX, "%.*s", length ? (int)length : 1, length ? path : ".");
    return TN_OK;
}

/* Under a name of its own first, then linked: link() never replaces, as rename() would. */
static int write_new(const char *path, const struct tn_buf *text, mode_t mode, struct tn_error *err)
{
    tn_auto(tn_unlink_done) const char *undo = NULL;
    tn_auto(tn_fd_done) int fd = -1;
    char temporary[PATH_MAX];
    int rc;

    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
        return tn_fail(err, TN_E_TOOBIG, "the path '%.100s…' is too long", path);
    fd = mkostemp(temporary, O_CLOEXEC); /* 0600 from its first moment */
    if (fd < 0)
        return tn_fail_os(err, TN_E_IO, "create '%s'", temporary);
    undo = temporary; /* in any case: what stays is the link */
    rc = tn_file_write_all(fd, text->data, text->size, err);
    if (rc < 0)
        return tn_while(err, rc, "'%s'", path);
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
        return tn_fail_os(err, TN_E_IO, "fsync '%s'", temporary);
    if (link(temporary, path) == 0)
        return TN_OK;
    if (errno == EEXIST)
        return tn_fail(err, TN_E_USAGE, "'%s' exists: a key is never written over another", path);
    return tn_fail_os(err, TN_E_IO, "link '%s'", path);
}

/* The public half last: what it stands beside is whole. */
static int write_both(const char *path, const struct tn_buf *secret, const char *public_path,
                      const struct tn_buf *public_text, struct tn_error *err)
{
    tn_auto(tn_unlink_done) const char *undo = NULL;
    tn_auto(tn_unlink_done) const char *undo_public = NULL;
    char folder[PATH_MAX];
    int rc = folder_of(path, folder, err);

    if (rc == TN_OK)
        rc = write_new(path, secret, 0600, err);
    if (rc < 0)
        return rc;
    undo = path;
    rc = write_new(public_path, public_text, 0644, err);
    if (rc < 0)
        return rc;
    undo_public = public_path;
    rc = tn_dir_sync(folder, err);
    if (rc == TN_OK)
        undo = undo_public = NULL;
    return rc;
}

int tn_ed25519_write(const struct tn_ed25519_secret *secret, const char *path, struct tn_error *err)
{
    tn_auto(wipe) struct tn_buf text = TN_BUF(KEY_FILE_BYTES_MAX);
    tn_auto(tn_buf_done) struct tn_buf public_text = TN_BUF(KEY_FILE_BYTES_MAX);
    char public_path[PATH_MAX];
    int rc;

    if (snprintf(public_path, sizeof(public_path), "%s.pub", path) >= (int)sizeof(public_path))
        return tn_fail(err, TN_E_TOOBIG, "the path '%.100s…' is too long", path);
    add_private(&text, secret);
    add_public(&public_text, &secret->public_key);
    rc = tn_buf_check(&text, "a key", err);
    if (rc == TN_OK)
        rc = tn_buf_check(&public_text, "a key", err);
    return rc < 0 ? rc : write_both(path, &text, public_path, &public_text, err);
}

/* ---- reading ---- */

/* Opens what only root and this user can change; with `hidden` also: read. */
static int read_key_file(const char *path, bool hidden, struct tn_buf *ret_text,
                         struct tn_error *err)
{
    tn_auto(tn_fd_done) int fd = -1;
    struct stat st;
    int rc = tn_file_open(path, &fd, &st, err);

    if (rc == TN_OK)
        rc = tn_file_trusted(&st, path, err);
    if (rc == TN_OK && hidden && (st.st_mode & 077))
        rc = tn_fail(err, TN_E_UNTRUSTED,
                     "the private key '%s' can be read by others: chmod 600 '%s', and make a new "
                     "one if they may have read it",
                     path, path);
    return rc < 0 ? rc : tn_file_read_fd(fd, path, ret_text, err);
}

/* Nobody is asked: a program that waits for a passphrase hangs a CI job. */
static int no_passphrase(char *text, int size, int writing, void *user)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

int tn_ed25519_read(const char *path, struct tn_ed25519_secret *ret_secret, struct tn_error *err)
{
    tn_auto(wipe) struct tn_buf text = TN_BUF(KEY_FILE_BYTES_MAX);
    tn_auto(tn_ed25519_done) struct tn_ed25519_secret secret = { .seed = { 0 } };
    tn_auto(bio_done) BIO *bio = NULL;
    tn_auto(pkey_done) EVP_PKEY *key = NULL;
    size_t size = TN_ED25519_BYTES;
    int rc = read_key_file(path, true, &text, err);

    if (rc < 0)
        return rc;
    (void)ERR_set_mark();
    bio = BIO_new_mem_buf(tn_buf_text(&text), (int)text.size);
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    (void)ERR_pop_to_mark();
    if (!key || EVP_PKEY_get_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_private_key(key, secret.seed, &size) != 1)
        return tn_fail(err, TN_E_INVALID,
                       "'%s' is no private Ed25519 key without a passphrase (PEM): 'tenon key new' "
                       "makes one",
                       path);
    return tn_ed25519_of_seed(secret.seed, ret_secret, err);
}

/* The base64 between the lines, without its line breaks. @return false when it cannot be a key */
static bool take_base64(const char *text, const char *end, char ret_base64[BASE64_BYTES])
{
    size_t count = 0;

    for (; text < end; text++) {
        if (strchr(" \t\r\n", *text))
            continue;
        if (count + 1 == BASE64_BYTES)
            return false;
        ret_base64[count++] = *text;
    }
    ret_base64[count] = '\0';
    return count == (SPKI_BYTES + 2) / 3 * 4;
}

static bool take_public(const char *text, struct tn_ed25519_public *ret_key)
{
    const char *begin = strstr(text, BEGIN_PUBLIC);
    const char *end = begin ? strstr(begin, END_PUBLIC) : NULL;
    unsigned char der[BASE64_BYTES];
    char base64[BASE64_BYTES];

    if (!end || !take_base64(begin + strlen(BEGIN_PUBLIC), end, base64) ||
        EVP_DecodeBlock(der, (const unsigned char *)base64, (int)strlen(base64)) !=
            SPKI_BYTES + 1 || /* it counts the byte that '=' stands for */
        memcmp(der, spki_head, sizeof(spki_head)) != 0)
        return false;
    memcpy(ret_key->bytes, der + sizeof(spki_head), TN_ED25519_BYTES);
    return true;
}

/* One line in front, when it is fit to be shown. */
static void take_comment(const char *text, char ret_comment[TN_ED25519_COMMENT_MAX + 1])
{
    const char *line = strstr(text, COMMENT);
    const char *begin = strstr(text, BEGIN_PUBLIC);
    size_t length;

    ret_comment[0] = '\0';
    if (!line || line > begin)
        return;
    line += strlen(COMMENT);
    length = strcspn(line, "\r\n");
    if (tn_text_is_clean(line, length))
        (void)tn_text_copy_n(ret_comment, TN_ED25519_COMMENT_MAX + 1, line, length);
}

int tn_ed25519_read_public(const char *path, struct tn_ed25519_public *ret_key,
                           struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(KEY_FILE_BYTES_MAX);
    struct tn_ed25519_public key = { .comment = "" };
    int rc = read_key_file(path, false, &text, err);

    if (rc < 0)
        return rc;
    if (strlen(tn_buf_text(&text)) != text.size || !take_public(tn_buf_text(&text), &key))
        return tn_fail(err, TN_E_INVALID, "'%s' is no public Ed25519 key (PEM, as FILE.pub)", path);
    take_comment(tn_buf_text(&text), key.comment);
    *ret_key = key;
    return TN_OK;
}
