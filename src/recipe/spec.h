/*
 * model.yaml: a model's variants, shapes, build options, plugins, policy and accuracy gate; or a
 * plain ONNX file, which is a spec of one variant.
 */
#ifndef TN_RECIPE_SPEC_H
#define TN_RECIPE_SPEC_H

#include "base/yaml.h"
#include "recipe/options.h"
#include "types/precision.h"

enum tn_level { TN_LEVEL_NONE, TN_LEVEL_HEADER, TN_LEVEL_LOADED, TN_LEVEL_ACCURATE };
const char *tn_level_name(enum tn_level level); /* "header", "loaded", "accurate"; NULL for none */

struct tn_variant {
    enum tn_precision
        precision;   /* as the spec says; unknown for a plain file: read from the ONNX */
    char path[1024]; /* resolved against the spec's folder */
};

struct tn_policy {
    struct tn_ladder ladder; /* count 0 = the model's own precision alone */
    bool build_forbidden;    /* build: forbidden */
    bool accept_may_load;    /* accept: may-load */
    enum tn_level level;     /* TN_LEVEL_NONE = decide by the machine */
    bool allow_host_code;
    bool signature_required; /* signature: required */
    char evidence[64];       /* "none", … ; kept as text until its issue */
    bool fill_holes;
};

struct tn_spec {
    char name[128];  /* the model's name; a plain file: its stem */
    char path[1024]; /* of the spec or the ONNX file */
    bool plain;      /* a plain ONNX file */
    struct tn_variant variant[TN_LADDER_MAX];
    int variant_count;
    struct tn_shapes shapes;
    struct tn_build_options options;
    struct tn_policy policy;
    char accuracy_inputs[1024];
};

/** Every key of model.yaml, for parser and docs. */
extern const struct tn_yaml_row tn_spec_rows[];

/** Reads model.yaml (.yaml, .yml) or takes a plain .onnx file. Plugin libraries, calibration and
 * timing cache files are hashed here. @return 0, TN_E_NOTFOUND, TN_E_INVALID, … */
int tn_spec_read(const char *path, struct tn_spec *ret_spec, struct tn_error *err);
/** Digest of a file's content, from a cache or by reading it. */
typedef int (*tn_file_digest_fn)(const char *path, void *user, struct tn_digest *ret_digest,
                                 struct tn_error *err);

/** Like tn_spec_read(), with the digests of plugins, calibration and timing cache from
 * `digest_file`. */
int tn_spec_read_with(const char *path, tn_file_digest_fn digest_file, void *user,
                      struct tn_spec *ret_spec, struct tn_error *err);
void tn_spec_done(struct tn_spec *spec);

/** The variant of a precision, or NULL. */
const struct tn_variant *tn_spec_variant(const struct tn_spec *spec, enum tn_precision precision);

#endif
