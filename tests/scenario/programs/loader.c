/*
 * A service for the scenarios: loads an engine through libtenon with a deserialization that does
 * what it is told, and prints what came of it.
 *
 *     loader MODEL OPTIONS STEP…
 *
 * OPTIONS: "NAME=VALUE;…" of tn_engine_options ("" = defaults), and threads=N. STEP: what one call
 * of the callback does: ok | null | SEVERITY:TEXT (logs that and fails) | segv | kill; the
 * last one is repeated. Prints a line for each call, then one JSON object for each thread.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenon/tenon.h>
#include <unistd.h>

struct script {
    char **step;
    int count;
    int calls;
    pthread_mutex_t mutex;
};

static const char *next_step(struct script *script, size_t bytes)
{
    int at;

    pthread_mutex_lock(&script->mutex);
    at = script->calls++;
    printf("call %d: %zu bytes\n", script->calls, bytes);
    fflush(stdout);
    pthread_mutex_unlock(&script->mutex);
    return script->step[at < script->count ? at : script->count - 1];
}

static void *deserialize(const void *plan, size_t bytes, struct tn_log *log, void *user)
{
    const char *step = next_step(user, bytes);
    char *text;
    long severity = strtol(step, &text, 10);

    if (strcmp(step, "ok") == 0)
        return strdup(plan && bytes > 0 ? "an engine" : "");
    if (strcmp(step, "segv") == 0)
        raise(SIGSEGV);
    if (strcmp(step, "kill") == 0)
        raise(SIGKILL);
    if (*text == ':') {
        tn_log_line(log, (int)severity, text + 1);
        tn_log_line(log, TN_LINE_ERROR, "Engine deserialization failed");
    }
    return NULL;
}

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int threads = 1;

static struct tn_engine_options read_options(char *text)
{
    struct tn_engine_options options = { .size = sizeof(options), .deserialize = deserialize };

    for (char *word = strtok(text, ";"); word; word = strtok(NULL, ";")) {
        char *value = strchr(word, '=');

        if (!value)
            exit(2);
        *value++ = '\0';
        if (strcmp(word, "precision") == 0)
            options.precision = copy_of(value);
        else if (strcmp(word, "runtime") == 0)
            options.runtime = copy_of(value);
        else if (strcmp(word, "shapes") == 0)
            options.shapes = copy_of(value);
        else if (strcmp(word, "level") == 0)
            options.level = copy_of(value);
        else if (strcmp(word, "no_build") == 0)
            options.no_build = value[0] == '1';
        else if (strcmp(word, "retry") == 0)
            options.retry = value[0] == '1';
        else if (strcmp(word, "no_verify") == 0)
            options.no_verify = value[0] == '1';
        else if (strcmp(word, "threads") == 0)
            threads = atoi(value);
        else
            exit(2);
    }
    return options;
}

struct work {
    struct tn_loader *loader;
    const char *model;
    const struct tn_engine_options *options;
    pthread_t thread;
    int rc;
    struct tn_error err;
    char *report;
    char *object;
};

static void *load(void *user)
{
    struct work *work = user;
    struct tn_engine *engine = NULL;

    work->rc = tn_engine_load(work->loader, work->model, work->options, &engine, &work->err);
    if (work->rc == TN_OK) {
        work->object = tn_engine_object(engine);
        work->rc = tn_engine_report(engine, &work->report, &work->err);
    }
    tn_engine_close(engine);
    return NULL;
}

/* The library's texts hold no control bytes; quotes and backslashes are escaped here. */
static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print_work(const struct work *work)
{
    printf("{\"code\": \"%s\", \"object\": ", tn_error_name(work->rc));
    print_text(work->object ? work->object : "");
    printf(", \"text\": ");
    print_text(work->err.text);
    printf(", \"report\": %s}\n", work->report ? work->report : "null");
}

int main(int argc, char **argv)
{
    static struct work work[64];
    struct script script = { .step = argv + 3, .count = argc - 3 };
    struct tn_engine_options options;
    struct tn_loader *loader = NULL;
    struct tn_error err = { 0 };
    int status = 0;

    if (argc < 4)
        return 2;
    pthread_mutex_init(&script.mutex, NULL);
    options = read_options(argv[2]);
    options.user = &script;
    if (tn_loader_open(NULL, &loader, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < threads && i < 64; i++) {
        work[i] = (struct work) { .loader = loader, .model = argv[1], .options = &options };
        pthread_create(&work[i].thread, NULL, load, &work[i]);
    }
    for (int i = 0; i < threads && i < 64; i++) {
        pthread_join(work[i].thread, NULL);
        print_work(&work[i]);
        status |= work[i].rc != TN_OK;
        free(work[i].object);
        tn_free(work[i].report);
    }
    tn_loader_close(loader);
    free((char *)options.precision);
    free((char *)options.runtime);
    free((char *)options.shapes);
    free((char *)options.level);
    return status;
}
