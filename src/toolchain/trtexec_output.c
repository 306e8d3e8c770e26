/*
 * A line of its own has "[11/23/2026-00:07:22] [E] " before it; E and W go to stderr, the rest to
 * stdout. Lines without that are the rest of a message, the dynamic loader's, CUDA's or protobuf's.
 * The order within stderr is exact, across both streams it is not.
 */
#include "toolchain/trtexec_output.h"

#include "base/json.h"
#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP_BYTES = 22, PREFIX_BYTES = 26 };

/* --- phases -----------------------------------------------------------------------------------*/

/* Lines of stdout that say where it is, in their order; any may be missing. */
struct phase {
    const char *words, *stage, *phase;
    bool if_well; /* printed after a failure too */
};

enum { BUILD_IMPORT = 1, BUILD_PARSE, BUILD_PROFILE, BUILD_SEARCH, BUILD_WRITE };

static const struct phase build_phases[] = {
    { "", "spawn", "", false },
    [BUILD_IMPORT] = { "TensorRT version: ", "import", "Starting the builder", false },
    [BUILD_PARSE] = { "Start parsing network model", "parse", "Parsing the model", false },
    [BUILD_PROFILE] = { "Finished parsing network model", "profile", "Setting up the build", true },
    [BUILD_SEARCH] = { " timing cache in use", "build", "Searching tactics", false },
    [BUILD_WRITE] = { "Engine built in ", "write", "Writing the engine", true },
    { "Engine deserialized in ", "write", "Engine loaded", true },
};

enum { LOAD_DESERIALIZED = 3, LOAD_RUN, LOAD_RAN };

/* The stages of a trial, as the worker calls them. */
static const struct phase load_phases[] = {
    { "", "library", "Starting trtexec", false },
    { "TensorRT version: ", "runtime", "Opening the libraries", false },
    { "Loaded engine size: ", "deserialize", "Deserializing", false },
    [LOAD_DESERIALIZED] = { "Engine deserialized in ", "exec-context", "Making a context", false },
    [LOAD_RUN] = { "Starting inference", "run", "First run", false },
    [LOAD_RAN] = { "Timing trace has ", "run", "Ending", false },
};

static const struct {
    const struct phase *row;
    size_t count;
} tables[] = {
    [TN_TRTEXEC_BUILDS] = { build_phases, TN_COUNT(build_phases) },
    [TN_TRTEXEC_LOADS] = { load_phases, TN_COUNT(load_phases) },
};

static_assert(TN_COUNT(build_phases) <= TN_TRTEXEC_PHASES_MAX &&
                  TN_COUNT(load_phases) <= TN_TRTEXEC_PHASES_MAX,
              "every phase has its time");

/* Errors that say in which stage it was. */
static const struct {
    const char *words, *stage;
} failed_stages[] = {
    { "Failed to parse onnx file", "parse" },
    { "Parsing model failed", "parse" },
    { "Network And Config setup failed", "profile" },
    { "Engine could not be created from network", "build" },
    { "Saving engine to file failed", "write" },
};

static void set_stage(struct tn_hearing *hearing, const char *stage)
{
    (void)tn_text_copy(hearing->stage, sizeof(hearing->stage), stage);
}

static bool went_well(const struct tn_trtexec_output *output)
{
    return output->hearing->error.rank == TN_TELLING_NONE && output->message_bytes == 0;
}

static void enter(struct tn_trtexec_output *output, size_t row)
{
    const struct phase *phase = &tables[output->work].row[row];

    output->phase = (int)row;
    output->reached[row] = tn_clock_monotonic();
    set_stage(output->hearing, phase->stage);
    (void)tn_text_copy(output->hearing->phase, sizeof(output->hearing->phase), phase->phase);
}

void tn_trtexec_output_begin(struct tn_trtexec_output *output, struct tn_hearing *hearing,
                             enum tn_trtexec_work work)
{
    *output = (struct tn_trtexec_output) { .hearing = hearing, .work = work };
    enter(output, 0);
}

/* @return false to stop */
static bool hear_phase(struct tn_trtexec_output *output, const char *text)
{
    for (size_t i = (size_t)output->phase + 1; i < tables[output->work].count; i++) {
        const struct phase *phase = &tables[output->work].row[i];

        if (!strstr(text, phase->words) || (phase->if_well && !went_well(output)))
            continue;
        enter(output, i);
        return tn_hearing_report(output->hearing);
    }
    return true;
}

