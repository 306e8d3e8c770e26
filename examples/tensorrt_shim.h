/*
 * TensorRT 10 or later, or TensorRT-RTX 1, from C: its own interface is C++. The library is opened
 * at run time, so that a service starts, and says what is wrong, on a machine without it.
 *
 * One call at a time for each `struct trt`.
 */
#ifndef TENSORRT_SHIM_H
#define TENSORRT_SHIM_H

#include <stddef.h>
#include <tenon/tenon.h>

#ifdef __cplusplus
extern "C" {
#endif

struct trt;

/** Opens a library: its path, or NULL = what the dynamic loader finds. Always gives an object, but
 * for NULL without memory: what failed is said by trt_deserialize(), for Tenon to judge. */
struct trt *trt_open(const char *library);

/** As options.runtime wants it, "trt10.6.0.26"; NULL = no library was found. */
const char *trt_runtime(const struct trt *trt);

/** A tn_deserialize_fn; `user` is the struct trt. Asks the driver before it asks TensorRT, which
 * may crash without one. @return an engine for trt_layers() and trt_engine_free() */
void *trt_deserialize(const void *plan, size_t bytes, struct tn_log *log, void *user);

/** Layers of the engine: the least that a loaded engine can tell. */
int trt_layers(void *engine);

/** Before trt_close(). NULL is fine. */
void trt_engine_free(void *engine);
void trt_close(struct trt *trt);

#ifdef __cplusplus
}
#endif

#endif
