/*
 * Builds with trtexec, 8.2 to 11: a command line by release, its output read, its file verified.
 * Entered through tn_toolchain_build().
 */
#ifndef TN_TOOLCHAIN_TRTEXEC_H
#define TN_TOOLCHAIN_TRTEXEC_H

#include "toolchain/toolchain.h"

/**
 * As tn_toolchain_build() for a toolchain of kind "trtexec". The plan's own header is read: a plan
 * of another release than the toolchain promises is trouble "toolchain-changed".
 * @return also TN_E_UNSUPPORTED: its release is not known or not one of those driven here
 */
int tn_trtexec_build(const struct tn_build_request *request, struct tn_build_result *ret_result,
                     struct tn_error *err);

#endif
