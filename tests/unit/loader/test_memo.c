/* An answer is given again only while nothing that it rests on has changed. */
#include "fixture.h"

#include "base/json.h"
#include "loader/memo.h"
#include "store/host.h"
#include "store/mark.h"
#include "store/refusal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUNTIME "rtx1.7.1.116"

/* ---- the memo's world: time and machine as a test says ---- */

static tn_nsec ahead;      /* of the monotonic clock */
static tn_nsec wall_ahead; /* far enough that files count as settled */
static const char *device_says;

static tn_nsec monotonic(void)
{
    return tn_clock_monotonic() + ahead;
}

tn_nsec __real_tn_clock_wall(void);
tn_nsec __wrap_tn_clock_wall(void);
tn_nsec __wrap_tn_clock_wall(void) /* by the linker: see meson.build */
{
    return __real_tn_clock_wall() + wall_ahead;
}

static void device(const char *python, struct tn_buf *text)
{
    (void)python;
    tn_buf_adds(text, device_says);
}

static const struct tn_memo_world world = { monotonic, device };

/* ---- a model with its engine ---- */

struct scene {
    struct place place;
    char model[128], spec[128], second[128], list[256];
    struct tn_memo *memo;
    struct tn_get_options options;
    struct tn_entry entry;
};

static struct tn_entry put_wanted(struct scene *scene, const char *bytes)
{
    return put_engine(scene->place.store, &scene->options, bytes);
}

static void scene_new(struct scene *scene)
{
    ahead = 0;
    wall_ahead = 10 * TN_NSEC_PER_S;
    device_says = "as ever";
    *scene = (struct scene) { .place = place_new() };
    (void)snprintf(scene->model, sizeof(scene->model), "%s.onnx", scene->place.root);
    (void)snprintf(scene->second, sizeof(scene->second), "%s-second", scene->place.root);
    (void)snprintf(scene->list, sizeof(scene->list), "%s:%s", scene->place.root, scene->second);
    write_model(scene->model);
    age(scene->model);
    scene->options = (struct tn_get_options) {
        .model = scene->model, .store = scene->list, .runtime = RUNTIME, .no_build = true
    };
    scene->entry = put_wanted(scene, "plan");
    assert_int_equal(tn_memo_new(&world, &scene->memo, NULL), TN_OK);
}

static void scene_done(struct scene *scene)
{
    tn_memo_free(scene->memo);
    tn_entry_done(&scene->entry);
    assert_int_equal(unlink(scene->model), 0);
    assert_int_equal(tn_dir_remove(scene->second, NULL), TN_OK);
    place_done(&scene->place);
}

/* ---- asking ---- */

struct heard {
    int rc;
    bool remembered;
    char path[1024];
};

static struct heard ask(struct scene *scene)
{
    struct heard heard = { .rc = 0 };
    struct tn_get_result got;
    struct tn_error err = { 0 };

    heard.rc = tn_memo_get(scene->memo, &scene->options, &got, &heard.remembered, &err);
    (void)snprintf(heard.path, sizeof(heard.path), "%s", got.entry.path);
    assert_int_equal(heard.rc, err.code);
    tn_get_result_done(&got);
    return heard;
}

/* Files get their times from a clock of coarse steps: the next change is in another one. */
static void next_step(void)
{
    struct timespec begin, now;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &begin);
    do
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    while (now.tv_sec == begin.tv_sec && now.tv_nsec == begin.tv_nsec);
}

/* Asks until the answer is one of before: the first call notes what it hashed and the use. */
static void warm(struct scene *scene)
{
    struct heard heard;

    for (int i = 0; i < 4; i++) {
        heard = ask(scene);
        assert_int_equal(heard.rc, TN_OK);
    }
    assert_true(heard.remembered);
    assert_string_equal(heard.path, scene->entry.path);
    next_step();
}

