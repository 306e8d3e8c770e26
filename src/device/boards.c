/*
 * Bundled facts of common boards.
 *
 * Grounds, by column of a row:
 *   compute capability  documented (developer.nvidia.com/cuda-gpus)
 *   SMs, bus, L2        as the CUDA attributes say. `O`: decoded from real plans of that board;
 *                       `M`: measured on the board; `S`: public specification, same in every
 *                       variant of the name
 *   memory              only `M`: what CUDA reports differs from the size on the box, and with the
 *                       driver, so a guess would give a false device class
 *   clocks              only where fixed for the name; on a Jetson they follow the power mode
 * A field that differs between variants of one name (A100 40/80 GB have other memory clocks, H100
 * PCIe and SXM other SMs, Orin Nano 4/8 GB other SMs and bus, …) is `U`, unknown.
 */
#include "device/boards.h"

#include "base/text.h"
#include "device/device.h"

#include <string.h>
#include <strings.h>

#define U TN_UNKNOWN

static const char x86[] = "linux-x86_64";
static const char tegra[] = "linux-aarch64-tegra";

#define BOARD(product_, name_, platform_, major_, minor_, sms_, memory_, l2_, bus_, core_, mem_,   \
              integrated_, module_)                                                                \
    {                                                                                              \
        .gpu = { .index = 0,                                                                       \
                 .name = name_,                                                                    \
                 .product = product_,                                                              \
                 .cc_major = major_,                                                               \
                 .cc_minor = minor_,                                                               \
                 .sm_count = sms_,                                                                 \
                 .memory_bytes = memory_,                                                          \
                 .l2_bytes = l2_,                                                                  \
                 .bus_bits = bus_,                                                                 \
                 .core_khz = core_,                                                                \
                 .memory_khz = mem_,                                                               \
                 .integrated = integrated_,                                                        \
                 .ecc = U },                                                                       \
        .platform = platform_, .module = module_,                                                  \
    }

/* clang-format off */
static const struct tn_board boards[] = {
    /*    product        name                        platform cc      SMs   memory               L2          bus  core kHz mem kHz  int. module                       ground of SMs, bus, L2 */
    BOARD("t4",          "Tesla T4",                 x86,     7,  5,   40,  U,                   4194304,    256, 1590000, 5001000,  0, ""),                       /* S */
    BOARD("v100",        "Tesla V100",               x86,     7,  0,   80,  U,                   6291456,   4096, U,        877000,  0, ""),                       /* O, 16 GB */
    BOARD("a10",         "NVIDIA A10",               x86,     8,  6,   72,  U,                   6291456,    384, U,       U,        0, ""),                       /* S */
    BOARD("a100",        "NVIDIA A100",              x86,     8,  0,  108,  U,                   41943040,  5120, 1410000, U,        0, ""),                       /* S */
    BOARD("l4",          "NVIDIA L4",                x86,     8,  9,   58,  U,                   50331648,   192, U,       U,        0, ""),                       /* S */
    BOARD("l40s",        "NVIDIA L40S",              x86,     8,  9,  142,  U,                   U,          384, U,       U,        0, ""),                       /* S */
    BOARD("h100",        "NVIDIA H100",              x86,     9,  0,    U,  U,                   U,          U,   U,       U,        0, ""),                       /* PCIe, SXM, NVL differ */
    BOARD("h200",        "NVIDIA H200",              x86,     9,  0,  132,  INT64_C(150109880320), 62914560, 6016, 1980000, 3201000,  0, ""),                       /* M */
    BOARD("rtx3060",     "NVIDIA GeForce RTX 3060",  x86,     8,  6,   28,  U,                   2359296,    192, U,       7501000,  0, ""),                       /* O, 12 GB */
    BOARD("rtx3090",     "NVIDIA GeForce RTX 3090",  x86,     8,  6,   82,  U,                   6291456,    384, U,       9751000,  0, ""),                       /* O */
    BOARD("rtx4090",     "NVIDIA GeForce RTX 4090",  x86,     8,  9,  128,  U,                   75497472,   384, U,      10501000,  0, ""),                       /* O */
    BOARD("rtx5090",     "NVIDIA GeForce RTX 5090",  x86,    12,  0,  170,  U,                   100663296,  512, U,       U,        0, ""),                       /* S */
    BOARD("jetson-nano", "NVIDIA Tegra X1",          tegra,   5,  3,    1,  U,                   262144,      64, U,         12750,  1, "Jetson Nano"),            /* O */
    BOARD("xavier-nx",   "Xavier",                   tegra,   7,  2,    6,  U,                   524288,     256, U,       U,        1, "Jetson Xavier NX"),       /* O */
    BOARD("agx-xavier",  "Xavier",                   tegra,   7,  2,    8,  U,                   524288,     256, U,       U,        1, "Jetson AGX Xavier"),      /* O */
    BOARD("orin-nano",   "Orin",                     tegra,   8,  7,    U,  U,                   U,          U,   U,       U,        1, "Jetson Orin Nano"),       /* 4 and 8 GB differ */
    BOARD("orin-nx",     "Orin",                     tegra,   8,  7,    8,  U,                   U,          128, U,       U,        1, "Jetson Orin NX"),         /* S; L2 not seen of a 16 GB one */
    BOARD("agx-orin",    "Orin",                     tegra,   8,  7,    U,  U,                   4194304,    256, U,       U,        1, "Jetson AGX Orin"),        /* S; 32 and 64 GB differ in SMs */
    BOARD("thor",        "Thor",                     tegra,  11,  0,    U,  U,                   U,          256, U,       U,        1, "Jetson AGX Thor"),        /* S; CC 10.1 before CUDA 13 */
};
/* clang-format on */

