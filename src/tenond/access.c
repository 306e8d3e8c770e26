/*
 * Who asks, and whether they may. Devices answer for themselves (TargetToken) or come through a
 * gateway (GatewayToken); people and programs carry a bearer token with a role.
 *
 * What is refused looks the same whether the device exists or not. Guessing is slowed: after
 * DEVICE_TRIES failures in a minute one address hears 429 for that device, without a look at the
 * token; after ROLE_TRIES an address hears 429 for wrong bearer tokens, while right ones (256
 * random bits, not to be guessed) still pass, so that one broken script behind a proxy locks nobody
 * out.
 */
#include "tenond/tenond.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum { DEVICE_TRIES = 10, ROLE_TRIES = 20 };

static const char tenant_name[] = "default";

const char *tn_access_name(int access)
{
    static const char *const names[] = {
        [TN_ACCESS_OPEN] = "nobody",   [TN_ACCESS_METRICS] = "metrics token",
        [TN_ACCESS_DEVICE] = "device", [TN_ACCESS_DEVICE_ENROL] = "device or gateway",
        [TN_ACCESS_VIEWER] = "viewer", [TN_ACCESS_PUBLISHER] = "publisher",
        [TN_ACCESS_ADMIN] = "admin",
    };

    assert((size_t)access < TN_COUNT(names));
    return names[access];
}

int64_t tn_tenond_now_ms(void)
{
    return tn_clock_wall() / TN_NSEC_PER_MS;
}

static int64_t now_s(void)
{
    return tn_clock_monotonic() / TN_NSEC_PER_S;
}

/* "Scheme TOKEN" → the token, or NULL for another scheme. */
static const char *token_of(const char *header, const char *scheme)
{
    size_t length = strlen(scheme);

    if (!header || strncasecmp(header, scheme, length) != 0 || header[length] != ' ')
        return NULL;
    header += length;
    return header + strspn(header, " ");
}

static bool refuse_device(struct tn_tenond *tenond, struct tn_http_request *request, int status)
{
    tenond->refusals++;
    if (status == 429)
        tn_http_set_header(request, "Retry-After", "60");
    tn_http_reply(request, status, NULL, NULL, 0);
    return false;
}

/* The gateway vouches for every device; only a poll registers one. */
static bool admit_gateway(struct tn_tenond *tenond, struct tn_http_request *request,
                          const struct tn_route *route, const char *id)
{
    struct tn_fleet_device *device = tn_fleet_device(tenond->fleet, id);
    struct tn_error err = { 0 };
    int rc;

    if (device || route->access != TN_ACCESS_DEVICE_ENROL)
        return true; /* an unknown one is 404 later: the gateway may know that */
    rc = tn_fleet_enroll(tenond->fleet, id, NULL, "gateway", tn_tenond_now_ms(), &device, &err);
    if (rc < 0) {
        tn_http_reply_error(request, &err);
        return false;
    }
    tenond->registrations++;
    return true;
}

static bool has_guessed(struct tn_tenond *tenond, struct tn_http_request *request, const char *id)
{
    int64_t now = now_s();

    if (tn_attempts_quiet(&tenond->attempts, now))
        return false;
    return tn_attempts_count(&tenond->attempts,
                             tn_attempts_key(&tenond->attempts, tn_http_address(request), id),
                             now) >= DEVICE_TRIES;
}

static bool admit_device(struct tn_tenond *tenond, struct tn_http_request *request,
                         const struct tn_route *route)
{
    const char *id = tn_http_part(request, "id");
    const char *header = tn_http_header(request, "Authorization");
    const char *own = token_of(header, "TargetToken");
    const char *gateway = token_of(header, "GatewayToken");
    struct tn_fleet_device *device;
    char name[64];

    if (strcasecmp(tn_http_part(request, "tenant"), tenant_name) != 0)
        return refuse_device(tenond, request, 401);
    tn_http_set_who(request, id);
    if (has_guessed(tenond, request, id))
        return refuse_device(tenond, request, 429);
    if (gateway && tn_fleet_role(tenond->fleet, gateway, name) == TN_ROLE_GATEWAY)
        return admit_gateway(tenond, request, route, id);
    device = own ? tn_fleet_device(tenond->fleet, id) : NULL;
    if (device && tn_fleet_token_is(device, own))
        return true;
    tn_attempts_failed(&tenond->attempts,
                       tn_attempts_key(&tenond->attempts, tn_http_address(request), id), now_s());
    return refuse_device(tenond, request, 401);
}

static bool refuse_role(struct tn_tenond *tenond, struct tn_http_request *request)
{
    uint64_t key = tn_attempts_key(&tenond->attempts, tn_http_address(request), NULL);

    tn_attempts_failed(&tenond->attempts, key, now_s());
    if (tn_attempts_count(&tenond->attempts, key, now_s()) > ROLE_TRIES) {
        tn_http_set_header(request, "Retry-After", "60");
        tn_http_problem(request, 429, "AGAIN", "too many wrong tokens from this address");
    } else {
        tn_http_problem(request, 401, "ACCESS", "a valid bearer token is needed");
    }
    return false;
}

static bool admit_role(struct tn_tenond *tenond, struct tn_http_request *request,
                       enum tn_role wanted)
{
    const char *token = token_of(tn_http_header(request, "Authorization"), "Bearer");
    char name[64] = "";
    enum tn_role role = token ? tn_fleet_role(tenond->fleet, token, name) : TN_ROLE_NONE;

    if (role == TN_ROLE_NONE || role == TN_ROLE_GATEWAY)
        return refuse_role(tenond, request);
    tn_http_set_who(request, name);
    tn_http_set_note(request, (int)role);
    if (role >= wanted)
        return true;
    tn_http_problem(request, 403, "ACCESS", "token '%s' has the role %s, this needs %s", name,
                    tn_fleet_role_name(role), tn_fleet_role_name(wanted));
    return false;
}

static bool admit_metrics(struct tn_tenond *tenond, struct tn_http_request *request)
{
    const char *token = token_of(tn_http_header(request, "Authorization"), "Bearer");

    /* open to this machine: what a proxy passes on comes from others */
    if (tenond->metrics_open && !tn_http_header(request, "X-Forwarded-For"))
        return true;
    if (!tenond->metrics_token)
        return admit_role(tenond, request, TN_ROLE_VIEWER);
    if (token && tn_secret_equal(token, tenond->metrics_token))
        return true;
    return refuse_role(tenond, request);
}

bool tn_tenond_admit(struct tn_http_request *request, const struct tn_route *route, void *user)
{
    struct tn_tenond *tenond = user;

    switch ((enum tn_access)route->access) {
    case TN_ACCESS_OPEN:
        return true;
    case TN_ACCESS_METRICS:
        return admit_metrics(tenond, request);
    case TN_ACCESS_DEVICE:
    case TN_ACCESS_DEVICE_ENROL:
        return admit_device(tenond, request, route);
    case TN_ACCESS_VIEWER:
        return admit_role(tenond, request, TN_ROLE_VIEWER);
    case TN_ACCESS_PUBLISHER:
        return admit_role(tenond, request, TN_ROLE_PUBLISHER);
    case TN_ACCESS_ADMIN:
        return admit_role(tenond, request, TN_ROLE_ADMIN);
    }
    return refuse_role(tenond, request);
}
