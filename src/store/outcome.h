/*
 * The outcome of one load of an engine, as a value and as one line of JSON:
 *
 *   {"by":"application","digest":…,"result":"ok","schema":"tenon-outcome/1",…}
 *
 * docs/schemas/outcome.schema.json names every member. New ones may come; a member that changes its
 * meaning makes tenon-outcome/2. Values are copied; any thread.
 */
#ifndef TN_STORE_OUTCOME_H
#define TN_STORE_OUTCOME_H

#include "base/clock.h"
#include "base/json.h"
#include "types/flavor.h"

enum { TN_SPOOL_ID_BYTES = 17 /* 16 hex */ };

enum tn_outcome_by { TN_OUTCOME_APPLICATION, TN_OUTCOME_TRIAL, TN_OUTCOME_BYS };

enum tn_outcome_result {
    TN_OUTCOME_OK,
    TN_OUTCOME_FAILED,  /* the engine's own fault, or the application's */
    TN_OUTCOME_TROUBLE, /* the device's */
    TN_OUTCOME_RESULTS
};

/** One load. Texts are "" where they are not known. */
struct tn_outcome {
    enum tn_outcome_by by;
    enum tn_outcome_result result;
    tn_nsec time; /* wall; what is written is whole seconds */
    struct tn_digest digest, key;
    int64_t bytes; /* of the plan */
    char name[256];
    char model[128];
    char precision[16];
    char flavor[16];
    char runtime[TN_RUNTIME_TEXT];
    char source[16];     /* how the engine came: "store", "remote", "built", "waited" */
    int rung;            /* of the ladder, from 1; 0 = not known */
    char gpu[96];        /* name */
    char gpu_class[160]; /* as the key field `class` */
    char driver[32];
    double seconds; /* of the deserialization; negative = not known */
    int cold;       /* whether the plan had to come from the disk: 1, 0, negative = not known */
    bool lasting;   /* the engine's own lasting fault, its bytes verified */
    char class_name[48]; /* of the telling line; "" when it loaded */
    char first_line[240];
    /* where it stands, filled by readers: which spool, and a number that grows from each outcome of
     * it to the next; "" and 0 where its file has lost its first line */
    char spool[TN_SPOOL_ID_BYTES];
    int64_t position;
};

/** "application", "trial". */
const char *tn_outcome_by_name(enum tn_outcome_by by);
/** "ok", "failed", "trouble". */
const char *tn_outcome_result_name(enum tn_outcome_result result);

/** As a line of the spool has it, without where it stands; `time` 0 = now. Sets no errors: NULL
 * members show when it is printed. */
json_t *tn_outcome_to_json(const struct tn_outcome *outcome);
/** Reads what tn_outcome_to_json() made, or a foreign line like it: texts that are too long are
 * cut. @return false when it is none of schema tenon-outcome/1, or lacks time, by, result, digest
 */
bool tn_outcome_from_json(const json_t *json, struct tn_outcome *ret_outcome);

#endif
