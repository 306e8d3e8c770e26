/*
 * Reader of /etc/ld.so.cache: the libraries that the dynamic loader knows by name.
 *
 * Layout (glibc 2.2 and later; all integers in the machine's byte order):
 *   [old header "ld.so-1.7.0", entry count, 12-byte entries, padding to 8]   up to glibc 2.31
 *   0   "glibc-ld.so.cache1.1"
 *   20  u32 entries    24  u32 bytes of strings    28  flags and reserved, to 48
 *   48  entries of 24 bytes: i32 flags, u32 name, u32 path, u32 os version, u64 hardware
 * name and path are offsets from the start of this header.
 */
#ifndef TN_DEVICE_LDCACHE_H
#define TN_DEVICE_LDCACHE_H

#include <stddef.h>

/** Calls `take` for each entry whose strings lie within the bytes; a broken cache has none. */
void tn_ldcache_each(const char *bytes, size_t size,
                     void (*take)(const char *name, const char *path, void *user), void *user);

#endif