static double between(tn_nsec from, tn_nsec to)
{
    return from && to > from ? (double)(to - from) / (double)TN_NSEC_PER_S : 0;
}

/* A step lasts until a later one begins; the one that it failed in, until the end. */
static json_t *seconds_of_load(const struct tn_trtexec_output *output)
{
    json_t *seconds = json_object();

    for (size_t i = 0, next; i < LOAD_RAN; i = next) {
        next = i + 1;
        while (next < TN_COUNT(load_phases) && output->reached[next] == 0)
            next++;
        tn_json_set(seconds, load_phases[i].stage,
                    json_real(between(output->reached[i], next < TN_COUNT(load_phases)
                                                              ? output->reached[next]
                                                              : output->ended)));
    }
    return seconds;
}

json_t *tn_trtexec_output_seconds(const struct tn_trtexec_output *output)
{
    const tn_nsec *reached = output->reached;

    if (output->work == TN_TRTEXEC_LOADS)
        return seconds_of_load(output);
    return json_pack("{sf sf sf}", "import", between(reached[0], reached[BUILD_PARSE]), "parse",
                     between(reached[BUILD_PARSE], reached[BUILD_PROFILE]), "build",
                     between(reached[BUILD_PROFILE], reached[BUILD_WRITE]));
}

bool tn_trtexec_output_ran(const struct tn_trtexec_output *output)
{
    return output->work == TN_TRTEXEC_LOADS && output->phase >= LOAD_RUN &&
           output->word == TN_TRTEXEC_PASSED;
}

/* --- its own lines ----------------------------------------------------------------------------*/

/* "&&&& RUNNING TensorRT.trtexec [TensorRT v100600] [b26] # trtexec …": v8601 up to 9. */
static void hear_banner(struct tn_trtexec_output *output, const char *line)
{
    static const char mark[] = "[TensorRT v";
    const char *at = strstr(line, mark), *command = strchr(line, '#');
    unsigned long number, scale;
    char *end;

    if (!at || (command && command < at) || !isdigit((unsigned char)at[sizeof(mark) - 1]))
        return;
    number = strtoul(at + sizeof(mark) - 1, &end, 10);
    scale = number >= 100000 ? 10000 : 1000;
    if (*end != ']' || number < 1000 || number > 999999)
        return;
    output->version = tn_version_make((uint32_t)(number / scale), (uint32_t)(number % scale / 100),
                                      (uint32_t)(number % 100), 0);
    output->version.parts = 3;
    if (!tn_text_starts(end, "] [b") || !isdigit((unsigned char)end[4]))
        return;
    number = strtoul(end + 4, &end, 10);
    if (*end != ']' || number > 99999)
        return;
    output->version.part[3] = (uint32_t)number;
    output->version.parts = 4;
}

static void hear_word(struct tn_trtexec_output *output, const char *line)
{
    if (tn_text_starts(line, "&&&& PASSED"))
        output->word = TN_TRTEXEC_PASSED;
    else if (tn_text_starts(line, "&&&& FAILED"))
        output->word = TN_TRTEXEC_FAILED;
    if (output->version.parts == 0)
        hear_banner(output, line);
}

/* Warnings after which the engine would not be the one that was asked for: no need to wait for it.
 */
static void spoil(struct tn_trtexec_output *output, const char *name, const char *stage,
                  const char *text)
{
    if (output->spoilt)
        return;
    output->spoilt = name;
    output->spoilt_stage = stage;
    (void)tn_text_copy(output->spoilt_text, sizeof(output->spoilt_text), text);
}

static void hear_warning(struct tn_trtexec_output *output, const char *text)
{
    struct tn_hearing *hearing = output->hearing;

    tn_hearing_warn(hearing, text);
    if (strstr(text, "no shapes were provided") && output->work == TN_TRTEXEC_LOADS) {
        output->made_up_shapes = true;
    } else if (strstr(text, "no shapes were provided")) {
        tn_hearing_consider(hearing, &hearing->error, text, strlen(text));
        spoil(output, "no-profile", "profile", text);
    }
    if (output->needs_calibration && strstr(text, "Calibrator is not being used"))
        spoil(output, "no-calibration", "build",
              "int8 needs Q/DQ nodes in the ONNX file or a calibration cache; neither is there");
    if (output->needs_cache && strstr(text, "timing cache will not be used"))
        spoil(output, "timing-cache", "build", text);
}

