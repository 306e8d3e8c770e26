/*
 * What the files of tenond share: the parts of one server, and who may do what.
 *
 * One thread runs all of it. Handlers change the fleet and answer; the loop commits before the
 * answer leaves (http/server.h).
 */
#ifndef TN_TENOND_TENOND_H
#define TN_TENOND_TENOND_H

#include "fleet/fleet.h"
#include "http/attempts.h"
#include "http/server.h"
#include "tenond/options.h"

struct tn_tenond {
    struct tn_tenond_options options;
    struct tn_db *db;
    struct tn_blobs *blobs;
    struct tn_fleet *fleet;
    struct tn_http *http;
    struct tn_attempts attempts;
    bool metrics_open;        /* /metrics without a token, but for who comes through a proxy */
    char *metrics_token;      /* NULL = none */
    char *tls_cert, *tls_key; /* PEM */
    struct tn_keyring trusted;
    int64_t started_ms;
    int64_t polls, registrations, refusals; /* counters of the device protocol */
};

/** What a row of the route table asks for. */
enum tn_access {
    TN_ACCESS_OPEN,
    TN_ACCESS_METRICS,
    TN_ACCESS_DEVICE,       /* the device of the path, by its own token or the gateway's */
    TN_ACCESS_DEVICE_ENROL, /* ... which the gateway's token also registers */
    TN_ACCESS_VIEWER,
    TN_ACCESS_PUBLISHER,
    TN_ACCESS_ADMIN,
};

/** "viewer" for TN_ACCESS_VIEWER, for documents. */
const char *tn_access_name(int access);

/** The routes of tenond, ended by a row without a path (routes.c). */
extern const struct tn_route tn_tenond_routes[];

/** The `admit` of tn_http_options (access.c); `user` is a struct tn_tenond. */
bool tn_tenond_admit(struct tn_http_request *request, const struct tn_route *route, void *user);

/** Wall time for the fleet, in ms. */
int64_t tn_tenond_now_ms(void);

/** The device of "{id}", admitted before; NULL after 404 was answered. */
struct tn_fleet_device *tn_tenond_device(struct tn_tenond *tenond, struct tn_http_request *request);

#endif
