/* How often devices are to ask: the server's time, and a device's own. */
#include "fleet/fleet_priv.h"

int64_t tn_fleet_poll_seconds(const struct tn_fleet *fleet, const struct tn_fleet_device *device)
{
    if (device && device->poll_seconds > 0)
        return device->poll_seconds;
    return fleet->poll_seconds > 0 ? fleet->poll_seconds : fleet->options.poll_seconds;
}

static int set_server(struct tn_fleet *fleet, int64_t seconds, struct tn_error *err)
{
    fleet->poll_seconds = seconds;
    return setting_put(fleet, SETTING_POLL_SECONDS, err);
}

static int set_device(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t seconds,
                      struct tn_error *err)
{
    device->poll_seconds = seconds;
    return device_put(fleet, device, err);
}

int tn_fleet_poll_set(struct tn_fleet *fleet, struct tn_fleet_device *device, int64_t seconds,
                      const char *who, int64_t now_ms, struct tn_error *err)
{
    int rc;

    if (seconds != 0 && (seconds < TN_POLL_LEAST_S || seconds > TN_POLL_MOST_S))
        return tn_fail(err, TN_E_INVALID, "the time between two polls is from 1s to 23h");
    rc = device ? set_device(fleet, device, seconds, err) : set_server(fleet, seconds, err);
    if (rc < 0)
        return rc;
    return fleet_audit(fleet, who, device ? "device-poll" : "server-poll", now_ms,
                       json_pack("{s:s?,s:I}", "device", device ? device->id : NULL, "seconds",
                                 (json_int_t)seconds),
                       err);
}
