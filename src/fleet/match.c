/*
 * Which engines of a release a match class may get, best first. Nothing is swept: a release's index
 * leads from a runtime and a compute capability to the few engines that can be for it, and what was
 * found stays with the class until the release's generation changes.
 */
#include "fleet/fleet_priv.h"

#include <stdlib.h>
#include <string.h>

enum { CANDIDATES_MAX = 64 };

void match_free(struct match *match)
{
    if (!match)
        return;
    free(match->candidate);
    free(match);
}

/* ---- one engine ---- */

/* An RTX engine has no class; one that names this compute capability alone is as near as it gets.
 */
static bool is_exact(const struct class *class, const struct engine *engine)
{
    const struct tn_plan *plan = &engine->plan;

    if (plan->flavor == TN_FLAVOR_RTX)
        return plan->ccs.count == 1 && !plan->ccs.later;
    return engine->gpu_class && class->gpu_class_known &&
           strcmp(engine->gpu_class, class->gpu_class) == 0;
}

/* The runtime of the class that likes it best. */
static void check_runtimes(const struct class *class, const struct engine *engine,
                           struct tn_answer *ret_answer, int *ret_runtime)
{
    int count = class->facts.runtime_count ? class->facts.runtime_count : 1;

    for (int i = 0; i < count; i++) {
        struct tn_compat_target target = class_target(class, i);
        struct tn_answer other;
        struct tn_answer *answer = i == 0 ? ret_answer : &other;

        tn_compat_check(&engine->plan, &target, answer);
        if (i > 0 && other.verdict >= ret_answer->verdict)
            continue;
        if (i > 0)
            *ret_answer = other;
        *ret_runtime = i;
    }
}

static bool can_be_delivered(const struct tn_fleet *fleet, const struct class *class,
                             const struct engine *engine)
{
    return !class->delivery[0] || attachment_find(fleet, engine->hex, class->delivery);
}

bool match_possible(struct tn_fleet *fleet, const struct class *class, const struct engine *engine,
                    struct candidate *ret_candidate)
{
    struct candidate candidate = { .engine = (struct engine *)engine };
    struct tn_answer answer;
    char why[160];
    const char *proof;

    if (engine->revoked_ms || !engine->plan_known || !can_be_delivered(fleet, class, engine))
        return false;
    check_runtimes(class, engine, &answer, &candidate.runtime);
    if (answer.verdict > TN_VERDICT_MAY_LOAD)
        return false;
    proof = class->proof_key[candidate.runtime];
    candidate.verdict = answer.verdict;
    candidate.exact = is_exact(class, engine);
    candidate.proven = evidence_proves(fleet, engine->hex, proof);
    candidate.stopped = evidence_stops(fleet, engine->hex, proof, why);
    *ret_candidate = candidate;
    return true;
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
    struct tn_fleet *fleet;
    const struct class *class;
    bool may_load; /* also those that are at best may-load and proven by nobody */
    struct candidate found[CANDIDATES_MAX];
    size_t count;
};

static void consider(struct search *search, const struct engine *engine)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->found[i].engine == engine)
            return;
    if (search->count == CANDIDATES_MAX) {
        /* the best are kept: room for one more is that of the worst so far */
        qsort(search->found, search->count, sizeof(search->found[0]), compare);
        search->count--;
    }
    search->count +=
        match_possible(search->fleet, search->class, engine, &search->found[search->count]);
}

static void consider_all(struct search *search, const struct list *engines)
{
    for (size_t i = 0; i < engines->count; i++)
        consider(search, engines->item[i]);
}

/* A classic engine of another class of the compute capability is never more than may-load: where
 * that is neither wanted nor proved by anybody, the class leads to the few that are left. */
static int consider_exact(struct search *search, const struct release *release, const char *key)
{
    tn_auto(tn_str_free) char *exact = exact_key(key, search->class->gpu_class);

    if (!exact)
        return TN_E_NOMEM;
    for (const struct engine *engine = tn_map_get(&release->exact, exact); engine;
         engine = engine->next_exact)
        consider(search, engine);
    return TN_OK;
}

static void consider_near(struct search *search, const struct release *release, const char *key)
{
    for (const struct engine *engine = tn_map_get(&release->index, key); engine;
         engine = engine->next_indexed)
        consider(search, engine);
}

static bool exact_is_enough(const struct search *search, int runtime)
{
    const struct class *class = search->class;

    return !search->may_load && class->gpu_class_known &&
           tn_runtime_flavor(class->facts.runtime[runtime].kind) == TN_FLAVOR_TENSORRT &&
           !evidence_proves(search->fleet, "*", class->proof_key[runtime]);
}

/* @return false when the class is not known well enough for the index */
static bool consider_indexed(struct search *search, const struct release *release)
{
    const struct tn_device_facts *facts = &search->class->facts;

    for (int i = 0; i < facts->runtime_count; i++) {
        const struct tn_runtime_id *runtime = &facts->runtime[i];
        char key[96];

        if (!engine_index_key(tn_runtime_flavor(runtime->kind), &runtime->version, &facts->gpu,
                              key))
            return false;
        if (!exact_is_enough(search, i) || consider_exact(search, release, key) < 0)
            consider_near(search, release, key);
    }
    return facts->runtime_count > 0;
}

static struct match *find(struct tn_fleet *fleet, const struct class *class,
                          const struct release *release, bool may_load)
{
    struct search search = { .fleet = fleet, .class = class, .may_load = may_load };
    struct match *match = calloc(1, sizeof(*match));

    if (!match)
        return NULL;
    fleet->match_count++;
    if (consider_indexed(&search, release))
        consider_all(&search, &release->loose);
    else
        consider_all(&search, &release->engines);
    qsort(search.found, search.count, sizeof(search.found[0]), compare);
    match->may_load = may_load;
    match->generation = release->generation;
    match->count = search.count;
    match->candidate = malloc((search.count + 1) * sizeof(*match->candidate));
    if (!match->candidate) {
        match_free(match);
        return NULL;
    }
    memcpy(match->candidate, search.found, search.count * sizeof(*match->candidate));
    return match;
}

static struct match *make(struct tn_fleet *fleet, const struct class *class,
                          const struct release *release, bool may_load)
{
    int64_t (*clock)(void) = fleet->options.monotonic_ns;
    int64_t started = clock ? clock() : 0;
    struct match *match = find(fleet, class, release, may_load);

    if (clock)
        histogram_add(&fleet->match_times, figure_match_bounds, (double)(clock() - started) / 1e9);
    return match;
}

const struct match *match_get(struct tn_fleet *fleet, struct class *class,
                              const struct release *release, bool may_load)
{
    struct match *match = tn_map_get(&class->matches, release->key);
    struct match *old = match;

    if (match && match->generation == release->generation && (match->may_load || !may_load))
        return match;
    match = make(fleet, class, release, may_load);
    if (!match || tn_map_put(&class->matches, release->key, match, NULL) < 0) {
        match_free(match);
        return NULL;
    }
    match_free(old);
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
        check_runtimes(class, engine, &answer, &runtime);
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
    tn_json_set(json, "exact", json_boolean(engine->plan_known && is_exact(class, engine)));
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
