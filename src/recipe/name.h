/*
 * Engine file names, both ways: {model}_{shapes}_{trt_ver}_{arch}_{precision}.engine
 * (design.md §5, "Names"). Read from the right, since a model's name may hold '_'.
 */
#ifndef TN_RECIPE_NAME_H
#define TN_RECIPE_NAME_H

#include "onnx/onnx.h"
#include "plan/plan.h"
#include "types/flavor.h"

#define TN_ENGINE_NAME_MAX 256

struct tn_engine_name {
    char model[128];
    char shapes[64]; /* "1x3x640x640", "1-4-8x3x640x640+s", or "s1a2b3c4d" when it would be long */
    struct tn_runtime_id runtime; /* kind trt or rtx; version may be short when read */
    char arch[48];                /* "t4", "sm89", "sm80-121" */
    enum tn_precision precision;
    char key8[9]; /* ".1a2b3c4d" before .engine; "" = none */
};

/** Composes; characters of the model outside [A-Za-z0-9.-] become '-', and so does a leading '.'.
 * The other parts must be as tn_engine_name_parse() reads them. @return 0 or TN_E_INVALID,
 * TN_E_TOOBIG */
int tn_engine_name_make(const struct tn_engine_name *parts, char ret_name[TN_ENGINE_NAME_MAX],
                        struct tn_error *err);

/** Reads a file name (a path's last part). @return 0 or TN_E_INVALID that says which part is wrong
 */
int tn_engine_name_parse(const char *name, struct tn_engine_name *ret_parts, struct tn_error *err);

/** The shapes part for a model's real inputs in ONNX order with completed ranges; "0" for a model
 * without inputs. @return 0, TN_E_INVALID (an open axis), TN_E_TOOBIG, TN_E_NOMEM */
int tn_engine_name_shapes(const struct tn_model *model, const struct tn_shapes *shapes,
                          char ret_text[64], struct tn_error *err);

/** The same for ranges alone, in their order. */
int tn_engine_name_ranges(const struct tn_shapes *shapes, char ret_text[64], struct tn_error *err);

/** The arch part: a GPU's product, else "sm89"; for RTX from the plan's mask "sm80-121" or "sm89".
 * The mask counts where it names something; both may be NULL. "" when nothing is known. */
void tn_engine_name_arch(const struct tn_gpu *gpu, const struct tn_cc_set *ccs, char ret_text[48]);

#endif