/* "…: ERROR: onnxOpCheckers.cpp:946 In function checkDet: [8] false": with the node before it. */
static void end_parse_error(struct tn_trtexec_output *output, const char *text)
{
    tn_auto(tn_buf_done) struct tn_buf full = TN_BUF(8 << 10);
    const char *place = strstr(text, "In function ");

    tn_buf_addf(&full, "%s: %s", output->node, place ? place : text);
    tn_hearing_consider(output->hearing, &output->hearing->parse_error, tn_buf_text(&full),
                        full.size);
}

/* "ModelImporter.cpp:946: While parsing node number 0 [Det -> "y"]:" */
static bool begin_node(struct tn_trtexec_output *output, const char *text)
{
    static const char mark[] = "While parsing node number ";
    const char *at = strstr(text, mark);

    if (!at)
        return false;
    (void)snprintf(output->node, sizeof(output->node), "node %.240s", at + sizeof(mark) - 1);
    output->node[strcspn(output->node, "\r\n")] = '\0';
    if (tn_text_ends(output->node, ":"))
        output->node[strlen(output->node) - 1] = '\0';
    return true;
}

static void end_error(struct tn_trtexec_output *output, const char *text)
{
    struct tn_hearing *hearing = output->hearing;

    for (size_t i = 0; i < TN_COUNT(failed_stages); i++)
        if (strstr(text, failed_stages[i].words))
            set_stage(hearing, failed_stages[i].stage);
    if (begin_node(output, text) || strstr(text, "--- Begin node ---") ||
        strstr(text, "--- End node ---"))
        return; /* what is wrong with the node comes after it */
    if (output->node[0] && strstr(text, "ERROR: "))
        end_parse_error(output, text);
    tn_hearing_consider(hearing, &hearing->error, text, strlen(text));
}

/* Weighs the error that has been put together. */
static void end_message(struct tn_trtexec_output *output)
{
    if (output->message_bytes > 0)
        end_error(output, output->message);
    output->message_bytes = 0;
    output->message[0] = '\0';
}

static void add_to_message(struct tn_trtexec_output *output, const char *text)
{
    size_t room = sizeof(output->message) - output->message_bytes;
    size_t length;

    if (output->message_bytes > 0 && room > 1) {
        output->message[output->message_bytes++] = '\n';
        room--;
    }
    (void)tn_text_copy(output->message + output->message_bytes, room, text);
    length = strlen(output->message + output->message_bytes);
    output->message_bytes += length;
}

/* --- lines ------------------------------------------------------------------------------------*/

/* @return the severity of a line of its own, with the text after the prefix; 0 of another line */
static char split(const char *line, size_t length, const char **ret_text)
{
    static const char library[] = "[TRT] ";
    static const char form[] = "[00/00/0000-00:00:00] [?]";

    *ret_text = line;
    if (length < sizeof(form) - 1)
        return 0;
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (form[i] == '0' ? !isdigit((unsigned char)line[i])
                           : form[i] != '?' && form[i] != line[i])
            return 0;
    *ret_text = line + (length < PREFIX_BYTES ? length : PREFIX_BYTES);
    if (tn_text_starts(*ret_text, library))
        *ret_text += sizeof(library) - 1;
    return line[STAMP_BYTES + 1] == 'F' ? 'E' : line[STAMP_BYTES + 1];
}

/* CUDA, protobuf and the loader speak without a prefix; what no row knows may be chatter. */
static void hear_bare(struct tn_trtexec_output *output, const char *text)
{
    struct tn_hearing *hearing = output->hearing;
    const struct tn_log_class *row = tn_log_classify(text);
    bool known = row && row->scope != TN_LOG_GENERIC && row->scope != TN_LOG_WARNING;

    end_message(output);
    tn_hearing_consider(hearing, known ? &hearing->error : &hearing->raw, text, strlen(text));
}

static void hear_stderr(struct tn_trtexec_output *output, char severity, const char *text)
{
    if (severity) {
        end_message(output);
        output->in_node = strstr(text, "--- Begin node ---") != NULL;
    }
    if (severity == 'E')
        add_to_message(output, text);
    else if (severity == 'W')
        hear_warning(output, text);
    else if (severity || output->in_node)
        return;
    else if (output->message_bytes > 0 && !tn_text_starts(text, "Cuda failure"))
        add_to_message(output, text); /* the rest of an error */
    else
        hear_bare(output, text);
}

