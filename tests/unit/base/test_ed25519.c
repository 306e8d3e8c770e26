#include "tn_test.h"

#include "base/ed25519.h"
#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tn_error err;

/* RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc). */
static const struct {
    const char *seed, *public_key, *message, *signature;
} vectors[] = {
    { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
      "b46b"
      "d25bf5f0595bbe24655141438e7a100b" },
    { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
      "1d8c"
      "387b2eaeb4302aeeb00d291612bb0c00" },
    { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
      "c659"
      "4a7c15e9716ed28dc027beceea1ec40a" },
    { "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
      "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
      "ebbd"
      "454d4423643ce80e2a9ac94fa54ca49f",
      "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
      "e030"
      "3dca179c138ac17ad9bef1177331a704" },
};

static struct tn_ed25519_secret key_of(const char *seed_hex)
{
    struct tn_ed25519_secret secret;
    unsigned char seed[32];

    assert_true(tn_text_unhex(seed_hex, sizeof(seed), seed));
    assert_int_equal(tn_ed25519_of_seed(seed, &secret, &err), TN_OK);
    return secret;
}

TEST(sign__gives_the_keys_and_signatures_of_rfc_8032)
{
    for (size_t i = 0; i < TN_COUNT(vectors); i++) {
        struct tn_ed25519_secret secret = key_of(vectors[i].seed);
        unsigned char message[128], wanted[64], public_key[32];
        size_t size = strlen(vectors[i].message) / 2;
        struct tn_ed25519_signature signature;

        assert_true(tn_text_unhex(vectors[i].message, size, message));
        assert_true(tn_text_unhex(vectors[i].signature, sizeof(wanted), wanted));
        assert_true(tn_text_unhex(vectors[i].public_key, sizeof(public_key), public_key));
        assert_memory_equal(secret.public_key.bytes, public_key, sizeof(public_key));
        assert_int_equal(tn_ed25519_sign(&secret, message, size, &signature, &err), TN_OK);
        assert_memory_equal(signature.bytes, wanted, sizeof(wanted));
        assert_int_equal(tn_ed25519_verify(&secret.public_key, message, size, &signature, &err),
                         TN_OK);
    }
}

TEST(verify__refuses_every_flipped_bit_another_key_and_another_message)
{
    struct tn_ed25519_secret secret = key_of(vectors[2].seed), other = key_of(vectors[1].seed);
    struct tn_ed25519_signature signature;
    char message[] = "an engine record";

    assert_int_equal(tn_ed25519_sign(&secret, message, strlen(message), &signature, &err), TN_OK);
    for (size_t bit = 0; bit < 8 * sizeof(signature.bytes); bit++) {
        struct tn_ed25519_signature flipped = signature;

        flipped.bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(
            tn_ed25519_verify(&secret.public_key, message, strlen(message), &flipped, &err),
            TN_E_UNTRUSTED);
    }
    assert_int_equal(
        tn_ed25519_verify(&other.public_key, message, strlen(message), &signature, NULL),
        TN_E_UNTRUSTED);
    assert_int_equal(
        tn_ed25519_verify(&secret.public_key, message, strlen(message) - 1, &signature, NULL),
        TN_E_UNTRUSTED);
    message[0] ^= 1;
    assert_int_equal(
        tn_ed25519_verify(&secret.public_key, message, strlen(message), &signature, NULL),
        TN_E_UNTRUSTED);
}

/* S + L is as good for the equation: taken, anybody could make a second signature of one. */
TEST(verify__refuses_an_s_that_is_not_reduced)
{
    static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                             0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                             0,    0,    0,    0,    0,    0,    0,    0,
                                             0,    0,    0,    0,    0,    0,    0,    0x10 };
    struct tn_ed25519_secret secret = key_of(vectors[0].seed);
    struct tn_ed25519_signature signature;
    unsigned carry = 0;

    assert_int_equal(tn_ed25519_sign(&secret, "abc", 3, &signature, &err), TN_OK);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature.bytes[32 + i] + order[i];
        signature.bytes[32 + i] = (unsigned char)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_int_equal(tn_ed25519_verify(&secret.public_key, "abc", 3, &signature, NULL),
                     TN_E_UNTRUSTED);
}

/* The id that python-securesystemslib and TUF's own tools give this key. */
TEST(id__is_the_sha256_of_tufs_canonical_form)
{
    struct tn_ed25519_secret secret = key_of(vectors[0].seed);
    static const char form[] =
        "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":"
        "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"},"
        "\"scheme\":\"ed25519\"}";
    struct tn_digest id, wanted;

    assert_int_equal(tn_ed25519_id(&secret.public_key, &id, &err), TN_OK);
    assert_int_equal(tn_digest_of(form, strlen(form), &wanted, &err), TN_OK);
    assert_true(tn_digest_equal(&id, &wanted));
}

