/*
 * What trtexec prints while it builds, line by line: where it is, its release, warnings, errors
 * with the lines that belong to them, and its own word at the end. Fills a tn_hearing, which
 * judges. Every byte is untrusted.
 *
 * Its end, as real runs show it (docs/ARCHITECTURE.md, "trtexec"): the exit status counts, the
 * result line `&&&& PASSED` or `&&&& FAILED` must agree, many failures print none, and PASSED does
 * not mean that the file is good. Silence of minutes is normal.
 *
 * An object belongs to one thread; zeroed and given a hearing it is ready.
 */
#ifndef TN_TOOLCHAIN_TRTEXEC_OUTPUT_H
#define TN_TOOLCHAIN_TRTEXEC_OUTPUT_H

#include "toolchain/hearing.h"

enum tn_trtexec_word {
    TN_TRTEXEC_SILENT, /* no result line */
    TN_TRTEXEC_PASSED,
    TN_TRTEXEC_FAILED,
};

struct tn_trtexec_output {
    struct tn_hearing *hearing; /* borrowed; has begun */
    /* What would make an engine that was not asked for, although trtexec takes it: */
    bool needs_calibration; /* int8 without a calibration cache: the model must be quantized */
    bool needs_cache;       /* a timing cache was given: it must be used */

    struct tn_version version; /* as compiled into trtexec: three parts up to 9, then four */
    enum tn_trtexec_word word;
    /* Class of what it took that must not be, NULL = nothing; its stage and line. */
    const char *spoilt, *spoilt_stage;
    char spoilt_text[480];
    tn_nsec reached[4];    /* when import, parse, profile, write began; 0 = not */
    int phase;             /* row of the table of phases; how far it got */
    bool in_node;          /* inside a dump of a node */
    char message[4 << 10]; /* lines of one error, put together */
    size_t message_bytes;
    char node[256]; /* that is being parsed: "node 0 [Det -> \"y\"]" */
};

/** A tn_line_fn; `user` is the output. @return false to stop: the caller's progress function said
 * so, or `spoilt` is set */
bool tn_trtexec_output_line(enum tn_stream stream, const char *line, size_t length, void *user);

/**
 * Takes the last lines in, and where trtexec said itself that it failed, makes that the hearing's
 * answer.
 * @return whether it passed: then the answer is the caller's to make from the file
 */
bool tn_trtexec_output_end(struct tn_trtexec_output *output, const struct tn_proc_result *end);

/** Seconds of its steps as the worker tells them, {import, parse, build}; new. */
json_t *tn_trtexec_output_seconds(const struct tn_trtexec_output *output);

#endif
