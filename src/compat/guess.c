/*
 * Which bundled boards have the GPU facts of a plan. A plan names no GPU (only TensorRT 5 does), so
 * the board is inferred from what does not contradict it, and no name is better than a wrong one.
 */
#include "base/text.h"
#include "compat/compat.h"

enum {
    HITS_MAX = 32,
    EVIDENCE_MIN = 2, /* facts that must agree beside the compute capability */
};

struct hit {
    const char *name;
    int agree;      /* facts known on both sides and equal */
    bool confirmed; /* SMs and memory are among them */
    int64_t off_by; /* MiB of memory and MHz of the core */
};

/* Board partners choose the core clock of GeForce boards; the others run as NVIDIA built them. */
static int64_t core_permille(const struct tn_gpu *board)
{
    return tn_text_starts(board->product, "rtx") ? 100 : 5;
}

/* Compares one fact. A tolerance is needed where it moves: memory by some MiB with driver and ECC,
 * by more with the carve-outs of a Jetson; clocks with the board partner. */
static bool agrees(int64_t plan, int64_t board, int64_t permille, int *agree)
{
    int64_t difference = plan > board ? plan - board : board - plan;

    if (plan < 0 || board < 0)
        return true;
    if (difference > board / 1000 * permille)
        return false;
    (*agree)++;
    return true;
}

static bool compare(const struct tn_gpu *gpu, const struct tn_gpu *board, struct hit *ret_hit)
{
    struct hit hit = { .agree = 0 };
    int ignored = 0;

    if (gpu->cc_major < 0 || gpu->cc_major != board->cc_major || gpu->cc_minor != board->cc_minor)
        return false;
    if (!agrees(gpu->sm_count, board->sm_count, 0, &hit.agree) ||
        !agrees(gpu->bus_bits, board->bus_bits, 0, &hit.agree) ||
        !agrees(gpu->l2_bytes, board->l2_bytes, 0, &hit.agree) ||
        !agrees(gpu->memory_bytes, board->memory_bytes, 60, &hit.agree) ||
        !agrees(gpu->integrated, board->integrated, 0, &ignored))
        return false;
    /* the power mode decides about clocks on a Jetson */
    if (board->integrated == 0 &&
        (!agrees(gpu->memory_khz, board->memory_khz, 20, &ignored) ||
         !agrees(gpu->core_khz, board->core_khz, core_permille(board), &ignored)))
        return false;
    hit.confirmed = gpu->sm_count >= 0 && board->sm_count >= 0 && gpu->memory_bytes >= 0 &&
                    board->memory_bytes >= 0;
    *ret_hit = hit;
    return true;
}

static int64_t apart(int64_t a, int64_t b, int64_t unit)
{
    if (a < 0 || b < 0)
        return 0;
    return (a > b ? a - b : b - a) / unit;
}

static bool better(const struct hit *a, const struct hit *b)
{
    return a->agree != b->agree ? a->agree > b->agree : a->off_by < b->off_by;
}

static void insert(struct hit *hits, size_t count, struct hit hit)
{
    for (; count > 0 && better(&hit, &hits[count - 1]); count--)
        hits[count] = hits[count - 1];
    hits[count] = hit;
}

size_t tn_compat_guess_boards(const struct tn_gpu *gpu, const char *ret_names[], size_t max)
{
    const char *const *name = tn_device_board_names();
    struct hit hits[HITS_MAX];
    size_t count = 0;
    size_t told = 0;

    for (size_t i = 0; name[i] && count < HITS_MAX; i++) {
        const struct tn_gpu *board = tn_device_board_gpu(i);
        struct hit hit;

        if (!compare(gpu, board, &hit))
            continue;
        hit.name = name[i];
        hit.off_by = apart(gpu->memory_bytes, board->memory_bytes, 1024 * 1024) +
                     apart(gpu->core_khz, board->core_khz, 1000);
        insert(hits, count++, hit);
    }
    if (count == 0 || hits[0].agree < EVIDENCE_MIN)
        return 0;
    /* A board of which little is known (Orin Nano comes in two sizes) stays beside one that fits,
     * unless that one is sure. */
    for (size_t i = 0; i < count && told < max; i++)
        if (hits[i].confirmed || !hits[0].confirmed)
            ret_names[told++] = hits[i].name;
    return told;
}