TEST(memo__gives_the_answer_of_before_with_all_that_it_said)
{
    struct scene scene;
    struct tn_get_result first, again;
    bool remembered = true;

    scene_new(&scene);
    assert_int_equal(tn_memo_get(scene.memo, &scene.options, &first, &remembered, NULL), TN_OK);
    assert_false(remembered);
    warm(&scene);
    assert_int_equal(tn_memo_get(scene.memo, &scene.options, &again, &remembered, NULL), TN_OK);
    assert_true(remembered);
    assert_string_equal(first.entry.path, again.entry.path);
    assert_true(tn_digest_equal(&first.entry.record.key, &again.entry.record.key));
    assert_int_equal(tn_recipe_differs(&first.entry.record.recipe, &again.entry.record.recipe),
                     TN_RECIPE_FIELD_COUNT);
    assert_true(json_is_object(again.entry.record.facts));
    assert_string_equal(first.runtime, again.runtime);
    assert_string_equal(again.source, "store");
    tn_get_result_done(&again); /* what was handed out before is its taker's alone */
    assert_true(ask(&scene).remembered);
    tn_get_result_done(&first);
    scene_done(&scene);
}

/* ---- what must be noticed ---- */

static void folder_of_plan(const struct scene *scene, int up, char ret_path[1024])
{
    (void)snprintf(ret_path, 1024, "%s", scene->entry.path);
    for (int i = 0; i <= up; i++)
        *strrchr(ret_path, '/') = '\0';
}

static void touch_model(struct scene *scene)
{
    assert_int_equal(utimensat(AT_FDCWD, scene->model, NULL, 0), 0);
}

static void swap_model(struct scene *scene)
{
    struct stat before;
    char kept[160];

    assert_int_equal(stat(scene->model, &before), 0);
    (void)snprintf(kept, sizeof(kept), "%s.new", scene->model);
    write_model(kept); /* the same bytes and times in another file */
    age(kept);
    assert_int_equal(rename(kept, scene->model), 0);
}

static void open_root(struct scene *scene)
{
    assert_int_equal(chmod(scene->place.root, 0777), 0);
}

static void open_objects(struct scene *scene)
{
    char path[1024];

    folder_of_plan(scene, 3, path);
    assert_int_equal(chmod(path, 0775), 0);
}

static void open_high(struct scene *scene)
{
    char path[1024];

    folder_of_plan(scene, 1, path);
    assert_int_equal(chmod(path, 0757), 0);
}

static void open_object(struct scene *scene)
{
    char path[1024];

    folder_of_plan(scene, 0, path);
    assert_int_equal(chmod(path, 0777), 0);
}

static void open_plan(struct scene *scene)
{
    assert_int_equal(chmod(scene->entry.path, 0666), 0);
}

static void open_record(struct scene *scene)
{
    char path[1024];

    folder_of_plan(scene, 0, path);
    (void)strcat(path, "/record.json");
    assert_int_equal(chmod(path, 0666), 0);
}

static void remove_plan(struct scene *scene)
{
    assert_int_equal(unlink(scene->entry.path), 0);
}

static void remove_object(struct scene *scene)
{
    assert_int_equal(tn_object_remove(scene->place.store, &scene->entry.record.digest, NULL),
                     TN_OK);
}

/* Other bytes of the same size in the same file, its time put back: only ctime shows it. */
static void rewrite_plan(struct scene *scene)
{
    int fd;

    assert_int_equal(chmod(scene->entry.path, 0644), 0);
    fd = open(scene->entry.path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PLAN", 4), 4);
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(scene->entry.path, 0444), 0);
    age(scene->entry.path);
}

static void put_newer(struct scene *scene)
{
    struct tn_entry newer = put_wanted(scene, "another plan");

    tn_entry_done(&newer);
}

static void pin(struct scene *scene)
{
    assert_int_equal(tn_mark_pin(scene->place.store, &scene->entry, true, NULL), TN_OK);
}

