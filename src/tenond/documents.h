/*
 * Tables of the documents, cut from the rows of options, routes and metrics.
 */
#ifndef TN_TENOND_DOCUMENTS_H
#define TN_TENOND_DOCUMENTS_H

#include "base/error.h"

#include <stdio.h>

/** "options", "routes-device", "routes-api", "routes-machine" or "metrics" as a Markdown table.
 * @return an exit status */
int tn_tenond_document(FILE *out, const char *kind);

#endif
