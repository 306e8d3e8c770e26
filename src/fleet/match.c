/*
 * Which engines of a release a match class may get, best first. Nothing is swept, and compat is
 * asked once per class and kind of engines, not per engine: the fleet's index leads from a runtime
 * and a compute capability to the few kinds that can be for a class; what fits stays with the class
 * until there is a new kind. A kind knows its engines by release; what was found in one stays until
 * the release's generation changes.
 */
#include "fleet/fleet_priv.h"

#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MAX = 64 };

void match_free(struct match *match)
{
    free(match);
}

/* ---- one kind of engines ---- */

/* An RTX engine has no class; one that names this compute capability alone is as near as it gets.
 */
static bool is_exact(const struct class *class, const struct kind *kind)
{
    const struct tn_plan *plan = &kind->plan;

    if (plan->flavor == TN_FLAVOR_RTX)
        return plan->ccs.count == 1 && !plan->ccs.later;
    return kind->gpu_class && class->gpu_class_known &&
           strcmp(kind->gpu_class, class->gpu_class) == 0;
}

/* The runtime of the class that likes it best. */
static void check_runtimes(const struct class *class, const struct tn_plan *plan,
                           struct tn_answer *ret_answer, int *ret_runtime)
{
    int count = class->facts.runtime_count ? class->facts.runtime_count : 1;

    for (int i = 0; i < count; i++) {
        struct tn_compat_target target = class_target(class, i);
        struct tn_answer other;
        struct tn_answer *answer = i == 0 ? ret_answer : &other;

        tn_compat_check(plan, &target, answer);
        if (i > 0 && other.verdict >= ret_answer->verdict)
            continue;
        if (i > 0)
            *ret_answer = other;
        *ret_runtime = i;
    }
}

/* @return whether devices of the class may get engines of the kind at all */
static bool kind_fits(const struct class *class, const struct kind *kind, struct fit *ret_fit)
{
    struct tn_answer answer;

    *ret_fit = (struct fit) { .kind = kind, .exact = is_exact(class, kind) };
    check_runtimes(class, &kind->plan, &answer, &ret_fit->runtime);
    ret_fit->verdict = answer.verdict;
    return answer.verdict <= TN_VERDICT_MAY_LOAD;
}

/* ---- all kinds that fit a class ---- */

static int add_fit(struct class *class, const struct kind *kind)
{
    struct fit fit;

    for (size_t i = 0; i < class->fit_count; i++)
        if (class->fit[i].kind == kind)
            return TN_OK;
    if (!kind_fits(class, kind, &fit))
        return TN_OK;
    if (class->fit_count == class->fit_capacity) {
        size_t capacity = class->fit_capacity ? 2 * class->fit_capacity : 4;
        struct fit *bigger = realloc(class->fit, capacity * sizeof(*bigger));

        if (!bigger)
            return TN_E_NOMEM;
        class->fit = bigger;
        class->fit_capacity = capacity;
    }
    class->fit[class->fit_count++] = fit;
    return TN_OK;
}

/* A classic engine of another class of the compute capability is never more than may-load: where
 * that is neither wanted nor proved by anybody, the class leads to the few that are left. */
static int add_exact(const struct tn_fleet *fleet, struct class *class, const char *key)
{
    tn_auto(tn_str_free) char *exact = kind_exact_key(key, class->gpu_class);
    int rc = exact ? TN_OK : TN_E_NOMEM;

    for (const struct kind *kind = exact ? tn_map_get(&fleet->kind_exact, exact) : NULL;
         rc == TN_OK && kind; kind = kind->next_exact)
        rc = add_fit(class, kind);
    return rc;
}

static int add_near(const struct tn_fleet *fleet, struct class *class, const char *key)
{
    int rc = TN_OK;

    for (const struct kind *kind = tn_map_get(&fleet->kind_index, key); rc == TN_OK && kind;
         kind = kind->next_indexed)
        rc = add_fit(class, kind);
    return rc;
}

/* The class is not known well enough for the index. */
static int add_every(const struct tn_fleet *fleet, struct class *class)
{
    const struct kind *kind;
    size_t at = 0;
    int rc = TN_OK;

    while (rc == TN_OK && (kind = tn_map_next(&fleet->kinds, &at)) != NULL)
        rc = add_fit(class, kind);
    return rc;
}

static int add_fits(const struct tn_fleet *fleet, struct class *class, bool near)
{
    const struct tn_device_facts *facts = &class->facts;
    int rc = TN_OK;

    for (int i = 0; rc == TN_OK && i < facts->runtime_count; i++) {
        enum tn_flavor flavor = tn_runtime_flavor(facts->runtime[i].kind);
        char key[KIND_INDEX_KEY];

        if (!kind_index_key(flavor, &facts->runtime[i].version, &facts->gpu, key))
            return add_every(fleet, class);
        rc = near || flavor != TN_FLAVOR_TENSORRT ? add_near(fleet, class, key)
                                                  : add_exact(fleet, class, key);
    }
    if (facts->runtime_count == 0)
        return add_every(fleet, class);
    for (size_t i = 0; rc == TN_OK && i < fleet->loose_kinds.count; i++)
        rc = add_fit(class, fleet->loose_kinds.item[i]);
    return rc;
}