static void forget_note(struct scene *scene)
{
    char hex[TN_DIGEST_HEX], path[256];

    tn_digest_hex(&scene->entry.record.digest, hex);
    (void)snprintf(path, sizeof(path), "%s/hosts/%s/plans/%s.json", scene->place.root,
                   tn_store_host(scene->place.store), hex);
    assert_int_equal(unlink(path), 0);
}

/* A second store that was not there: its engines would be asked from now on. */
static void make_second(struct scene *scene)
{
    assert_int_equal(mkdir(scene->second, 0755), 0);
}

static void open_second(struct scene *scene)
{
    assert_int_equal(mkdir(scene->second, 0755), 0);
    assert_int_equal(chmod(scene->second, 0777), 0);
}

static void say_cuda(struct scene *scene)
{
    (void)scene;
    assert_int_equal(setenv("CUDA_VISIBLE_DEVICES", "7", 1), 0);
}

static void say_library_path(struct scene *scene)
{
    (void)scene;
    assert_int_equal(setenv("LD_LIBRARY_PATH", "/nowhere/lib", 1), 0);
}

static void say_tenon(struct scene *scene)
{
    (void)scene;
    assert_int_equal(setenv("TENON_SOMETHING", "new", 1), 0);
}

static void say_cache_home(struct scene *scene)
{
    (void)scene;
    assert_int_equal(setenv("XDG_CACHE_HOME", "/nowhere/cache", 1), 0);
}

static void go_elsewhere(struct scene *scene)
{
    assert_int_equal(chdir(scene->place.root), 0);
}

static void ask_host_code(struct scene *scene)
{
    scene->options.allow_host_code = true;
}

static void ask_precision(struct scene *scene)
{
    scene->options.precision = "fp32";
}

static void change_device(struct scene *scene)
{
    (void)scene;
    device_says = "another driver";
    ahead += TN_NSEC_PER_S;
}

static void let_an_hour_pass(struct scene *scene)
{
    (void)scene;
    ahead += 3600 * TN_NSEC_PER_S;
}

enum outcome { SAME, OTHER, FAILS, UNTRUSTED };

static const struct change {
    const char *name;
    void (*make)(struct scene *scene);
    enum outcome outcome;
} changes[] = {
    { "the model was touched", touch_model, SAME },
    { "the model is another file", swap_model, SAME },
    { "others may write the store", open_root, UNTRUSTED },
    { "others may write objects/", open_objects, FAILS },
    { "others may write the objects' folder", open_high, FAILS },
    { "others may write the object", open_object, FAILS },
    { "others may write the plan", open_plan, FAILS },
    { "others may write the record", open_record, FAILS },
    { "the plan was removed", remove_plan, FAILS },
    { "the engine was collected", remove_object, FAILS },
    { "the plan was written anew", rewrite_plan, FAILS },
    { "a newer engine of the recipe came", put_newer, OTHER },
    { "the engine was pinned", pin, SAME },
    { "this host's note is gone", forget_note, SAME },
    { "a second store came", make_second, SAME },
    { "a second store came that others may write", open_second, UNTRUSTED },
    { "CUDA_VISIBLE_DEVICES", say_cuda, SAME },
    { "LD_LIBRARY_PATH", say_library_path, SAME },
    { "TENON_*", say_tenon, SAME },
    { "XDG_CACHE_HOME", say_cache_home, SAME },
    { "another working folder", go_elsewhere, SAME },
    { "other options", ask_host_code, SAME },
    { "another ladder", ask_precision, SAME },
    { "another driver", change_device, SAME },
    { "an hour passed", let_an_hour_pass, SAME },
};

