/*
 * What engines are wanted for: flavor, version, platform, GPU, and the toolchain that could build.
 */
#ifndef TN_LOADER_TARGET_H
#define TN_LOADER_TARGET_H

#include "device/device.h"
#include "loader/loader.h"
#include "recipe/options.h"

struct tn_target {
    struct tn_runtime_id runtime; /* four parts known */
    enum tn_flavor flavor;
    char platform[32];
    bool has_gpu;
    struct tn_gpu gpu;
    bool here;     /* for this machine, not for a named device */
    bool gpu_here; /* a GPU of this machine answers */
    int64_t cuda_driver;
    const struct tn_toolchain *toolchain; /* of exactly the wanted version; NULL = none */
    char no_toolchain[320];               /* why, and what to do */
};

/**
 * @param machine this machine's fingerprint; borrowed by the target
 * @param named fingerprint of --for, or NULL
 * @return 0; TN_E_USAGE, TN_E_NOTFOUND with the choices; TN_E_AGAIN (the engine is to be loaded
 *         here, and no GPU answers)
 */
int tn_target_decide(const struct tn_get_options *options, const struct tn_device *machine,
                     const struct tn_device *named, struct tn_target *ret_target,
                     struct tn_error *err);

/** Compute capabilities that an RTX build should name: the spec's, else those of a named device,
 * else none (the toolchain's own default list). Changes `options`. @return 0 or TN_E_UNSUPPORTED */
int tn_target_ccs(const struct tn_target *target, struct tn_build_options *options,
                  struct tn_error *err);

#endif
