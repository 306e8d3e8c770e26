/*
 * What trtexec prints while it builds or loads, line by line: where it is, its release, warnings,
 * errors with the lines that belong to them, and its own word at the end. Fills a tn_hearing, which
 * judges. Every byte is untrusted.
 *
 * Its end, as real runs show it: the exit status counts, the result line
 * `&&&& PASSED` or `&&&& FAILED` must agree, many failures print none, and PASSED does
 * not mean that the file is good. Silence of minutes is normal.
 *
 * An object belongs to one thread. Begin with tn_trtexec_output_begin(); there is no end to call.
 */
#ifndef TN_TOOLCHAIN_TRTEXEC_OUTPUT_H
#define TN_TOOLCHAIN_TRTEXEC_OUTPUT_H

#include "toolchain/hearing.h"

enum tn_trtexec_work { TN_TRTEXEC_BUILDS, TN_TRTEXEC_LOADS };

enum { TN_TRTEXEC_PHASES_MAX = 8 };

enum tn_trtexec_word {
    TN_TRTEXEC_SILENT, /* no result line */
    TN_TRTEXEC_PASSED,
    TN_TRTEXEC_FAILED,
};

struct tn_trtexec_output {
    struct tn_hearing *hearing; /* borrowed; has begun */
    enum tn_trtexec_work work;
    /* What would make an engine that was not asked for, although trtexec takes it: */
    bool needs_calibration; /* int8 without a calibration cache: the model must be quantized */
    bool needs_cache;       /* a timing cache was given: it must be used */

    struct tn_version version; /* as compiled into trtexec: three parts up to 9, then four */
    enum tn_trtexec_word word;
    /* Class of what it took that must not be, NULL = nothing; its stage and line. */
    const char *spoilt, *spoilt_stage;
    char spoilt_text[480];
    bool made_up_shapes; /* loading: trtexec chose sizes of dynamic inputs itself */
    tn_nsec reached[TN_TRTEXEC_PHASES_MAX]; /* when rows of the table of phases began; 0 = not */
    tn_nsec ended;                          /* 0 = not yet */
    int phase;                              /* row of that table; how far it got */
    bool in_node;                           /* inside a dump of a node */
    char message[4 << 10];                  /* lines of one error, put together */
    size_t message_bytes;
    char node[256]; /* that is being parsed: "node 0 [Det -> \"y\"]" */
};

/** Gets ready for one run of trtexec that starts now. */
void tn_trtexec_output_begin(struct tn_trtexec_output *output, struct tn_hearing *hearing,
                             enum tn_trtexec_work work);

/** A tn_line_fn; `user` is the output. @return false to stop: the caller's progress function said
 * so, or `spoilt` is set */
bool tn_trtexec_output_line(enum tn_stream stream, const char *line, size_t length, void *user);

/**
 * Takes the last lines in, and where trtexec said itself that it failed, makes that the hearing's
 * answer. An engine that was loaded and then not run, since trtexec made up sizes that it does not
 * take, has passed.
 * @return whether it passed: then the answer is the caller's to make
 */
bool tn_trtexec_output_end(struct tn_trtexec_output *output, const struct tn_proc_result *end);

/** Seconds of its steps as the worker tells them: {import, parse, build} of a build, {library,
 * runtime, deserialize, exec-context, run} of a load as far as it got; new. */
json_t *tn_trtexec_output_seconds(const struct tn_trtexec_output *output);

/** Whether an inference was made. */
bool tn_trtexec_output_ran(const struct tn_trtexec_output *output);

#endif