/* ---- files ---- */

static char folder[64], path[96], public_path[104];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/tenon-key-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/key", folder);
    (void)snprintf(public_path, sizeof(public_path), "%s.pub", path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return tn_dir_remove(folder, NULL);
}

static void put_text(const char *where, const char *text, mode_t mode)
{
    FILE *file = fopen(where, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(where, mode), 0);
}

TEST(write__makes_two_files_that_are_read_back_the_private_one_for_its_owner_alone)
{
    struct tn_ed25519_secret secret, again;
    struct tn_ed25519_public public_key;
    struct stat st;

    assert_int_equal(tn_ed25519_new(&secret, &err), TN_OK);
    (void)snprintf(secret.public_key.comment, sizeof(secret.public_key.comment), "CI of team é");
    assert_int_equal(tn_ed25519_write(&secret, path, &err), TN_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tn_ed25519_read(path, &again, &err), TN_OK);
    assert_memory_equal(again.seed, secret.seed, sizeof(secret.seed));
    assert_int_equal(tn_ed25519_read_public(public_path, &public_key, &err), TN_OK);
    assert_memory_equal(public_key.bytes, secret.public_key.bytes, sizeof(public_key.bytes));
    assert_string_equal(public_key.comment, "CI of team é");
}

TEST(write__never_replaces_a_key_and_leaves_no_half_pair)
{
    struct tn_ed25519_secret secret, again;

    assert_int_equal(tn_ed25519_new(&secret, &err), TN_OK);
    assert_int_equal(tn_ed25519_write(&secret, path, &err), TN_OK);
    assert_int_equal(tn_ed25519_new(&again, &err), TN_OK);
    assert_int_equal(tn_ed25519_write(&again, path, &err), TN_E_USAGE);
    assert_int_equal(tn_ed25519_read(path, &again, &err), TN_OK);
    assert_memory_equal(again.seed, secret.seed, sizeof(secret.seed));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tn_ed25519_write(&secret, path, &err), TN_E_USAGE); /* FILE.pub is there */
    assert_int_not_equal(access(path, F_OK), 0);
}

TEST(read__refuses_a_private_key_that_others_may_read)
{
    static const mode_t modes[] = { 0640, 0604, 0620, 0660, 0644 };
    struct tn_ed25519_secret secret;

    assert_int_equal(tn_ed25519_new(&secret, &err), TN_OK);
    assert_int_equal(tn_ed25519_write(&secret, path, &err), TN_OK);
    for (size_t i = 0; i < TN_COUNT(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(tn_ed25519_read(path, &secret, &err), TN_E_UNTRUSTED);
        assert_int_equal(tn_error_exit_status(err.code), 77);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(tn_ed25519_read(path, &secret, &err), TN_OK);
}

/* Each is one thing away from a key. */
TEST(read__refuses_what_is_no_ed25519_key)
{
    static const char *const publics[] = {
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo\n"
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n",
        "-----BEGIN PUBLIC KEY-----\n" /* X25519 */
        "MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=AAAA\n"
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MCow*QYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
        "-----END PUBLIC KEY-----\n",
    };
    struct tn_ed25519_public public_key;
    struct tn_ed25519_secret secret;

    for (size_t i = 0; i < TN_COUNT(publics); i++) {
        put_text(public_path, publics[i], 0644);
        assert_int_equal(tn_ed25519_read_public(public_path, &public_key, &err), TN_E_INVALID);
        put_text(path, publics[i], 0600);
        assert_int_equal(tn_ed25519_read(path, &secret, &err), TN_E_INVALID);
        assert_int_equal(unlink(path), 0);
    }
    put_text(public_path,
             "Comment: good\n-----BEGIN PUBLIC KEY-----\r\n"
             "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMl\r\nrwIaaPcHURo=\r\n"
             "-----END PUBLIC KEY-----\r\n",
             0644);
    assert_int_equal(tn_ed25519_read_public(public_path, &public_key, &err), TN_OK);
    assert_string_equal(public_key.comment, "good");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign__gives_the_keys_and_signatures_of_rfc_8032),
        cmocka_unit_test(verify__refuses_every_flipped_bit_another_key_and_another_message),
        cmocka_unit_test(verify__refuses_an_s_that_is_not_reduced),
        cmocka_unit_test(id__is_the_sha256_of_tufs_canonical_form),
        IN_FOLDER(write__makes_two_files_that_are_read_back_the_private_one_for_its_owner_alone),
        IN_FOLDER(write__never_replaces_a_key_and_leaves_no_half_pair),
        IN_FOLDER(read__refuses_a_private_key_that_others_may_read),
        IN_FOLDER(read__refuses_what_is_no_ed25519_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
