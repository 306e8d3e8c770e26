/*
 * How a service starts: get an engine that loads, load it, or say why not.
 *
 *     load_engine MODEL [LIBRARY]
 *
 * MODEL as for `tenon get`; LIBRARY is the TensorRT to load it with, libnvinfer or libtensorrt_rtx,
 * else $TENSORRT_LIBRARY, else what the dynamic loader finds. Exit: 0 loaded, 75 the device is not
 * ready and the engine is kept (start again later), 1 anything else.
 */
#include "tensorrt_shim.h"

#include <stdio.h>
#include <stdlib.h>

static bool show(const struct tn_engine_event *event, void *user)
{
    (void)user;
    if (event->phase[0] == '\0')
        fprintf(stderr, "load_engine: %s: %s\n", event->rung, event->doing);
    return true;
}

static int report(struct tn_engine *engine)
{
    struct tn_error err = { 0 };
    char *json = NULL;

    if (tn_engine_report(engine, &json, &err) < 0) {
        fprintf(stderr, "load_engine: %s\n", err.text);
        return 1;
    }
    printf("engine  %s\n", tn_engine_path(engine));
    printf("layers  %d\n", trt_layers(tn_engine_object(engine)));
    printf("report  %s\n", json); /* level, source, seconds, rung by rung */
    tn_free(json);
    return 0;
}

static int start(const char *model, struct trt *trt)
{
    struct tn_engine_options want = { .size = sizeof(want),
                                      .runtime = trt_runtime(trt),
                                      .deserialize = trt_deserialize,
                                      .event = show,
                                      .user = trt };
    struct tn_engine *engine = NULL;
    struct tn_error err = { 0 };
    int status;

    if (tn_engine_load(NULL, model, &want, &engine, &err) < 0) {
        fprintf(stderr, "load_engine: %s\n", err.text);
        return err.code == TN_E_AGAIN ? 75 : 1;
    }
    status = report(engine);
    /* here the service would run; in the end: */
    trt_engine_free(tn_engine_object(engine));
    tn_engine_close(engine);
    return status;
}

int main(int argc, char **argv)
{
    struct trt *trt;
    int status;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: load_engine MODEL [LIBRARY]\n");
        return 2;
    }
    trt = trt_open(argc > 2 ? argv[2] : getenv("TENSORRT_LIBRARY"));
    if (!trt)
        return 1;
    status = start(argv[1], trt);
    trt_close(trt);
    return status;
}
