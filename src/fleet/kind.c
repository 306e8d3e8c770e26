/*
 * Kinds of engines, the counterpart of the match classes of devices: engines in which every fact
 * that a verdict depends on is the same. A fleet has few of them, however many models: 100 models
 * built for the same ten boards are ten kinds. What compat says of a kind and a class holds for
 * all of both.
 */
#include "fleet/fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_KEY_MAX = 2048 };

void kind_free(struct kind *kind)
{
    if (!kind)
        return;
    free(kind->key);
    free(kind->held);
    free(kind->gpu_class);
    free(kind->index_key);
    free(kind->exact_key);
    free(kind);
}

/* ---- the index ---- */

bool kind_index_key(enum tn_flavor flavor, const struct tn_version *version,
                    const struct tn_gpu *gpu, char ret_key[KIND_INDEX_KEY])
{
    char number[TN_VERSION_TEXT];
    char cc[TN_CC_TEXT];

    if (flavor == TN_FLAVOR_UNKNOWN || version->parts != 4)
        return false;
    tn_version_print(version, number);
    tn_gpu_cc_print(gpu, cc);
    if (flavor == TN_FLAVOR_TENSORRT && !cc[0])
        return false;
    (void)snprintf(ret_key, KIND_INDEX_KEY, "%s %s %s", tn_flavor_name(flavor), number,
                   flavor == TN_FLAVOR_TENSORRT ? cc : "");
    return true;
}

char *kind_exact_key(const char *index_key, const char *gpu_class)
{
    return pair_key(index_key, gpu_class);
}

/* Whether only devices of exactly its release (and compute capability) can load it: then one key
 * reaches it. Levels of hardware compatibility came with 8.6. */
static bool has_one_key(const struct tn_plan *plan)
{
    static const struct tn_version levels = { .part = { 8, 6 }, .parts = 2 };

    if (plan->flavor == TN_FLAVOR_RTX)
        return true;
    return plan->lean_runtime_inside != 1 && plan->version_compatible != 1 &&
           (plan->hw_compat == TN_HW_COMPAT_NONE || plan->hw_compat == TN_HW_COMPAT_SAME_CC ||
            (plan->hw_compat == TN_HW_COMPAT_UNKNOWN &&
             tn_version_compare(&plan->version, &levels) < 0));
}

static int add_to_chain(struct tn_map *index, char *key, struct kind *kind, struct kind **ret_next,
                        struct tn_error *err)
{
    *ret_next = tn_map_get(index, key);
    return tn_map_put(index, key, kind, err);
}

static int index_kind(struct tn_fleet *fleet, struct kind *kind, struct tn_error *err)
{
    char key[KIND_INDEX_KEY];
    int rc;

    if (!has_one_key(&kind->plan) ||
        !kind_index_key(kind->plan.flavor, &kind->plan.version, &kind->plan.gpu, key))
        return list_add(&fleet->loose_kinds, kind, err);
    rc = copy_text(key, &kind->index_key, err);
    if (rc == TN_OK)
        rc = add_to_chain(&fleet->kind_index, kind->index_key, kind, &kind->next_indexed, err);
    if (rc < 0 || !kind->gpu_class)
        return rc;
    kind->exact_key = kind_exact_key(kind->index_key, kind->gpu_class);
    if (!kind->exact_key)
        return tn_fail(err, TN_E_NOMEM, "a kind of engines");
    return add_to_chain(&fleet->kind_exact, kind->exact_key, kind, &kind->next_exact, err);
}

/* ---- making ---- */

static int fill(struct kind *kind, const char *key, const struct tn_plan *part,
                struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf gpu_class = TN_BUF(CLASS_KEY_MAX);
    int rc = copy_text(key, &kind->key, err);

    kind->plan = *part;
    if (rc < 0 || part->flavor != TN_FLAVOR_TENSORRT || !tn_gpu_class_add(&gpu_class, &part->gpu))
        return rc;
    kind->gpu_class = tn_buf_steal(&gpu_class);
    return kind->gpu_class ? TN_OK : tn_fail(err, TN_E_NOMEM, "a kind of engines");
}

static int make(struct tn_fleet *fleet, const char *key, const struct tn_plan *part,
                struct kind **ret_kind, struct tn_error *err)
{
    struct kind *kind = calloc(1, sizeof(*kind));
    int rc = kind ? fill(kind, key, part, err) : tn_fail(err, TN_E_NOMEM, "a kind of engines");

    if (rc == TN_OK)
        rc = tn_map_put(&fleet->kinds, kind->key, kind, err);
    if (rc < 0) {
        kind_free(kind);
        return rc;
    }
    rc = fleet_hurt(fleet, index_kind(fleet, kind, err)); /* it is the fleet's now */
    if (rc == TN_OK)
        *ret_kind = kind;
    return rc;
}

int kind_get(struct tn_fleet *fleet, const struct tn_plan *plan, struct kind **ret_kind,
             struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf key = TN_BUF(KIND_KEY_MAX);
    struct tn_plan part = tn_compat_part(plan);
    struct kind *kind;
    int rc;

    tn_compat_part_add(&key, &part);
    rc = tn_buf_check(&key, "a kind of engines", err);
    if (rc < 0)
        return rc;
    kind = tn_map_get(&fleet->kinds, tn_buf_text(&key));
    if (!kind)
        return make(fleet, tn_buf_text(&key), &part, ret_kind, err);
    *ret_kind = kind;
    return TN_OK;
}

/* ---- its engines ---- */

/* The first place at or after a release's. */
static size_t place_of(const struct kind *kind, size_t release)
{
    size_t low = 0;
    size_t high = kind->held_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (kind->held[middle].release < release)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int kind_add(struct kind *kind, struct engine *engine, struct tn_error *err)
{
    size_t at = place_of(kind, engine->release->number + 1);

    if (kind->held_count == kind->held_capacity) {
        size_t capacity = kind->held_capacity ? 2 * kind->held_capacity : 8;
        struct held *bigger = realloc(kind->held, capacity * sizeof(*bigger));

        if (!bigger)
            return tn_fail(err, TN_E_NOMEM, "a kind of engines");
        kind->held = bigger;
        kind->held_capacity = capacity;
    }
    memmove(&kind->held[at + 1], &kind->held[at], (kind->held_count - at) * sizeof(*kind->held));
    kind->held[at] = (struct held) { .release = engine->release->number, .engine = engine };
    kind->held_count++;
    return TN_OK;
}

void kind_remove(struct kind *kind, const struct engine *engine)
{
    size_t at = place_of(kind, engine->release->number);

    while (at < kind->held_count && kind->held[at].engine != engine)
        at++;
    if (at == kind->held_count)
        return;
    kind->held_count--;
    memmove(&kind->held[at], &kind->held[at + 1], (kind->held_count - at) * sizeof(*kind->held));
}

const struct held *kind_engines(const struct kind *kind, const struct release *release,
                                size_t *ret_count)
{
    size_t first = place_of(kind, release->number);
    size_t end = first;

    while (end < kind->held_count && kind->held[end].release == release->number)
        end++;
    *ret_count = end - first;
    return *ret_count ? kind->held + first : NULL;
}
