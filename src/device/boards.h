/*
 * The bundled boards: facts that are known without having the device. Static storage, any thread.
 */
#ifndef TN_DEVICE_BOARDS_H
#define TN_DEVICE_BOARDS_H

#include "types/gpu.h"

#include <stddef.h>

struct tn_board {
    struct tn_gpu gpu;    /* `product` is the board's name */
    const char *platform; /* "linux-x86_64" or "linux-aarch64-tegra" */
    const char *module;   /* "Jetson Orin Nano"; "" when not a Jetson */
};

/** A board by name or alias, without case; NULL when there is none. */
const struct tn_board *tn_board_find(const char *name, size_t length);

/** The Jetson whose module name is in a device tree's model line ("NVIDIA Jetson AGX Orin Developer
 * Kit"), or NULL. */
const struct tn_board *tn_board_of_module(const char *model);

#endif
