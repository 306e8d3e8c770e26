/*
 * Files that nothing refers to are removed every hour, in threads but for the moment in which they
 * cease to be files of the server.
 */
#ifndef TN_TENOND_COLLECT_H
#define TN_TENOND_COLLECT_H

#include "tenond/tenond.h"

/** Begins a collection, unless one is under way; how it went is logged. */
void tn_tenond_collect(struct tn_tenond *tenond);

#endif
