/*
 * Whether a file is in the system's page cache. Nothing of it is kept in there for the asking; any
 * thread.
 */
#ifndef TN_BASE_PAGECACHE_H
#define TN_BASE_PAGECACHE_H

/**
 * Whether most of a file must come from the disk when it is read. Looks at a few pages of it: some
 * 20 us, whatever its size.
 * @return 1 (cold: less than half is in memory), 0, or -1: the system does not say
 */
int tn_pagecache_cold(const char *path);

#endif