static void settle_environment(void)
{
    assert_int_equal(setenv("PATH", "/nowhere/bin", 1), 0);
    assert_int_equal(setenv("HOME", "/nowhere", 1), 0);
    assert_int_equal(setenv("CUDA_VISIBLE_DEVICES", "", 1), 0);
    assert_int_equal(unsetenv("LD_LIBRARY_PATH"), 0);
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(unsetenv("TENON_SOMETHING"), 0);
    assert_int_equal(unsetenv("TENON_RUNTIME"), 0);
    assert_int_equal(unsetenv("TENON_TOOLCHAINS"), 0);
    assert_int_equal(chdir("/"), 0);
}

TEST(memo__notices_every_change)
{
    for (size_t i = 0; i < TN_COUNT(changes); i++) {
        const struct change *change = &changes[i];
        struct scene scene;
        struct heard heard;

        settle_environment();
        scene_new(&scene);
        warm(&scene);
        change->make(&scene);
        heard = ask(&scene);
        if (heard.remembered)
            fail_msg("%s: not noticed", change->name);
        if ((heard.rc == TN_OK) != (change->outcome == SAME || change->outcome == OTHER) ||
            (heard.rc == TN_E_UNTRUSTED) != (change->outcome == UNTRUSTED))
            fail_msg("%s: code %d", change->name, heard.rc);
        if (heard.rc == TN_OK)
            assert_int_equal(strcmp(heard.path, scene.entry.path) == 0, change->outcome == SAME);
        settle_environment();
        (void)chmod(scene.place.root, 0700);
        scene_done(&scene);
    }
}

TEST(memo__compares_the_machine_once_a_second_and_no_more)
{
    struct scene scene;

    scene_new(&scene);
    warm(&scene);
    device_says = "another driver";
    ahead += TN_NSEC_PER_S / 4;
    assert_true(ask(&scene).remembered);
    ahead += TN_NSEC_PER_S;
    assert_false(ask(&scene).remembered);
    warm(&scene); /* and remembers the new answer */
    scene_done(&scene);
}

static void write_text(const char *root, const char *below, const char *text)
{
    tn_auto(tn_str_free) char *path = tn_path_join(root, below);
    tn_auto(tn_str_free) char *folder = strndup(path, (size_t)(tn_path_base(path) - path));
    FILE *file;

    assert_int_equal(tn_dir_make(folder, 0755, NULL), TN_OK);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    age(path);
}

/* ---- what is not remembered ---- */

TEST(memo__believes_no_file_that_is_younger_than_two_seconds)
{
    struct scene scene;

    scene_new(&scene);
    wall_ahead = 0;
    for (int i = 0; i < 4; i++)
        assert_false(ask(&scene).remembered);
    wall_ahead = 10 * TN_NSEC_PER_S;
    warm(&scene);
    scene_done(&scene);
}

TEST(memo__remembers_no_failure)
{
    struct scene scene;

    scene_new(&scene);
    remove_object(&scene);
    for (int i = 0; i < 4; i++) {
        struct heard heard = ask(&scene);

        assert_int_equal(heard.rc, TN_E_NOENGINE);
        assert_false(heard.remembered);
    }
    scene_done(&scene);
}

/* Without a GPU nothing can be proved: what a spec wants beyond is asked for again each time. */
TEST(memo__remembers_no_engine_that_is_proved_less_than_was_wanted)
{
    struct scene scene;
    char yaml[256];

    scene_new(&scene);
    (void)snprintf(yaml, sizeof(yaml),
                   "name: m\nvariants: { fp32: %s }\npolicy: { level: loaded }\n", scene.model);
    write_text(scene.place.root, "model.yaml", yaml);
    (void)snprintf(scene.spec, sizeof(scene.spec), "%s/model.yaml", scene.place.root);
    scene.options.model = scene.spec;
    scene.options.precision = "fp32";
    for (int i = 0; i < 4; i++) {
        struct heard heard = ask(&scene);

        assert_int_equal(heard.rc, TN_OK);
        assert_false(heard.remembered);
    }
    scene_done(&scene);
}