/* @param near also those for other boards of its compute capability */
static int find_fits(const struct tn_fleet *fleet, struct class *class, bool near)
{
    int rc;

    if (class->fit_kinds == fleet->kinds.count && (class->fit_near || !near))
        return TN_OK;
    class->fit_count = class->fit_kinds = 0;
    rc = add_fits(fleet, class, near);
    if (rc < 0)
        return rc;
    class->fit_kinds = fleet->kinds.count;
    class->fit_near = near;
    return TN_OK;
}

static bool needs_near(const struct tn_fleet *fleet, struct class *class, bool may_load)
{
    bool near = may_load || !class->gpu_class_known;

    for (int i = 0; !near && i < class->facts.runtime_count; i++) {
        const struct tally *any = evidence_any(fleet, class, i);

        near = any && any->ok > 0;
    }
    return near;
}

/* ---- one engine ---- */

static bool can_be_delivered(const struct tn_fleet *fleet, const struct class *class,
                             const struct engine *engine)
{
    return !class->delivery[0] || attachment_find(fleet, engine->hex, class->delivery);
}

/* Of an engine in force. As a rule nobody of the class has said anything yet, and then the engine
 * itself is not touched. */
static bool is_candidate(const struct tn_fleet *fleet, struct class *class, const struct fit *fit,
                         struct engine *engine, struct candidate *ret_candidate)
{
    const char *proof = class->proof_key[fit->runtime];
    bool told = evidence_any(fleet, class, fit->runtime) != NULL;
    char why[160];

    if (!can_be_delivered(fleet, class, engine))
        return false;
    *ret_candidate =
        (struct candidate) { .engine = engine,
                             .verdict = fit->verdict,
                             .runtime = fit->runtime,
                             .exact = fit->exact,
                             .proven = told && evidence_proves(fleet, engine->hex, proof),
                             .stopped = (told || fleet->overrides.count > 0) &&
                                        evidence_stops(fleet, engine->hex, proof, why) };
    return true;
}

bool match_possible(struct tn_fleet *fleet, struct class *class, const struct engine *engine,
                    struct candidate *ret_candidate)
{
    struct fit fit;

    return engine->kind && !engine->revoked_ms && kind_fits(class, engine->kind, &fit) &&
           is_candidate(fleet, class, &fit, (struct engine *)engine, ret_candidate);
}

/* ---- ranking ---- */

/* Evidence on this class, exact class, documented compatibility, may-load; then the release's order
 * of precisions; then the newer build. The digest makes the order the same after a restart. */
static int compare(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    if (x->proven != y->proven)
        return y->proven - x->proven;
    if (x->verdict != y->verdict)
        return x->verdict < y->verdict ? -1 : 1;
    if (x->exact != y->exact)
        return y->exact - x->exact;
    if (x->engine->rung != y->engine->rung)
        return x->engine->rung < y->engine->rung ? -1 : 1;
    if (x->engine->sequence != y->engine->sequence)
        return x->engine->sequence > y->engine->sequence ? -1 : 1;
    return strcmp(x->engine->hex, y->engine->hex);
}

/* ---- all of a release ---- */

struct search {
    struct candidate found[CANDIDATES_MAX];
    size_t count;
};

static void consider(const struct tn_fleet *fleet, struct class *class, const struct fit *fit,
                     struct engine *engine, struct search *search)
{
    if (search->count == CANDIDATES_MAX) {
        /* the best are kept: room for one more is that of the worst so far */
        qsort(search->found, search->count, sizeof(search->found[0]), compare);
        search->count--;
    }
    search->count += is_candidate(fleet, class, fit, engine, &search->found[search->count]);
}

static int look(const struct tn_fleet *fleet, struct class *class, const struct release *release,
                bool may_load, struct search *search)
{
    int rc = find_fits(fleet, class, needs_near(fleet, class, may_load));

    for (size_t i = 0; rc == TN_OK && i < class->fit_count; i++) {
        size_t count;
        const struct held *held = kind_engines(class->fit[i].kind, release, &count);

        for (size_t k = 0; k < count; k++)
            consider(fleet, class, &class->fit[i], held[k].engine, search);
    }
    if (search->count > 1)
        qsort(search->found, search->count, sizeof(search->found[0]), compare);
    return rc;
}

static struct match *find(struct tn_fleet *fleet, struct class *class,
                          const struct release *release, bool may_load)
{
    struct search search; /* 2.5 KiB: only what is found is written */
    struct match *match;

    search.count = 0;
    fleet->match_count++;
    if (look(fleet, class, release, may_load, &search) < 0)
        return NULL;
    match = malloc(sizeof(*match) + search.count * sizeof(search.found[0]));
    if (!match)
        return NULL;
    match->may_load = may_load;
    match->generation = release->generation;
    match->count = search.count;
    memcpy(match->candidate, search.found, search.count * sizeof(search.found[0]));
    return match;
}

