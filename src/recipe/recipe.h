/*
 * A recipe: the ordered fields that decide what an engine is, and its key, their SHA-256.
 *
 * `tenon-recipe/1`: the bytes "tenon-recipe/1\n", then one line `name=value\n` per field in the
 * order of TN_RECIPE_FIELDS. A value is never empty and holds no newline, no control byte and only
 * whole UTF-8; '=' needs no escape at that level because the name ends at the first '='. A field
 * that does not apply is "-". Adding or changing a field, or how a value is written, means
 * tenon-recipe/2. The values:
 *
 *   model.digest model.precision derived.by
 *                       64 hex characters; of the source variant; text
 *   flavor trt.version  "tensorrt" | "tensorrt-rtx"; "10.6.0.26"
 *   platform class      "linux-x86_64"; tn_gpu_class_add() for classic, "-" for RTX
 *   precision           of the rung
 *   shapes              every real input in ONNX order, NAME=MIN:OPT:MAX (always all three,
 *                       "1x3x640x640", scalar "s"), joined by ';'; "-" without inputs
 *   tf32 flags          "on" | "off"; names, sorted, joined by ','
 *   hw-compat           "none" | "ampere+" | "same-compute-capability"
 *   ccs                 RTX: ascending numbers joined by ',', or "default"; "-" for classic
 *   dla workspace opt-level
 *                       core number or "-"; bytes or "default"; number or "default"
 *   plugins             NAME:64 HEX by base name, sorted, joined by ','
 *   calibration.digest timing-cache.digest
 *                       64 hex characters or "-"
 *
 * Foreign text (tensor and plugin names, derived.by, platform, MIG profile) is escaped so that
 * different texts never give the same bytes: backslash as "\\\\", newline as "\\n", other control
 * bytes and broken UTF-8 as "\\xNN", the separators of its list ('=' and ';' in shapes, ':' and ','
 * in plugins) with a backslash before them, and a text that is just "-" as "\\-".
 */
#ifndef TN_RECIPE_RECIPE_H
#define TN_RECIPE_RECIPE_H

#include "onnx/onnx.h"
#include "recipe/options.h"
#include "types/flavor.h"

/* Rows: identifier, name in the key. Order is part of the format. */
#define TN_RECIPE_FIELDS(X)                                                                        \
    X(MODEL_DIGEST, "model.digest")                                                                \
    X(MODEL_PRECISION, "model.precision")                                                          \
    X(DERIVED_BY, "derived.by")                                                                    \
    X(FLAVOR, "flavor")                                                                            \
    X(TRT_VERSION, "trt.version")                                                                  \
    X(PLATFORM, "platform")                                                                        \
    X(CLASS, "class")                                                                              \
    X(PRECISION, "precision")                                                                      \
    X(SHAPES, "shapes")                                                                            \
    X(TF32, "tf32")                                                                                \
    X(FLAGS, "flags")                                                                              \
    X(HW_COMPAT, "hw-compat")                                                                      \
    X(CCS, "ccs")                                                                                  \
    X(DLA, "dla")                                                                                  \
    X(WORKSPACE, "workspace")                                                                      \
    X(OPT_LEVEL, "opt-level")                                                                      \
    X(PLUGINS, "plugins")                                                                          \
    X(CALIBRATION, "calibration.digest")                                                           \
    X(TIMING_CACHE, "timing-cache.digest")

enum tn_recipe_field {
#define X(id, name) TN_RECIPE_##id,
    TN_RECIPE_FIELDS(X)
#undef X
        TN_RECIPE_FIELD_COUNT
};

const char *tn_recipe_field_name(enum tn_recipe_field field);

/** Values by field, owned. Zeroed = empty. */
struct tn_recipe {
    char *value[TN_RECIPE_FIELD_COUNT];
};

/** What one rung asks for. All borrowed. */
struct tn_want {
    const struct tn_model *model; /* the source variant */
    const char *derived_by; /* "onnxconverter-common 1.16.0 float16 keep_io_types"; NULL = the file
                               itself */
    enum tn_precision model_precision; /* of the source variant */
    enum tn_precision precision;       /* the rung */
    enum tn_flavor flavor;
    struct tn_version version; /* four parts */
    const char *platform;
    const struct tn_gpu *gpu;       /* classic: gives the class; NULL for RTX */
    const struct tn_shapes *shapes; /* complete: every dynamic input has a range */
    const struct tn_build_options *options;
};

/** @return 0, TN_E_INVALID (version of fewer than four parts, class not known in every part, an
 * input without a range, a range of no input), TN_E_TOOBIG, TN_E_NOMEM */
int tn_recipe_make(const struct tn_want *want, struct tn_recipe *ret_recipe, struct tn_error *err);

int tn_recipe_key(const struct tn_recipe *recipe, struct tn_digest *ret_key, struct tn_error *err);

/** Appends the bytes that are hashed, for people and for explain. @return 0, TN_E_INVALID (a field
 * is empty or breaks the rules above), TN_E_NOMEM, TN_E_TOOBIG */
int tn_recipe_text(const struct tn_recipe *recipe, struct tn_buf *text, struct tn_error *err);

/** First field that differs, in key order; TN_RECIPE_FIELD_COUNT when equal. */
enum tn_recipe_field tn_recipe_differs(const struct tn_recipe *a, const struct tn_recipe *b);

/** Equal in every field but those named (a NULL-less list ended by TN_RECIPE_FIELD_COUNT). */
bool tn_recipe_equal_but(const struct tn_recipe *a, const struct tn_recipe *b,
                         const enum tn_recipe_field *but);

json_t *tn_recipe_to_json(const struct tn_recipe *recipe); /* object of field name -> value */
/** Foreign JSON: every field must be there, and no other. @return 0, TN_E_INVALID, TN_E_NOMEM */
int tn_recipe_from_json(const json_t *json, struct tn_recipe *ret_recipe, struct tn_error *err);
void tn_recipe_done(struct tn_recipe *recipe);

/**
 * Completes ranges for a model: a fixed input needs none (one that is given must be equal and is
 * left out of the result, so that equal keys are equal builds); a given range must fit the input
 * (rank, fixed axes, known name — a misspelt name is refused with the nearest); the leading axis of
 * an input that is dynamic only there becomes 1 (reported in `note`); anything else is TN_E_USAGE
 * whose text lists the inputs and ends with a ready `--shapes …` line. Where that line is too long
 * for the error's text, it ends with "see the note", and `note` has it.
 *
 * @param given may be NULL; `note` may be NULL; its texts are lines without a final newline
 */
int tn_recipe_complete_shapes(const struct tn_model *model, const struct tn_shapes *given,
                              struct tn_shapes *ret_shapes, struct tn_buf *note,
                              struct tn_error *err);

#endif
