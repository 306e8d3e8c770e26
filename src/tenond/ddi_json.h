/*
 * Bodies of the device protocol (hawkBit DDI), read and written. Pure: no fleet is changed here.
 * docs/protocol-ddi.md describes them.
 */
#ifndef TN_TENOND_DDI_JSON_H
#define TN_TENOND_DDI_JSON_H

#include "base/buf.h"
#include "fleet/fleet.h"

enum { TN_DDI_DETAILS = 100 };

/** A feedback as read; texts are the JSON's. */
struct tn_ddi_feedback {
    struct tn_feedback feedback;
    const char *details[TN_DDI_DETAILS];
};

/** Unknown members are ignored; of `details` the first TN_DDI_DETAILS texts count.
 * @return false when a member that must be there is missing or of another type */
bool tn_ddi_feedback_read(const json_t *json, struct tn_ddi_feedback *ret_feedback);

/** A word about an action that waits for it: details and code are read as of a feedback.
 * @return the word; NULL when there is none */
const char *tn_ddi_confirmation_read(const json_t *json, struct tn_ddi_feedback *ret_said);

/** The links of a poll; empty = none. */
struct tn_ddi_poll {
    const char *base; /* "http://HOST/default/controller/v1/ID", of the request */
    int64_t sleep_s;
    int64_t cancel_id, deployment_id, confirmation_id, installed_id; /* 0 = none */
    uint32_t deployment_mark;                                        /* the `c` of its link */
    bool attributes;
};
void tn_ddi_poll_write(struct tn_buf *text, const struct tn_ddi_poll *poll);

/** What a deployment's links are made of. */
struct tn_ddi_place {
    const char *base;
    bool tls; /* `download` beside `download-http` */
};

/** The one artifact of an action. */
void tn_ddi_artifact_write(struct tn_buf *json, const struct tn_ddi_place *place,
                           const struct tn_fleet_action *action,
                           const struct tn_blob_hashes *hashes);
/** {"id", "deployment": {...}, or "confirmation" while the device is asked: the closing bracket is
 * the caller's, who may add members. */
void tn_ddi_deployment_write(struct tn_buf *json, const struct tn_ddi_place *place,
                             const struct tn_fleet_action *action,
                             const struct tn_blob_hashes *hashes);

/** Appends a path of the wire so that it may stand in JSON and in a URL. */
void tn_ddi_add_url(struct tn_buf *text, const char *url);

/** Seconds to sleep for one device: `seconds` spread by a tenth, always the same for an id, so that
 * devices that start together drift apart while an idle poll stays cacheable. */
int64_t tn_ddi_sleep_s(int64_t seconds, const char *id);

/** A positive number of at most 31 bits, leading zeros allowed. @return 0 for anything else */
int64_t tn_ddi_id(const char *text);

#endif
