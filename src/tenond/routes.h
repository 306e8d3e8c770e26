/*
 * The route table as documents. The table itself is declared in tenond.h.
 */
#ifndef TN_TENOND_ROUTES_H
#define TN_TENOND_ROUTES_H

#include <stdio.h>

/** The rows of one kind ("device", "api", "machine") as a Markdown table. */
void tn_routes_markdown(FILE *out, const char *kind);

#endif
