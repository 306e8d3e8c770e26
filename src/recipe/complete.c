/* Completing the ranges of a model's inputs, and proposing them where they cannot be guessed. */
#include "base/file.h"
#include "base/text.h"
#include "recipe/recipe.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- proposals ---- */

struct extent {
    int64_t min, opt, max;
};

static const struct extent batch_extent = { 1, 1, 2 };
static const struct extent image_extent = { 320, 640, 960 };
static const struct extent sequence_extent = { 1, 128, 512 };

/* Words that people put into the names of axes. First match counts. */
static const struct {
    const char *word;
    struct extent extent;
} axis_words[] = {
    { "batch", { 1, 1, 2 } },         { "height", { 320, 640, 960 } },
    { "width", { 320, 640, 960 } },   { "frame", { 1, 8, 16 } },
    { "chan", { 3, 3, 3 } },          { "past", { 1, 128, 512 } },
    { "seq", { 1, 128, 512 } },       { "token", { 1, 128, 512 } },
    { "sample", { 256, 512, 1536 } }, { "audio", { 256, 512, 1536 } },
    { "time", { 1, 128, 512 } },      { "len", { 1, 128, 512 } },
};

static bool contains_word(const char *name, const char *word)
{
    size_t length = strlen(word);

    for (; *name; name++)
        if (strncasecmp(name, word, length) == 0)
            return true;
    return false;
}

/* N×C×H×W or N×H×W×C, a video with one axis more: the two axes that hold the picture. */
static bool is_image_axis(const struct tn_dims *dims, int axis)
{
    int64_t last = dims->count > 0 ? dims->dim[dims->count - 1] : 0;
    bool channels_last = last == 1 || last == 3 || last == 4;
    int first = dims->count - 2 - channels_last;

    return dims->count >= 4 && (axis == first || axis == first + 1);
}

static struct extent propose_axis(const struct tn_model_io *input, int axis)
{
    const char *name = input->axis[axis];

    for (size_t i = 0; i < TN_COUNT(axis_words); i++)
        if (contains_word(name, axis_words[i].word))
            return axis_words[i].extent;
    /* the state of a recurrent network is LAYERSxBATCHxWIDTH */
    if (axis == 0 || (axis == 1 && input->io.dims.count == 3 && input->io.dims.dim[0] > 1))
        return batch_extent;
    if (strcasecmp(name, "h") == 0 || strcasecmp(name, "w") == 0 ||
        is_image_axis(&input->io.dims, axis))
        return image_extent;
    return sequence_extent;
}

static void propose_range(const struct tn_model_io *input, struct tn_shape_range *range)
{
    *range = (struct tn_shape_range) { .min = input->io.dims,
                                       .opt = input->io.dims,
                                       .max = input->io.dims };
    (void)tn_text_copy(range->input, sizeof(range->input), input->io.name);
    for (int i = 0; i < input->io.dims.count; i++) {
        struct extent extent;

        if (input->io.dims.dim[i] >= 0)
            continue;
        extent = propose_axis(input, i);
        range->min.dim[i] = extent.min;
        range->opt.dim[i] = extent.opt;
        range->max.dim[i] = extent.max;
    }
}

/* ---- the answer where ranges are missing ---- */

/* "x Nx3xHxW" with the names of open axes where they have one. */
static void add_input(struct tn_buf *text, const struct tn_model_io *input)
{
    tn_text_add_safe(text, input->io.name, strlen(input->io.name));
    tn_buf_adds(text, " ");
    if (input->io.dims.count <= 0)
        tn_dims_add(text, &input->io.dims);
    for (int i = 0; i < input->io.dims.count; i++) {
        tn_buf_adds(text, i ? "x" : "");
        if (input->io.dims.dim[i] >= 0)
            tn_buf_addf(text, "%lld", (long long)input->io.dims.dim[i]);
        else if (input->axis[i][0])
            tn_text_add_safe(text, input->axis[i], strlen(input->axis[i]));
        else
            tn_buf_adds(text, "?");
    }
}

/* `--shapes …` for every input that is open in the model: as given, or as proposed. */
static void add_ready_line(struct tn_buf *text, const struct tn_model *model,
                           const struct tn_shapes *given)
{
    const char *before = "--shapes ";

    for (size_t i = 0; i < model->input_count; i++) {
        const struct tn_model_io *input = &model->io[i];
        const struct tn_shape_range *range = tn_shapes_find(given, input->io.name);
        struct tn_shape_range proposed;

        if (!tn_dims_dynamic(&input->io.dims))
            continue;
        tn_buf_adds(text, before);
        before = ",";
        if (!range)
            propose_range(input, &proposed);
        if (!range && input->io.dims.count < 0)
            tn_buf_addf(text, "%s=SHAPE", input->io.name);
        else
            tn_shape_range_add(text, range ? range : &proposed);
    }
}

/* Lists the open inputs in at most `room` bytes. */
static void add_open_inputs(struct tn_buf *text, const struct tn_model *model,
                            const struct tn_shapes *given, size_t room)
{
    size_t listed = 0, open = 0, start = text->size;

    for (size_t i = 0; i < model->input_count; i++) {
        tn_auto(tn_buf_done) struct tn_buf one = TN_BUF(4096);

        if (!tn_dims_dynamic(&model->io[i].io.dims) || tn_shapes_find(given, model->io[i].io.name))
            continue;
        open++;
        add_input(&one, &model->io[i]);
        if (listed + 1 != open || text->size - start + one.size + 2 > room)
            continue;
        tn_buf_addf(text, "%s%s", listed ? ", " : "", tn_buf_text(&one));
        listed++;
    }
    if (listed < open)
        tn_buf_addf(text, "%s%zu more", listed ? " and " : "", open - listed);
}

