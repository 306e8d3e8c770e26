/*
 * What `tenon inspect` knows of one file, and its three forms: JSON, a block, a line.
 */
#ifndef TN_CLI_INSPECT_H
#define TN_CLI_INSPECT_H

#include "cli/command.h"
#include "onnx/onnx.h"
#include "plan/plan.h"

enum { TN_INSPECT_GUESSES = 8 };

/** How far to look. */
struct tn_inspect_options {
    bool verify;  /* read whole files */
    bool details; /* tensors and weight types as well; costs a read of them */
};

/** Facts of one file. Zeroed = nothing; tn_inspected_done() ends it. */
struct tn_inspected {
    const char *path; /* as given; borrowed */
    struct tn_plan plan;
    struct tn_plan_io io;
    char weight_precision[64]; /* "" not established */
    struct tn_digest digest;
    bool has_digest;
    struct tn_model model; /* kind onnx */
    bool has_model;
    const char *guess[TN_INSPECT_GUESSES]; /* bundled boards that fit; static storage */
    size_t guess_count;
};

/**
 * Looks at an open file.
 * @param path     its name in answers
 * @param readable a path under which the file can be opened again (models are read by path)
 */
int tn_inspect_file(int fd, int64_t size, const char *path, const char *readable,
                    const struct tn_inspect_options *options, struct tn_inspected *ret_found,
                    struct tn_error *err);
void tn_inspected_done(struct tn_inspected *found);

/** A whole engine with nothing known against its bytes, or a model without stoppers. */
bool tn_inspected_good(const struct tn_inspected *found);

/** The object of the contract. New reference. */
json_t *tn_inspected_json(const struct tn_inspected *found);

void tn_inspected_block(FILE *out, const struct tn_inspected *found);

/** One aligned line; tn_inspected_heading() names its columns. */
void tn_inspected_line(FILE *out, const struct tn_inspected *found);
void tn_inspected_heading(FILE *out);

/** Told of each file of a walk, or (with `err`) of a folder that could not be listed. */
typedef void tn_inspect_visit(const char *path, const struct tn_error *err, void *user);

/** Visits every regular file below a folder, sorted. Links are not followed.
 * @return how many symbolic links were passed over */
size_t tn_inspect_walk(const char *folder, tn_inspect_visit *visit, void *user);

#endif
