/*
 * A line of its own has "[11/23/2026-00:07:22] [E] " before it; E and W go to stderr, the rest to
 * stdout. Lines without that are the rest of a message, the dynamic loader's, CUDA's or protobuf's.
 * The order within stderr is exact, across both streams it is not.
 */
#include "toolchain/trtexec_output.h"

#include "base/json.h"
#include "base/text.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP_BYTES = 22, PREFIX_BYTES = 26 };

/* --- phases -----------------------------------------------------------------------------------*/

enum { AT_IMPORT, AT_PARSE, AT_PROFILE, AT_WRITE, AT_NOTHING };

/* Lines of stdout that say where it is, in their order; any may be missing. */
static const struct phase {
    const char *words, *stage, *phase;
    int at;
    bool if_well; /* printed after a failure too */
} phases[] = {
    { "", "spawn", "", AT_NOTHING, false },
    { "TensorRT version: ", "import", "Starting the builder", AT_IMPORT, false },
    { "Start parsing network model", "parse", "Parsing the model", AT_PARSE, false },
    { "Finished parsing network model", "profile", "Setting up the build", AT_PROFILE, true },
    { " timing cache in use", "build", "Searching tactics", AT_NOTHING, false },
    { "Engine built in ", "write", "Writing the engine", AT_WRITE, true },
    { "Engine deserialized in ", "write", "Engine loaded", AT_NOTHING, true },
};

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

/* @return false to stop */
static bool hear_phase(struct tn_trtexec_output *output, const char *text)
{
    for (size_t i = (size_t)output->phase + 1; i < TN_COUNT(phases); i++) {
        const struct phase *phase = &phases[i];

        if (!strstr(text, phase->words) || (phase->if_well && !went_well(output)))
            continue;
        output->phase = (int)i;
        if (phase->at < AT_NOTHING)
            output->reached[phase->at] = tn_clock_monotonic();
        set_stage(output->hearing, phase->stage);
        (void)tn_text_copy(output->hearing->phase, sizeof(output->hearing->phase), phase->phase);
        return tn_hearing_report(output->hearing);
    }
    return true;
}

static double between(tn_nsec from, tn_nsec to)
{
    return from && to > from ? (double)(to - from) / (double)TN_NSEC_PER_S : 0;
}

json_t *tn_trtexec_output_seconds(const struct tn_trtexec_output *output)
{
    const tn_nsec *reached = output->reached;

    return json_pack("{sf sf sf}", "import", between(output->hearing->begun, reached[AT_PARSE]),
                     "parse", between(reached[AT_PARSE], reached[AT_PROFILE]), "build",
                     between(reached[AT_PROFILE], reached[AT_WRITE]));
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
    if (strstr(text, "no shapes were provided")) {
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
    tn_json_set_str(answer, "class", output->spoilt ? output->spoilt : "");
    tn_json_set(answer, "seconds", tn_trtexec_output_seconds(output));
    hearing->answer = answer;
}

bool tn_trtexec_output_end(struct tn_trtexec_output *output, const struct tn_proc_result *end)
{
    bool well = end->exit_status == 0 || end->status_lost;

    end_message(output);
    if (end->timed_out || end->flooded || end->abandoned)
        return false;
    if (!output->spoilt && well && output->word == TN_TRTEXEC_PASSED)
        return true;
    if (output->spoilt || output->word == TN_TRTEXEC_FAILED || end->exit_status > 0 ||
        abort_says_why(output->hearing, end))
        answer_failed(output, end);
    return false;
}