static bool hear_stdout(struct tn_trtexec_output *output, char severity, const char *text)
{
    struct tn_hearing *hearing = output->hearing;

    if (!severity && tn_text_starts(text, "&&&& "))
        hear_word(output, text);
    if (severity != 'I')
        return true;
    if (strstr(text, "Cannot find device ID")) /* the only error that is told as information */
        tn_hearing_consider(hearing, &hearing->error, text, strlen(text));
    return hear_phase(output, text);
}

bool tn_trtexec_output_line(enum tn_stream stream, const char *line, size_t length, void *user)
{
    struct tn_trtexec_output *output = user;
    const char *text;
    char severity, mark[2] = "-";

    if (stream == TN_STREAM_TICK)
        return tn_hearing_report(output->hearing);
    severity = split(line, length, &text);
    if (severity && isupper((unsigned char)severity))
        mark[0] = severity;
    tn_hearing_log(output->hearing, mark, text, strlen(text));
    if (stream == TN_STREAM_OUT)
        return hear_stdout(output, severity, text);
    hear_stderr(output, severity, text);
    return !output->spoilt;
}

/* --- the end ----------------------------------------------------------------------------------*/

/* An abort over something that is known and passes (no GPU, no memory) is what 8.6 does where later
 * releases exit: the reason counts. */
static bool abort_says_why(const struct tn_hearing *hearing, const struct tn_proc_result *end)
{
    const struct tn_telling *telling = tn_hearing_best(hearing);

    return end->signal == SIGABRT && telling->rank == TN_TELLING_KNOWN &&
           !tn_log_lasting(telling->row);
}

/* @return the class of an end that explains itself by nothing but its status */
static const char *class_of_failure(const struct tn_trtexec_output *output)
{
    if (output->spoilt)
        return output->spoilt;
    return tn_hearing_best(output->hearing)->rank == TN_TELLING_NONE ? "no-result" : "";
}

static void answer_failed(struct tn_trtexec_output *output, const struct tn_proc_result *end)
{
    struct tn_hearing *hearing = output->hearing;
    json_t *answer = json_object();
    char text[80], release[TN_VERSION_TEXT];

    tn_version_print(&output->version, release);
    (void)snprintf(text, sizeof(text), "trtexec ended with status %d and gave no reason",
                   end->exit_status);
    tn_json_set(answer, "ok", json_false());
    tn_json_set_str(answer, "stage", output->spoilt ? output->spoilt_stage : hearing->stage);
    tn_json_set_str(answer, "release", release);
    tn_json_set_str(answer, "text", output->spoilt ? output->spoilt_text : text);
    tn_json_set_str(answer, "class", class_of_failure(output));
    tn_json_set(answer, "seconds", tn_trtexec_output_seconds(output));
    hearing->answer = answer;
}

/* The sizes that trtexec makes up for dynamic inputs (1) need not be in the engine's range: that it
 * does not take them says nothing against it. Trouble of the device does. */
static bool loaded_but_not_run(const struct tn_trtexec_output *output,
                               const struct tn_proc_result *end)
{
    const struct tn_telling *telling = tn_hearing_best(output->hearing);

    return output->work == TN_TRTEXEC_LOADS && output->made_up_shapes &&
           output->phase == LOAD_DESERIALIZED && output->word == TN_TRTEXEC_FAILED &&
           end->exit_status == 1 && (!telling->row || telling->row->scope == TN_LOG_REQUEST);
}

bool tn_trtexec_output_end(struct tn_trtexec_output *output, const struct tn_proc_result *end)
{
    bool well = end->exit_status == 0 || end->status_lost;

    end_message(output);
    output->ended = tn_clock_monotonic();
    if (end->timed_out || end->flooded || end->abandoned)
        return false;
    if (!output->spoilt && well && output->word == TN_TRTEXEC_PASSED)
        return true;
    if (loaded_but_not_run(output, end))
        return true;
    if (output->spoilt || output->word == TN_TRTEXEC_FAILED || end->exit_status > 0 ||
        abort_says_why(output->hearing, end))
        answer_failed(output, end);
    return false;
}
