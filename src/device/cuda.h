/*
 * The few calls of libcuda and NVML that a fingerprint needs, behind a table: the real one is
 * opened at run time, tests bring their own. No context is created, so no GPU memory is used.
 */
#ifndef TN_DEVICE_CUDA_H
#define TN_DEVICE_CUDA_H

#include "device/device.h"

/** Types as in the driver API: results and device handles are ints. `init` NULL = no libcuda;
 * `nvml_driver` NULL = no NVML. */
struct tn_cuda {
    int (*init)(unsigned flags);
    int (*driver_version)(int *ret_version);
    int (*count)(int *ret_count);
    int (*device)(int *ret_device, int ordinal);
    int (*name)(char *ret_name, int size, int device);
    int (*uuid)(unsigned char ret_uuid[16], int device);
    int (*attribute)(int *ret_value, int attribute, int device);
    int (*memory)(size_t *ret_bytes, int device);
    /** Driver version text through NVML, which it starts and ends. */
    int (*nvml_driver)(char *ret_text, unsigned size);
};

/** Opens libcuda.so.1 and libnvidia-ml.so.1 where the dynamic loader finds them. They stay open:
 * a driver does not survive being unloaded. */
void tn_cuda_open(struct tn_cuda *ret_cuda);

/** Fills GPUs, CUDA version, and the driver's where it is not known yet; adds notes. */
void tn_cuda_probe(const struct tn_cuda *cuda, struct tn_device *device);

/** The short name for file names: "NVIDIA GeForce RTX 4090" -> "rtx4090", "Tesla V100-SXM2-16GB" ->
 * "v100", "NVIDIA H200 MIG 1g.18gb" -> "h200". */
void tn_gpu_product(const char *name, char *ret_product, size_t size);

#endif