TEST(memo__does_more_than_answer_where_more_is_asked)
{
    struct scene scene;

    scene_new(&scene);
    warm(&scene);
    scene.options.retry = true;
    assert_false(ask(&scene).remembered);
    assert_false(ask(&scene).remembered);
    scene_done(&scene);
}

/* ---- rungs that were passed over ---- */

/* A toolchain of the wanted release as far as a look can tell: failures of builds count only where
 * there could be a build. And a model of two variants for it. */
static void make_buildable(struct scene *scene)
{
    const char *root = scene->place.root;
    char yaml[512];

    write_text(root, "venv/bin/python", "");
    write_text(root, "venv/pyvenv.cfg", "home = /nowhere\n");
#define SITE "venv/lib/python3.11/site-packages/"
    write_text(root, SITE "tensorrt_rtx-1.7.1.116.dist-info/METADATA",
               "Name: tensorrt_rtx\nVersion: 1.7.1.116\n");
    write_text(root, SITE "tensorrt_rtx_cu13_bindings-1.7.1.116.dist-info/METADATA",
               "Name: tensorrt_rtx_cu13_bindings\nVersion: 1.7.1.116\n");
    write_text(root, SITE "tensorrt_rtx_cu13_libs-1.7.1.116.dist-info/METADATA",
               "Name: tensorrt_rtx_cu13_libs\nVersion: 1.7.1.116\n");
    write_text(root, SITE "tensorrt_rtx/__init__.py", "");
    write_text(root, SITE "tensorrt_rtx_bindings/__init__.py", "");
    write_text(root, SITE "tensorrt_rtx_libs/libtensorrt_rtx.so.1", "");
#undef SITE
    (void)snprintf(yaml, sizeof(yaml),
                   "toolchains:\n  - { id: mine, kind: python, python: %s/venv/bin/python }\n",
                   root);
    write_text(root, "toolchains.yaml", yaml);
    (void)snprintf(yaml, sizeof(yaml), "%s/toolchains.yaml", root);
    assert_int_equal(setenv("TENON_TOOLCHAINS", yaml, 1), 0);
    (void)snprintf(yaml, sizeof(yaml), "name: m\nvariants: { fp16: %s, fp32: %s }\n", scene->model,
                   scene->model);
    write_text(root, "model.yaml", yaml);
    (void)snprintf(scene->spec, sizeof(scene->spec), "%s/model.yaml", root);
    scene->options.model = scene->spec;
    scene->options.no_build = false;
}

static void keep_failure(struct scene *scene, enum tn_refusal_kind kind,
                         const struct tn_digest *key)
{
    struct tn_refusal why = { .kind = kind, .name = "timeout", .stage = "build" };
    struct tn_moment now;

    tn_clock_moment(&now);
    assert_int_equal(tn_refusal_keep(scene->place.store, key, &now, &why, NULL), TN_OK);
}

/* Asks for fp16, which failed as `kind` says, then fp32, which is there. @return the key of fp16 */
static struct tn_digest ask_for_two(struct scene *scene, enum tn_refusal_kind kind)
{
    struct tn_get_result got;
    struct tn_digest key;

    make_buildable(scene);
    scene->options.precision = "fp16";
    scene->options.no_build = true;
    assert_int_equal(tn_get(&scene->options, &got, NULL), TN_E_NOENGINE);
    key = got.rung[0].key;
    tn_get_result_done(&got);
    scene->options.no_build = false;
    keep_failure(scene, kind, &key);
    scene->options.precision = "fp16,fp32";
    assert_int_equal(tn_get(&scene->options, &got, NULL), TN_OK);
    assert_int_equal(got.rung_count, 2);
    assert_string_equal(got.rung[0].result, kind == TN_REFUSAL_LASTING ? "refused" : "backoff");
    assert_string_equal(got.rung[1].result, "hit");
    tn_get_result_done(&got);
    return key;
}