static struct match *make(struct tn_fleet *fleet, struct class *class,
                          const struct release *release, bool may_load)
{
    int64_t (*clock)(void) = fleet->options.monotonic_ns;
    int64_t started = clock ? clock() : 0;
    struct match *match = find(fleet, class, release, may_load);

    if (clock)
        histogram_add(&fleet->match_times, figure_match_bounds, (double)(clock() - started) / 1e9);
    return match;
}

/* The first place at or after a release's. */
static size_t place_of(const struct class *class, size_t release)
{
    size_t low = 0;
    size_t high = class->matched_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (class->matched[middle].release < release)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Makes room for one more at a place. As many as there are deployments will come, as a rule. */
static int open_place(const struct tn_fleet *fleet, struct class *class, size_t at, size_t release)
{
    if (class->matched_count == class->matched_capacity) {
        size_t capacity = class->matched_capacity    ? 2 * class->matched_capacity
                          : fleet->running.count > 8 ? fleet->running.count
                                                     : 8;
        struct matched *bigger = realloc(class->matched, capacity * sizeof(*bigger));

        if (!bigger)
            return TN_E_NOMEM;
        class->matched = bigger;
        class->matched_capacity = capacity;
    }
    memmove(&class->matched[at + 1], &class->matched[at],
            (class->matched_count - at) * sizeof(*class->matched));
    class->matched[at] = (struct matched) { .release = release };
    class->matched_count++;
    return TN_OK;
}

const struct match *match_get(struct tn_fleet *fleet, struct class *class,
                              const struct release *release, bool may_load)
{
    size_t at = place_of(class, release->number);
    bool there = at < class->matched_count && class->matched[at].release == release->number;
    struct match *match = there ? class->matched[at].match : NULL;

    if (match && match->generation == release->generation && (match->may_load || !may_load))
        return match;
    match = make(fleet, class, release, may_load);
    if (!match || (!there && open_place(fleet, class, at, release->number) < 0)) {
        match_free(match);
        return NULL;
    }
    match_free(class->matched[at].match);
    class->matched[at].match = match;
    return match;
}

/* ---- reasons ---- */

static json_t *reason_json(const struct tn_reason *reason)
{
    json_t *json = json_object();

    tn_json_set_str(json, "code", tn_reason_name(reason->code));
    tn_json_set_str(json, "detail", reason->detail);
    tn_json_set_str(json, "remedy", reason->remedy);
    tn_json_set_str(json, "ground", reason->ground);
    return json;
}

static void add_own_reason(json_t *reasons, const char *code, const char *detail)
{
    (void)json_array_append_new(reasons, json_pack("{s:s,s:s,s:n,s:n}", "code", code, "detail",
                                                   detail, "remedy", "ground"));
}

static void add_reasons(const struct tn_fleet *fleet, const struct class *class,
                        const struct engine *engine, json_t *json)
{
    json_t *reasons = json_array();
    struct tn_answer answer = { .verdict = TN_VERDICT_UNKNOWN };
    int runtime = 0;
    char why[160];

    if (engine->plan_known)
        check_runtimes(class, &engine->plan, &answer, &runtime);
    else
        add_own_reason(reasons, "file-missing", "its file cannot be read on the server");
    if (engine->revoked_ms) {
        (void)snprintf(why, sizeof(why), "revoked%s%.140s", engine->revoked_why ? ": " : "",
                       engine->revoked_why ? engine->revoked_why : "");
        add_own_reason(reasons, "revoked", why);
    }
    if (!can_be_delivered(fleet, class, engine))
        add_own_reason(reasons, "no-attachment",
                       "no container for this client is attached to the engine");
    if (evidence_stops(fleet, engine->hex, class->proof_key[runtime], why))
        add_own_reason(reasons, "evidence", why);
    for (int i = 0; i < answer.reason_count; i++)
        (void)json_array_append_new(reasons, reason_json(&answer.reason[i]));
    tn_json_set_str(json, "verdict", tn_verdict_name(answer.verdict));
    tn_json_set(json, "proven",
                json_boolean(evidence_proves(fleet, engine->hex, class->proof_key[runtime])));
    tn_json_set(json, "exact", json_boolean(engine->kind && is_exact(class, engine->kind)));
    tn_json_set(json, "reasons", reasons);
}

json_t *match_why(struct tn_fleet *fleet, const struct class *class, const struct release *release)
{
    json_t *array = json_array();

    for (size_t i = 0; i < release->engines.count; i++) {
        const struct engine *engine = release->engines.item[i];
        json_t *json = json_object();

        tn_json_set_str(json, "digest", engine->hex);
        tn_json_set_str(json, "name", engine->name);
        add_reasons(fleet, class, engine, json);
        (void)json_array_append_new(array, json);
    }
    return array;
}
