/*
 * Build options and the ordered list of shapes: what a spec or a command line may ask of a builder.
 */
#ifndef TN_RECIPE_OPTIONS_H
#define TN_RECIPE_OPTIONS_H

#include "base/digest.h"
#include "plan/plan.h"

enum { TN_FLAGS_MAX = 24, TN_PLUGINS_MAX = 16 };

/** A plugin library that the engine needs. */
struct tn_plugin {
    char path[512];
    struct tn_digest digest; /* SHA-256 of the library file */
};

/** Initialise with tn_options_default(). */
struct tn_build_options {
    bool tf32;               /* allowed, as in TensorRT's default */
    int64_t workspace_bytes; /* 0 = the builder's default */
    enum tn_hw_compat hw_compat;
    char flag[TN_FLAGS_MAX]
             [48]; /* BuilderFlag names without k, upper case: "REFIT", "VERSION_COMPATIBLE" */
    int flag_count;
    int cc[TN_PLAN_CCS_MAX]; /* RTX: compute capabilities, 75, 86, …; ascending */
    int cc_count;            /* 0 = the toolchain's default list */
    int dla_core;            /* -1 = none */
    int optimization_level;  /* -1 = the builder's default */
    struct tn_plugin plugin[TN_PLUGINS_MAX];
    int plugin_count;
    char calibration[512]; /* path of a calibration cache; "" = none */
    struct tn_digest calibration_digest;
    char timing_cache[512]; /* pinned timing cache; "" = none */
    struct tn_digest timing_cache_digest;
};

struct tn_build_options tn_options_default(void);

/** Adds a flag by name ("REFIT", "kREFIT", "refit", "strip-plan"); sorted, no doubles. Precision
 * flags are refused: precision comes from the rung, TF32 from its own option. Whether a release
 * knows the flag is the toolchain's to say. @return 0, TN_E_INVALID, TN_E_TOOBIG */
int tn_options_add_flag(struct tn_build_options *options, const char *name, struct tn_error *err);

/** "75,86,8.9" -> sorted list without doubles, replacing the old one. @return 0, TN_E_INVALID,
 * TN_E_TOOBIG */
int tn_options_set_ccs(struct tn_build_options *options, const char *text, struct tn_error *err);

#endif