TEST(memo__notices_when_the_refusal_of_a_rung_is_forgotten)
{
    struct scene scene;
    struct tn_digest key;

    scene_new(&scene);
    key = ask_for_two(&scene, TN_REFUSAL_LASTING);
    warm(&scene);
    tn_refusal_forget(scene.place.store, &key);
    assert_false(ask(&scene).remembered);
    settle_environment();
    scene_done(&scene);
}

TEST(memo__notices_an_engine_near_to_a_rung_that_was_passed_over)
{
    struct scene scene;
    struct tn_entry near;

    scene_new(&scene);
    (void)ask_for_two(&scene, TN_REFUSAL_LASTING);
    warm(&scene);
    near = put(&scene.place, "somewhere near", "near plan");
    assert_false(ask(&scene).remembered);
    tn_entry_done(&near);
    settle_environment();
    scene_done(&scene);
}

TEST(memo__keeps_no_answer_with_a_backoff_in_it)
{
    struct scene scene;

    scene_new(&scene);
    (void)ask_for_two(&scene, TN_REFUSAL_BACKOFF);
    for (int i = 0; i < 4; i++) {
        struct heard heard = ask(&scene);

        assert_int_equal(heard.rc, TN_OK);
        assert_false(heard.remembered);
    }
    settle_environment();
    scene_done(&scene);
}

/* ---- threads and bounds ---- */

static void *ask_often(void *user)
{
    struct scene mine = *(struct scene *)user; /* its options; the memo is shared */
    size_t remembered = 0;

    for (int i = 0; i < 40; i++) {
        struct heard heard;

        mine.options.build_time_limit = i % (TN_MEMO_ANSWERS_MAX + 4); /* some push others out */
        heard = ask(&mine);
        if (heard.rc != TN_OK || strcmp(heard.path, mine.entry.path) != 0)
            return NULL;
        remembered += heard.remembered;
    }
    return remembered > 0 ? user : NULL;
}

TEST(memo__serves_eight_threads_at_once)
{
    struct scene scene;
    pthread_t thread[8];
    void *good;

    scene_new(&scene);
    warm(&scene);
    for (size_t i = 0; i < TN_COUNT(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_often, &scene), 0);
    for (size_t i = 0; i < TN_COUNT(thread); i++) {
        assert_int_equal(pthread_join(thread[i], &good), 0);
        assert_ptr_equal(good, &scene);
    }
    scene_done(&scene);
}

TEST(memo__lets_the_answer_go_that_was_asked_for_longest_ago)
{
    struct scene scene;

    scene_new(&scene);
    for (int i = 0; i <= TN_MEMO_ANSWERS_MAX; i++) {
        scene.options.build_time_limit = i + 1; /* another question with the same answer */
        warm(&scene);
    }
    for (int i = TN_MEMO_ANSWERS_MAX; i >= 1; i--) {
        scene.options.build_time_limit = i + 1;
        assert_true(ask(&scene).remembered);
    }
    scene.options.build_time_limit = 1;
    assert_false(ask(&scene).remembered);
    scene_done(&scene);
}

/* ---- whose signatures count ---- */

struct signed_scene {
    struct scene scene;
    char keys[160], key[192], public_path[200];
};

static void new_key(const char *path, struct tn_ed25519_secret *ret_secret)
{
    assert_int_equal(tn_ed25519_new(ret_secret, NULL), TN_OK);
    assert_int_equal(tn_ed25519_write(ret_secret, path, NULL), TN_OK);
}

static void sign_entry(struct scene *scene, const struct tn_ed25519_secret *secret)
{
    tn_auto(tn_buf_done) struct tn_buf text = TN_BUF(TN_SIGNED_BYTES_MAX);
    struct tn_signatures list = { .count = 1 };

    assert_int_equal(tn_signed_record(&scene->entry.record, &text, NULL), TN_OK);
    assert_int_equal(tn_signature_make(secret, &text, &list.item[0], NULL), TN_OK);
    assert_int_equal(tn_mark_sign(scene->place.store, &scene->entry, &list, NULL), TN_OK);
}

