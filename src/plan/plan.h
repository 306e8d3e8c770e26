/*
 * The facts that the bytes of a serialized TensorRT engine state about it.
 *
 * Reads at most the head and the tail of a file, needs neither TensorRT nor a GPU, trusts no
 * length, allocates nothing, and never calls a layout that it does not know corrupt. What is not
 * established is unknown (negative, "" or 0 parts). Any thread.
 */
#ifndef TN_PLAN_PLAN_H
#define TN_PLAN_PLAN_H

#include "base/digest.h"
#include "types/flavor.h"
#include "types/gpu.h"
#include "types/shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TN_PLAN_HEAD_BYTES = 4096,     /* enough for every header field and, as a rule, the flags */
    TN_PLAN_IO_HEAD_BYTES = 65536, /* enough for the tensors of an RTX plan */
    TN_PLAN_TAIL_BYTES = 64,
    TN_PLAN_SECTIONS_MAX = 8,
    TN_PLAN_CCS_MAX = 8,
};

enum tn_file_kind {
    TN_FILE_UNKNOWN = 0,
    TN_FILE_ENGINE,
    TN_FILE_TIMING_CACHE,
    TN_FILE_GIT_LFS_POINTER,
    TN_FILE_ONNX,
    TN_FILE_EMPTY,
};

/** "engine", "timing-cache", "git-lfs-pointer", "onnx", "empty", "unknown". */
const char *tn_file_kind_name(enum tn_file_kind kind);

/** What is known of the bytes' wholeness beyond `complete`. */
enum tn_integrity {
    TN_INTEGRITY_UNKNOWN = 0, /* not looked at, or nothing in this generation can tell */
    TN_INTEGRITY_CRC_OK, /* the CRC-32 of TensorRT 6.0 to 8.0 matches; the whole file was read */
    TN_INTEGRITY_CRC_BAD,
};

enum tn_hw_compat {
    TN_HW_COMPAT_UNKNOWN = -1,
    TN_HW_COMPAT_NONE = 0,
    TN_HW_COMPAT_AMPERE_PLUS = 1,
    TN_HW_COMPAT_SAME_CC = 2,
};
/** "none", "ampere+", "same-compute-capability"; NULL for unknown. */
const char *tn_hw_compat_name(enum tn_hw_compat level);

enum tn_refit {
    TN_REFIT_UNKNOWN = -1,
    TN_REFIT_NONE = 0,
    TN_REFIT_ANY = 1,
    TN_REFIT_IDENTICAL = 2,
    TN_REFIT_INDIVIDUAL = 4
};
/** "none", "refit", "refit-identical", "refit-individual"; NULL for unknown. */
const char *tn_refit_name(enum tn_refit refit);

struct tn_plan_section {
    char tag[5]; /* as the documents spell it: "ENGN", "WGHT", "LEAN", else the text in the file */
    int64_t offset, length; /* offset from the start of the file, a wrapper included */
};

/** Compute capabilities that an RTX plan names in its mask. */
struct tn_cc_set {
    uint64_t mask;           /* as in the file */
    int cc[TN_PLAN_CCS_MAX]; /* 75, 80, 86, 89, 120, 121, ascending */
    int count;
    bool later; /* the bit above the last nameable one: newer GPUs too */
};

struct tn_plan {
    enum tn_file_kind kind;
    enum tn_flavor flavor;
    int64_t size;          /* bytes of the file */
    int64_t expected_size; /* bytes that the header promises, wrapper included; TN_UNKNOWN */
    int complete;          /* 1 whole, 0 truncated or with bytes appended, -1 not known */
    enum tn_integrity integrity;
    struct tn_version version;       /* from the payload; 0 parts where that is out of reach */
    struct tn_version version_outer; /* from bytes 18..1b; parts 0 when absent */
    char platform[32]; /* "linux-x86_64", "linux-aarch64-tegra", else the tag's text; "" unknown */
    char wrapper[16];  /* "ultralytics" or "" */
    int64_t wrapper_bytes;        /* bytes before the plan itself */
    int64_t serialization_number; /* TN_UNKNOWN */
    int64_t max_batch;            /* implicit-batch generations; TN_UNKNOWN */
    struct tn_gpu gpu;            /* as the builder saw it; all unknown for RTX */
    bool has_gpu;
    struct tn_cc_set ccs; /* RTX only; count 0 otherwise */
    int64_t cuda_runtime; /* RTX: e.g. 13020, what the builder wants; TN_UNKNOWN */
    int64_t cuda_driver;  /* RTX: e.g. 13000; TN_UNKNOWN */
    int64_t weight_bytes; /* bytes of weights in the plan; TN_UNKNOWN */
    struct tn_plan_section section[TN_PLAN_SECTIONS_MAX];
    int section_count;
    enum tn_hw_compat hw_compat;
    enum tn_refit refit;
    int lean_runtime_inside, stripped, weight_streaming, version_compatible; /* 1, 0, -1 unknown */
    int64_t payload_offset; /* where the tagged stream begins in the file; TN_UNKNOWN */
    char layout[8];         /* "E5", "P-old", "P-80", "P-82", "F1", "F2", "RTX"; "" unknown */
    char device_block[8];   /* "D60" … "D109"; "" unknown */
};

/**
 * Reads facts from the first and last bytes of a file. Never fails: what cannot be understood is
 * kind unknown. `head` should hold min(file_size, TN_PLAN_HEAD_BYTES) bytes; fewer give fewer
 * facts. A plan with a lean runtime inside, or behind a long wrapper, keeps its version and GPU
 * beyond the head: tn_plan_read() fetches them.
 * @param tail the last bytes of the file, may overlap `head`; NULL if not at hand
 */
void tn_plan_parse(const void *head, size_t head_bytes, const void *tail, size_t tail_bytes,
                   int64_t file_size, struct tn_plan *ret_plan);

/**
 * Reads the facts of an open file: one or two reads, one more where the archive lies far behind.
 * @return 0 or TN_E_IO
 */
int tn_plan_read(int fd, int64_t file_size, struct tn_plan *ret_plan, struct tn_error *err);

/**
 * Reads the whole file once: the digest, and the CRC where the generation has one (fills
 * `plan->integrity`).
 * @return 0, TN_E_IO, TN_E_NOMEM
 */
int tn_plan_verify(int fd, struct tn_plan *plan, struct tn_digest *ret_digest,
                   struct tn_error *err);

/** Tensors of an RTX plan, read from up to TN_PLAN_IO_HEAD_BYTES. */
struct tn_plan_io {
    struct tn_io *io;
    size_t count;
    bool found; /* false: the generation does not tell, or the records lie beyond the bytes given */
};
int tn_plan_read_io(int fd, const struct tn_plan *plan, struct tn_plan_io *ret_io,
                    struct tn_error *err);
void tn_plan_io_done(struct tn_plan_io *io);

/**
 * Real weight precision of an RTX plan, counted in the Myelin text of ENGN (reads the whole
 * section): e.g. "half", "int8,float", the narrowest first, scalar factors left out. "" when not
 * established.
 */
int tn_plan_weight_precision(int fd, const struct tn_plan *plan, char ret_text[64],
                             struct tn_error *err);

#endif
