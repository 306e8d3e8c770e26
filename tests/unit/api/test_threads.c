/* The library under threads: what the header promises, for ThreadSanitizer to watch (tools/test).
 */
#include "../loader/fixture.h"

#include "base/macros.h"

#include <pthread.h>
#include <stdlib.h>
#include <tenon/tenon.h>
#include <unistd.h>

#define RUNTIME "rtx1.7.1.116"

enum { SHARING = 8, ALONE = 8, ROUNDS = 20 };

static const char plan[] = "plan of the test";

struct scene {
    struct place place;
    char model[128];
    struct tn_entry entry;
};

/* One thread's work. */
struct worker {
    const struct scene *scene;
    struct tn_loader *loader; /* shared, or NULL: it opens its own */
    pthread_t thread;
    char failed[512]; /* what went wrong; "" = nothing */
};

static void fails(struct worker *worker, const char *what, const struct tn_error *err)
{
    (void)snprintf(worker->failed, sizeof(worker->failed), "%s: %s", what, err->text);
}

static void get_hit(struct worker *worker, struct tn_loader *loader)
{
    struct tn_engine_options want = { .size = sizeof(want), .runtime = RUNTIME, .no_build = true };
    struct tn_engine *engine = NULL;
    struct tn_error err = { 0 };
    char *report = NULL;
    size_t bytes = 0;
    const void *data;

    if (tn_engine_get(loader, worker->scene->model, &want, &engine, &err) < 0) {
        fails(worker, "hit", &err);
        return;
    }
    data = tn_engine_bytes(engine, &bytes);
    if (bytes != sizeof(plan) - 1 || memcmp(data, plan, bytes) != 0 ||
        strcmp(tn_engine_path(engine), worker->scene->entry.path) != 0)
        fails(worker, "another engine", &err);
    if (tn_engine_report(engine, &report, &err) < 0)
        fails(worker, "report", &err);
    tn_free(report);
    tn_engine_close(engine);
}

static void get_miss(struct worker *worker, struct tn_loader *loader)
{
    struct tn_engine_options want = { .size = sizeof(want),
                                      .runtime = "rtx1.6.0.1",
                                      .no_build = true };
    struct tn_engine *engine = NULL;
    struct tn_error err = { 0 };

    if (tn_engine_get(loader, worker->scene->model, &want, &engine, &err) != TN_E_NOENGINE)
        fails(worker, "miss", &err);
    tn_engine_close(engine);
}

static void ask(struct worker *worker, struct tn_loader *loader)
{
    struct tn_check_options on = { .size = sizeof(on), .device = "t4+trt8.4.1.5" };
    const char *path = worker->scene->entry.path;
    struct tn_error err = { 0 };
    char *json = NULL;

    if (tn_plan_inspect(path, &json, &err) < 0)
        fails(worker, "inspect", &err);
    tn_free(json);
    json = NULL;
    if (tn_check(path, &on, &json, &err) < 0)
        fails(worker, "check", &err);
    tn_free(json);
    json = NULL;
    if (tn_store_list(loader, &json, &err) < 0 || !strstr(json, worker->scene->entry.path))
        fails(worker, "list", &err);
    tn_free(json);
}

static void *work(void *user)
{
    struct worker *worker = user;
    struct tn_loader_options at = { .size = sizeof(at), .store = worker->scene->place.root };
    struct tn_loader *own = NULL;
    struct tn_error err = { 0 };

    if (!worker->loader && tn_loader_open(&at, &own, &err) < 0)
        fails(worker, "open", &err);
    for (int i = 0; i < ROUNDS && !worker->failed[0]; i++) {
        struct tn_loader *loader = own ? own : worker->loader;

        get_hit(worker, loader);
        get_miss(worker, loader);
        ask(worker, loader);
    }
    tn_loader_close(own);
    return NULL;
}

static void scene_new(struct scene *scene)
{
    struct tn_get_options options = { .runtime = RUNTIME, .no_build = true };

    *scene = (struct scene) { .place = place_new() };
    (void)snprintf(scene->model, sizeof(scene->model), "%s.onnx", scene->place.root);
    write_model(scene->model);
    age(scene->model);
    options.model = scene->model;
    options.store = scene->place.root;
    scene->entry = put_engine(scene->place.store, &options, plan);
}

TEST(library__serves_sixteen_threads_of_one_store_eight_of_them_by_one_loader)
{
    static struct worker worker[SHARING + ALONE];
    struct scene scene;
    struct tn_loader_options at = { .size = sizeof(at) };
    struct tn_loader *shared = NULL;

    scene_new(&scene);
    at.store = scene.place.root;
    assert_int_equal(tn_loader_open(&at, &shared, NULL), TN_OK);
    for (int i = 0; i < SHARING + ALONE; i++) {
        worker[i] = (struct worker) { .scene = &scene, .loader = i < SHARING ? shared : NULL };
        assert_int_equal(pthread_create(&worker[i].thread, NULL, work, &worker[i]), 0);
    }
    for (int i = 0; i < SHARING + ALONE; i++)
        assert_int_equal(pthread_join(worker[i].thread, NULL), 0);
    for (int i = 0; i < SHARING + ALONE; i++)
        assert_string_equal(worker[i].failed, "");
    tn_loader_close(shared);
    tn_entry_done(&scene.entry);
    assert_int_equal(unlink(scene.model), 0);
    place_done(&scene.place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library__serves_sixteen_threads_of_one_store_eight_of_them_by_one_loader),
    };

    /* no GPU, and few places to look for Python: the machine is not what is tested */
    if (setenv("CUDA_VISIBLE_DEVICES", "", 1) < 0 || setenv("PATH", "/nowhere/bin", 1) < 0 ||
        unsetenv("TENON_TOOLCHAINS") < 0 || unsetenv("TENON_RUNTIME") < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
