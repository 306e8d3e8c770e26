/*
 * A plan's facts as JSON: the fields of `tenon inspect` that the bytes alone decide.
 */
#ifndef TN_PLAN_PLAN_JSON_H
#define TN_PLAN_PLAN_JSON_H

#include "plan/plan.h"

#include <jansson.h>

/**
 * The object of design.md §6 without `path` and without the guess of a board.
 * @param io tensors of an RTX plan, or NULL
 * @return new reference
 */
json_t *tn_plan_to_json(const struct tn_plan *plan, const struct tn_plan_io *io);

#endif
