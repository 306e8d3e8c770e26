#include "loader/target.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Several toolchains of different versions and no runtime to choose by: the user has to. */
static int toolchain_decides(const struct tn_device *machine, struct tn_runtime_id *ret_id,
                             struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf list = TN_BUF(2048);
    const struct tn_toolchain *first = &machine->toolchain[0];
    bool agree = true;

    if (machine->toolchain_count == 0)
        return tn_fail(err, TN_E_NOTFOUND,
                       "no TensorRT was found on this machine, neither a runtime nor a toolchain: "
                       "install one, list it in "
                       "toolchains.yaml, or name the one to get engines for with --runtime (such "
                       "as rtx1.7.1.116)");
    for (int i = 0; i < machine->toolchain_count; i++) {
        const struct tn_toolchain *one = &machine->toolchain[i];
        char text[TN_RUNTIME_TEXT];

        tn_runtime_id_print(&one->builds, text);
        tn_buf_addf(&list, "%s%s", i ? ", " : "", text);
        agree &= one->builds.kind == first->builds.kind &&
                 tn_version_same(&one->builds.version, &first->builds.version);
    }
    if (!agree)
        return tn_fail(
            err, TN_E_USAGE,
            "several toolchains are installed (%s): choose with --runtime or TENON_RUNTIME",
            tn_buf_text(&list));
    *ret_id = first->builds;
    return TN_OK;
}

static int decide_runtime(const struct tn_get_options *options, const struct tn_device *machine,
                          const struct tn_device *named, struct tn_runtime_id *ret_id,
                          struct tn_error *err)
{
    const struct tn_device *device = named ? named : machine;
    const struct tn_runtime *found;
    struct tn_error why = { 0 };
    int rc = tn_device_runtime(device, options->runtime, &found, &why);

    if (rc == TN_OK) {
        *ret_id = found->id;
        return TN_OK;
    }
    if (options->runtime && tn_runtime_id_parse(options->runtime, ret_id, NULL) == TN_OK &&
        ret_id->version.parts == 4)
        return TN_OK; /* named in full: engines for it can be looked up or built without it */
    if (rc == TN_E_NOTFOUND && !options->runtime && device->runtime_count == 0)
        return toolchain_decides(machine, ret_id, err);
    if (err)
        *err = why;
    return rc;
}

static void find_toolchain(const struct tn_device *machine, struct tn_target *target)
{
    char wanted[TN_RUNTIME_TEXT];
    tn_auto(tn_buf_done) struct tn_buf have = TN_BUF(2048);

    tn_runtime_id_print(&target->runtime, wanted);
    for (int i = 0; i < machine->toolchain_count; i++) {
        const struct tn_toolchain *one = &machine->toolchain[i];
        char text[TN_RUNTIME_TEXT];

        if (tn_runtime_flavor(one->builds.kind) == target->flavor &&
            tn_version_same(&one->builds.version, &target->runtime.version)) {
            target->toolchain = one;
            return;
        }
        tn_runtime_id_print(&one->builds, text);
        tn_buf_addf(&have, "%s%s", i ? ", " : "", text);
    }
    (void)snprintf(target->no_toolchain, sizeof(target->no_toolchain),
                   "no toolchain builds for %s here (found: %s): install that release or list it "
                   "in toolchains.yaml",
                   wanted, machine->toolchain_count ? tn_buf_text(&have) : "none");
}

static int decide_gpu(const struct tn_get_options *options, const struct tn_device *device,
                      struct tn_target *target, struct tn_error *err)
{
    const struct tn_gpu *gpu;
    int rc;

    if (device->gpu_count == 0 && !options->gpu)
        return TN_OK;
    rc = tn_device_gpu(device, options->gpu, &gpu, err);
    if (rc < 0)
        return rc;
    target->gpu = *gpu;
    target->has_gpu = true;
    return TN_OK;
}

/* An engine of TensorRT is tuned for one class of devices, so that has to be known in full. */
static int need_class(const struct tn_get_options *options, const struct tn_device *device,
                      const struct tn_target *target, struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf class = TN_BUF(1024);
    char runtime[TN_RUNTIME_TEXT];

    if (target->flavor != TN_FLAVOR_TENSORRT)
        return TN_OK;
    tn_runtime_id_print(&target->runtime, runtime);
    if (!target->has_gpu && target->here && options->load)
        return tn_fail(
            err, TN_E_AGAIN,
            "no GPU answers on this machine, and an engine for %s is tuned for one: look "
            "at the driver (nvidia-smi), CUDA_VISIBLE_DEVICES, the container's --gpus",
            runtime);
    if (!target->has_gpu)
        return tn_fail(err, TN_E_NOTFOUND,
                       "an engine for %s is tuned for one GPU, and %s has none that answers: name "
                       "the device with --for, such as h200+%s ('tenon device --boards')",
                       runtime, device->label, runtime);
    if (!tn_gpu_class_add(&class, &target->gpu))
        return tn_fail(err, TN_E_NOTFOUND,
                       "an engine for %s is tuned for one GPU, and not all that counts is known of "
                       "%s (%s): run 'tenon device --output FILE' there and name FILE with --for",
                       runtime, device->label, tn_buf_text(&class));
    return TN_OK;
}

int tn_target_decide(const struct tn_get_options *options, const struct tn_device *machine,
                     const struct tn_device *named, struct tn_target *ret_target,
                     struct tn_error *err)
{
    const struct tn_device *device = named ? named : machine;
    struct tn_target target = { .gpu = tn_gpu_unknown(),
                                .here = !named,
                                .gpu_here = machine->gpu_count > 0,
                                .cuda_driver = device->cuda };
    int rc = decide_runtime(options, machine, named, &target.runtime, err);

    if (rc < 0)
        return rc;
    if (target.runtime.version.parts != 4)
        return tn_fail(err, TN_E_USAGE,
                       "the exact version of this device's TensorRT is not known and all four "
                       "parts count: name it with "
                       "--runtime, such as trt10.3.0.30");
    target.flavor = tn_runtime_flavor(target.runtime.kind);
    (void)tn_text_copy(target.platform, sizeof(target.platform), device->platform);
    rc = decide_gpu(options, device, &target, err);
    if (rc == TN_OK)
        rc = need_class(options, device, &target, err);
    if (rc < 0)
        return rc;
    find_toolchain(machine, &target);
    *ret_target = target;
    return TN_OK;
}

int tn_target_ccs(const struct tn_target *target, struct tn_build_options *options,
                  struct tn_error *err)
{
    char cc[TN_CC_TEXT];
    bool turing = target->has_gpu && target->gpu.cc_major == 7 && target->gpu.cc_minor == 5;

    if (target->flavor != TN_FLAVOR_RTX || options->cc_count > 0)
        return TN_OK;
    if ((target->here && !turing) || !target->has_gpu)
        return TN_OK; /* 7.5 alone is never in a default list, so it has to be named */
    tn_gpu_cc_print(&target->gpu, cc);
    if (!cc[0])
        return tn_fail(err, TN_E_UNSUPPORTED, "the compute capability of the device is not known");
    return tn_options_set_ccs(options, cc, err);
}
