/*
 * Installations that can build plans. Inside src/device, and the documentation of toolchains.yaml.
 */
#ifndef TN_DEVICE_TOOLCHAINS_H
#define TN_DEVICE_TOOLCHAINS_H

#include "base/yaml.h"
#include "device/scan.h"

/** The keys of toolchains.yaml; tn_yaml_document() prints them. */
extern const struct tn_yaml_row tn_toolchain_rows[];

/**
 * Adds an installation unless it is listed. One that other users could change is noted and left
 * out, since using it would run their code.
 * @param id   name in toolchains.yaml; NULL = made from what it builds
 * @param site a further folder that it takes code from; NULL = none
 */
void tn_toolchain_add(struct tn_scan *scan, const struct tn_toolchain *toolchain, const char *id,
                      const char *site);

#endif
