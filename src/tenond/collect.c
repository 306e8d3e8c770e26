#include "tenond/collect.h"

#include "base/event.h"
#include "http/work.h"

#include <stdlib.h>

struct collection {
    struct tn_job job; /* first: it leads here */
    struct tn_tenond *tenond;
    struct tn_old_blobs old;
    int64_t freed;
    int rc;
    struct tn_error err;
};

static void end(struct collection *collection)
{
    struct tn_event event;

    collection->tenond->collecting = false;
    if (collection->rc < 0) {
        tn_event_error("collect_failed", &collection->err);
    } else if (collection->freed > 0) {
        tn_event_begin(&event, TN_EVENT_INFO, "collected");
        tn_event_int(&event, "bytes", collection->freed);
        tn_event_end(&event);
    }
    tn_old_blobs_done(&collection->old);
    free(collection);
}

/* ---- 3. what was taken is freed ---- */

static void sweep(struct tn_job *job)
{
    struct collection *collection = (struct collection *)job;
    int64_t freed = tn_blobs_sweep(collection->tenond->blobs, &collection->err);

    if (freed < 0)
        collection->rc = (int)freed;
    else
        collection->freed += freed;
}

static void swept(struct tn_job *job)
{
    end((struct collection *)job);
}

/* ---- 2. the fleet says what it needs, and what it does not is taken ---- */

static void found(struct tn_job *job)
{
    struct collection *collection = (struct collection *)job;
    struct tn_tenond *tenond = collection->tenond;
    int64_t taken = 0;

    if (collection->rc == TN_OK)
        collection->rc = tn_fleet_keep_anew(tenond->fleet, &collection->err);
    if (collection->rc == TN_OK)
        taken = tn_blobs_take(tenond->blobs, &collection->old, tn_fleet_keeps_blob, tenond->fleet,
                              &collection->err);
    if (taken < 0)
        collection->rc = (int)taken;
    if (collection->rc < 0 || tenond->closing) {
        end(collection);
        return;
    }
    collection->freed = taken;
    collection->job = (struct tn_job) { .run = sweep, .done = swept };
    tn_work_submit(tn_http_work(tenond->http), &collection->job);
}

/* ---- 1. what is old enough ---- */

static void find(struct tn_job *job)
{
    struct collection *collection = (struct collection *)job;

    collection->rc =
        tn_blobs_find_old(collection->tenond->blobs, &collection->old, &collection->err);
}

void tn_tenond_collect(struct tn_tenond *tenond)
{
    struct collection *collection = tenond->collecting ? NULL : calloc(1, sizeof(*collection));

    if (!collection)
        return; /* the next hour will do */
    collection->tenond = tenond;
    collection->job = (struct tn_job) { .run = find, .done = found };
    tenond->collecting = true;
    tn_work_submit(tn_http_work(tenond->http), &collection->job);
}
