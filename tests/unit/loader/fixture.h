/* A small model, and an engine that is exactly what some options want of it: a hit in an instant,
 * without a toolchain. Its plan is a few bytes that nothing loads. */
#ifndef TN_TEST_LOADER_FIXTURE_H
#define TN_TEST_LOADER_FIXTURE_H

#include "../onnx/model_bytes.h"
#include "../store/fixture.h"

#include "base/json.h"
#include "loader/explain.h"

#include <fcntl.h>
#include <sys/stat.h>

static inline void write_model(const char *path)
{
    static const char *const shape[] = { "4", "8", NULL };
    struct tn_buf graph = BYTES(), model;
    FILE *file = fopen(path, "w");

    put_node(&graph, "Relu", "", "x", "y", NULL);
    put_io(&graph, 11, "x", F32, shape);
    put_io(&graph, 12, "y", F32, shape);
    model = make_model(&graph, 17);
    assert_non_null(file);
    assert_int_equal(fwrite(model.data, 1, model.size, file), model.size);
    assert_int_equal(fclose(file), 0);
    tn_buf_done(&model);
}

static inline void age(const char *path)
{
    const struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };

    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* What the last rung of these options wants. */
static inline struct tn_record record_wanted(const struct tn_get_options *options)
{
    struct tn_explanation told = { 0 };
    struct tn_error err = { 0 };
    struct tn_explain_rung *rung;
    struct tn_record record = { .model_name = "m" };

    if (tn_explain(options, &told, &err) != TN_OK)
        fail_msg("explain: %s", err.text);
    rung = &told.rung[told.rung_count - 1];
    assert_true(rung->exists);
    record.key = rung->key;
    record.recipe = rung->recipe;
    rung->recipe = (struct tn_recipe) { 0 };
    (void)snprintf(record.name, sizeof(record.name), "m_4x8_%s_sm89_fp32.engine", options->runtime);
    record.facts = json_object();
    record.built = json_object();
    tn_explanation_done(&told);
    return record;
}

static inline struct tn_entry put_engine(struct tn_store *store,
                                         const struct tn_get_options *options, const char *bytes)
{
    struct tn_record record = record_wanted(options);
    struct tn_put one = { .lock_fd = -1 };
    struct tn_entry entry = { 0 };
    struct tn_error err = { 0 };

    assert_int_equal(tn_put_begin(store, &one, &err), TN_OK);
    write_plan(&one, bytes);
    if (tn_put_commit(&one, &record, &entry, &err) != TN_OK)
        fail_msg("commit: %s", err.text);
    age(entry.path);
    tn_put_done(&one);
    tn_record_done(&record);
    return entry;
}

#endif
