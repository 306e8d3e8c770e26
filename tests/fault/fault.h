/*
 * Lets one system call fail: for tests only, put in by the linker's --wrap (see meson.build).
 *
 * Armed with (n, errno), the n-th call from now on that can give this errno gives it, once; the
 * others go through. So a loop over n visits every place where an operation can fail.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdint.h>

/** Fails the `nth` call (from 1) that can fail with `os`. */
void fault_arm(unsigned nth, int os);

/** Ends it. @return the name of the call that failed, or NULL when there were fewer calls */
const char *fault_disarm(void);

/** While armed, every write() takes half of what it is given, at least a byte. */
void fault_short_writes(bool on);

/** Moves the wall clock by so many nanoseconds. */
void fault_clock(int64_t ahead);

#endif