static int shapes_missing(const struct tn_model *model, const struct tn_shapes *given,
                          struct tn_buf *note, struct tn_error *err)
{
    enum { FRAME = 120 }; /* the fixed words, the file's name and "and 250 more" */
    tn_auto(tn_buf_done) struct tn_buf line = TN_BUF(1 << 19);
    tn_auto(tn_buf_done) struct tn_buf inputs = TN_BUF(1024);
    const char *tail = "--shapes NAME=MIN:OPT:MAX,… (see the note)";
    size_t room = sizeof(err->text) - FRAME;

    add_ready_line(&line, model, given);
    if (line.size + 40 <= room)
        tail = tn_buf_text(&line);
    else if (note)
        tn_buf_addf(note, "%s%s", note->size ? "\n" : "", tn_buf_text(&line));
    add_open_inputs(&inputs, model, given, room - strlen(tail));
    return tn_fail(err, TN_E_USAGE, "%.48s has open axes: %s; give a range, such as %s",
                   tn_path_base(model->path), tn_buf_text(&inputs), tail);
}

/* ---- checks of what was given ---- */

static int unknown_input(const struct tn_model *model, const char *name, struct tn_error *err)
{
    const char *known[TN_IO_MAX + 1];
    size_t count = 0;
    const char *nearest;
    tn_auto(tn_buf_done) struct tn_buf list = TN_BUF(240);

    for (; count < model->input_count && count < TN_IO_MAX; count++)
        known[count] = model->io[count].io.name;
    known[count] = NULL;
    nearest = tn_text_nearest(name, known);
    if (nearest)
        return tn_fail(err, TN_E_USAGE, "'%.100s' is not an input of %.80s; did you mean '%.100s'?",
                       name, tn_path_base(model->path), nearest);
    for (size_t i = 0; i < count; i++) /* what does not fit any more is left out */
        tn_buf_addf(&list, "%s%s", i ? ", " : "", known[i]);
    return tn_fail(err, TN_E_USAGE, "'%.100s' is not an input of %.80s, which has %s", name,
                   tn_path_base(model->path), count ? tn_buf_text(&list) : "none");
}

static int check_range(const struct tn_model_io *input, const struct tn_shape_range *range,
                       struct tn_error *err)
{
    tn_auto(tn_buf_done) struct tn_buf shape = TN_BUF(2048);
    const struct tn_dims *dims = &input->io.dims;

    if (dims->count < 0)
        return TN_OK;
    add_input(&shape, input);
    if (range->min.count != dims->count)
        return tn_fail(err, TN_E_USAGE, "input %.160s has %d axes, the given shape %d",
                       tn_buf_text(&shape), dims->count, range->min.count);
    for (int i = 0; i < dims->count; i++)
        if (dims->dim[i] >= 0 &&
            (range->min.dim[i] != dims->dim[i] || range->max.dim[i] != dims->dim[i]))
            return tn_fail(err, TN_E_USAGE, "input %.160s: axis %d is fixed at %lld",
                           tn_buf_text(&shape), i, (long long)dims->dim[i]);
    return TN_OK;
}

static int check_given(const struct tn_model *model, const struct tn_shapes *given,
                       struct tn_error *err)
{
    for (size_t i = 0; i < given->count; i++) {
        const struct tn_model_io *input = NULL;
        int rc;

        for (size_t j = 0; j < model->input_count && !input; j++)
            if (strcmp(model->io[j].io.name, given->range[i].input) == 0)
                input = &model->io[j];
        rc = input ? check_range(input, &given->range[i], err)
                   : unknown_input(model, given->range[i].input, err);
        if (rc < 0)
            return rc;
    }
    return TN_OK;
}

/* ---- completion ---- */

static bool open_only_at_front(const struct tn_dims *dims)
{
    for (int i = 1; i < dims->count; i++)
        if (dims->dim[i] < 0)
            return false;
    return dims->count > 0 && dims->dim[0] < 0;
}

static int add_batch_of_one(const struct tn_io *io, struct tn_shapes *shapes, struct tn_buf *note,
                            struct tn_error *err)
{
    struct tn_shape_range range = { .min = io->dims };

    (void)tn_text_copy(range.input, sizeof(range.input), io->name);
    range.min.dim[0] = 1;
    range.opt = range.max = range.min;
    if (note) {
        tn_buf_addf(note, "%sthe leading axis of input ", note->size ? "\n" : "");
        tn_text_add_safe(note, io->name, strlen(io->name));
        tn_buf_adds(note, " is set to 1");
    }
    return tn_shapes_add(shapes, &range, err);
}

int tn_recipe_complete_shapes(const struct tn_model *model, const struct tn_shapes *given,
                              struct tn_shapes *ret_shapes, struct tn_buf *note,
                              struct tn_error *err)
{
    static const struct tn_shapes none = { 0 };
    tn_auto(tn_shapes_done) struct tn_shapes shapes = { 0 };
    int rc;

    given = given ? given : &none;
    rc = check_given(model, given, err);
    for (size_t i = 0; i < model->input_count && rc == TN_OK; i++) {
        const struct tn_io *io = &model->io[i].io;
        const struct tn_shape_range *range = tn_shapes_find(given, io->name);

        if (!tn_dims_dynamic(&io->dims))
            continue;
        if (range)
            rc = tn_shapes_add(&shapes, range, err);
        else if (open_only_at_front(&io->dims))
            rc = add_batch_of_one(io, &shapes, note, err);
        else
            rc = shapes_missing(model, given, note, err);
    }
    if (rc < 0)
        return rc;
    *ret_shapes = shapes;
    shapes = (struct tn_shapes) { 0 };
    return TN_OK;
}
