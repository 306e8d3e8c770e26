/* A store in /tmp, and engines that are put into it in an instant. */
#ifndef TN_TEST_STORE_FIXTURE_H
#define TN_TEST_STORE_FIXTURE_H

#include "tn_test.h"

#include "store/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    char root[64];
    struct tn_store *store;
};

static inline struct place place_new(void)
{
    struct place place = { .root = "/tmp/tenon-test-XXXXXX" };
    struct tn_error err = { 0 };

    assert_non_null(mkdtemp(place.root));
    assert_int_equal(tn_store_open(place.root, &place.store, &err), TN_OK);
    return place;
}

static inline void place_done(struct place *place)
{
    tn_store_close(place->store);
    assert_int_equal(tn_dir_remove(place->root, NULL), TN_OK);
}

/* A record whose recipe differs by `model` alone. */
static inline struct tn_record record_of(const char *model)
{
    struct tn_record record = { .model_name = "m" };

    for (int i = 0; i < TN_RECIPE_FIELD_COUNT; i++)
        record.recipe.value[i] = strdup(i == TN_RECIPE_MODEL_DIGEST ? model : "-");
    assert_int_equal(tn_recipe_key(&record.recipe, &record.key, NULL), TN_OK);
    (void)snprintf(record.name, sizeof(record.name), "m_1x3_rtx1.7.1.116_sm89_fp16.engine");
    record.facts = json_object();
    record.built = json_object();
    return record;
}

static inline void write_bytes(const char *path, const char *bytes)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(bytes, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void write_plan(const struct tn_put *put, const char *bytes)
{
    write_bytes(put->plan_path, bytes);
}

/* @return as tn_put_begin() and tn_put_commit() */
static inline int put_into(struct tn_store *store, const char *model, const char *bytes,
                           struct tn_entry *ret_entry, struct tn_error *err)
{
    struct tn_record record = record_of(model);
    struct tn_put one = { .lock_fd = -1 };
    int rc = tn_put_begin(store, &one, err);

    if (rc == TN_OK) {
        write_plan(&one, bytes);
        rc = tn_put_commit(&one, &record, ret_entry, err);
    }
    tn_put_done(&one);
    tn_record_done(&record);
    return rc;
}

static inline struct tn_entry put(struct place *place, const char *model, const char *bytes)
{
    struct tn_entry entry = { 0 };
    struct tn_error err = { 0 };

    if (put_into(place->store, model, bytes, &entry, &err) != TN_OK)
        fail_msg("put: %s", err.text);
    return entry;
}

#endif