static void signed_scene_new(struct signed_scene *own)
{
    struct tn_ed25519_secret secret;

    scene_new(&own->scene);
    (void)snprintf(own->keys, sizeof(own->keys), "%s-keys", own->scene.place.root);
    (void)snprintf(own->key, sizeof(own->key), "%s/a", own->keys);
    (void)snprintf(own->public_path, sizeof(own->public_path), "%s.pub", own->key);
    assert_int_equal(tn_dir_make(own->keys, 0755, NULL), TN_OK);
    new_key(own->key, &secret);
    sign_entry(&own->scene, &secret);
    own->scene.options.signature_required = true;
    own->scene.options.trusted_keys = own->keys;
}

static void signed_scene_done(struct signed_scene *own)
{
    assert_int_equal(tn_dir_remove(own->keys, NULL), TN_OK);
    scene_done(&own->scene);
}

static void remove_key(struct signed_scene *own)
{
    assert_int_equal(unlink(own->public_path), 0);
}

static void change_key(struct signed_scene *own)
{
    struct tn_ed25519_secret secret;
    char path[208];

    (void)snprintf(path, sizeof(path), "%s/b", own->keys);
    new_key(path, &secret);
    (void)snprintf(path, sizeof(path), "%s/b.pub", own->keys);
    assert_int_equal(rename(path, own->public_path), 0);
}

static void open_keys(struct signed_scene *own)
{
    assert_int_equal(chmod(own->keys, 0777), 0);
}

static void drop_signature(struct signed_scene *own)
{
    char hex[TN_DIGEST_HEX], below[96];
    tn_auto(tn_str_free) char *path = NULL;

    tn_digest_hex(&own->scene.entry.record.digest, hex);
    (void)snprintf(below, sizeof(below), "marks/%s.json", hex);
    path = tn_path_join(own->scene.place.root, below);
    assert_int_equal(unlink(path), 0);
}

TEST(memo__notices_whose_signatures_count)
{
    static const struct {
        void (*make)(struct signed_scene *own);
        int rc;
    } rows[] = {
        { remove_key, TN_E_UNTRUSTED },
        { change_key, TN_E_UNTRUSTED },
        { open_keys, TN_E_UNTRUSTED },
        { drop_signature, TN_OK }, /* it was verified, and that is noted */
    };

    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct signed_scene own;
        struct heard heard;

        signed_scene_new(&own);
        warm(&own.scene);
        rows[i].make(&own);
        heard = ask(&own.scene);
        assert_false(heard.remembered);
        assert_int_equal(heard.rc, rows[i].rc);
        signed_scene_done(&own);
    }
}

static int setup(void **state)
{
    (void)state;
    settle_environment();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memo__gives_the_answer_of_before_with_all_that_it_said),
        cmocka_unit_test(memo__notices_every_change),
        cmocka_unit_test(memo__compares_the_machine_once_a_second_and_no_more),
        cmocka_unit_test(memo__believes_no_file_that_is_younger_than_two_seconds),
        cmocka_unit_test(memo__remembers_no_failure),
        cmocka_unit_test(memo__remembers_no_engine_that_is_proved_less_than_was_wanted),
        cmocka_unit_test(memo__does_more_than_answer_where_more_is_asked),
        cmocka_unit_test(memo__notices_when_the_refusal_of_a_rung_is_forgotten),
        cmocka_unit_test(memo__notices_an_engine_near_to_a_rung_that_was_passed_over),
        cmocka_unit_test(memo__keeps_no_answer_with_a_backoff_in_it),
        cmocka_unit_test(memo__notices_whose_signatures_count),
        cmocka_unit_test(memo__serves_eight_threads_at_once),
        cmocka_unit_test(memo__lets_the_answer_go_that_was_asked_for_longest_ago),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
