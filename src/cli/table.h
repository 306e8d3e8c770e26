/*
 * A table for people: columns as wide as their widest cell, a heading, two blanks between. Cells
 * are foreign text and are made safe for a terminal.
 *
 * Belongs to one thread; nothing is printed before tn_table_print().
 */
#ifndef TN_CLI_TABLE_H
#define TN_CLI_TABLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

enum { TN_TABLE_COLUMNS_MAX = 12, TN_TABLE_BYTES_MAX = 64 << 20 };

/** Zeroed but for `text` = empty. */
struct tn_table {
    struct tn_buf text; /* cells, each with a NUL behind it */
    size_t column_count, cell_count;
    size_t width[TN_TABLE_COLUMNS_MAX]; /* in characters */
    bool right[TN_TABLE_COLUMNS_MAX];   /* numbers stand right */
};
#define TN_TABLE ((struct tn_table) { .text = TN_BUF(TN_TABLE_BYTES_MAX) })

/** Adds a column before the first cell. */
void tn_table_column(struct tn_table *table, const char *title, bool right);

/** Adds the next cell, row by row; NULL is "-". */
void tn_table_cell(struct tn_table *table, const char *text);

/** Prints heading and rows; nothing without rows. @return 0, TN_E_NOMEM, TN_E_TOOBIG */
int tn_table_print(const struct tn_table *table, FILE *out, struct tn_error *err);

void tn_table_done(struct tn_table *table);

#endif