static const char *const names[] = {
    "t4",         "v100",      "a10",     "a100",     "l4",      "l40s",        "h100",
    "h200",       "rtx3060",   "rtx3090", "rtx4090",  "rtx5090", "jetson-nano", "xavier-nx",
    "agx-xavier", "orin-nano", "orin-nx", "agx-orin", "thor",    NULL,
};

_Static_assert(TN_COUNT(names) == TN_COUNT(boards) + 1, "one name per board, and NULL");

/* What people also write. */
static const struct {
    const char *alias, *name;
} aliases[] = {
    { "nano", "jetson-nano" },
    { "jetson-xavier-nx", "xavier-nx" },
    { "xavier-agx", "agx-xavier" },
    { "xavier", "agx-xavier" },
    { "jetson-agx-xavier", "agx-xavier" },
    { "jetson-orin-nano", "orin-nano" },
    { "jetson-orin-nx", "orin-nx" },
    { "orin-agx", "agx-orin" },
    { "jetson-agx-orin", "agx-orin" },
    { "agx-thor", "thor" },
    { "jetson-thor", "thor" },
    { "jetson-agx-thor", "thor" },
    { "tesla-t4", "t4" },
    { "tesla-v100", "v100" },
    { "rtx-3060", "rtx3060" },
    { "rtx-3090", "rtx3090" },
    { "rtx-4090", "rtx4090" },
    { "rtx-5090", "rtx5090" },
};

const struct tn_board *tn_board_find(const char *name, size_t length)
{
    for (size_t i = 0; i < TN_COUNT(aliases); i++)
        if (strlen(aliases[i].alias) == length && strncasecmp(aliases[i].alias, name, length) == 0)
            return tn_board_find(aliases[i].name, strlen(aliases[i].name));
    for (size_t i = 0; i < TN_COUNT(boards); i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
            return &boards[i];
    return NULL;
}

/* Some device trees say "NVIDIA Orin NX Developer Kit", without "Jetson"; the longest name wins, so
 * that an Orin Nano is no Nano. */
const struct tn_board *tn_board_of_module(const char *model)
{
    static const size_t jetson = sizeof("Jetson ") - 1;
    const struct tn_board *best = NULL;

    for (size_t i = 0; i < TN_COUNT(boards); i++)
        if (boards[i].module[0] && strcasestr(model, boards[i].module + jetson) &&
            (!best || strlen(best->module) < strlen(boards[i].module)))
            best = &boards[i];
    return best;
}

const char *const *tn_device_board_names(void)
{
    return names;
}

const struct tn_gpu *tn_device_board_gpu(size_t at)
{
    return at < TN_COUNT(boards) ? &boards[at].gpu : NULL;
}
