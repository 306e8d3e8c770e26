/*
 * Text in a man page: what programs cut theirs with, from their own tables.
 */
#ifndef TN_BASE_ROFF_H
#define TN_BASE_ROFF_H

#include <stdio.h>

/** Writes UTF-8 so that man shows it as it is; an empty line begins a paragraph. */
void tn_roff_text(FILE *out, const char *text);

#endif
