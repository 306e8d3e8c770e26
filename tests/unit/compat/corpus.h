/*
 * Reading of the corpus and of the tables of facts, for tests that skip when the folders are
 * absent.
 */
#ifndef TN_TEST_CORPUS_H
#define TN_TEST_CORPUS_H

#include "base/file.h"
#include "base/text.h"
#include "plan/plan.h"
#include "tn_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 12, TABLE_BYTES_MAX = 4 * 1024 * 1024 };

/* A table of tab-separated fields, walked line by line; the first line names the columns. */
struct table {
    struct tn_buf text;
    char *next;
    char *field[FIELDS_MAX];
};

static inline bool table_next(struct table *table)
{
    char *line = table->next;

    if (!line || *line == '\0')
        return false;
    table->next = strchr(line, '\n');
    if (table->next)
        *table->next++ = '\0';
    for (int i = 0; i < FIELDS_MAX; i++) {
        char *tab = line ? strchr(line, '\t') : NULL;

        table->field[i] = line ? line : table->text.data + table->text.size;
        if (tab)
            *tab++ = '\0';
        line = tab;
    }
    return true;
}

/* Opens FOLDER/NAME behind the header line, or skips the test. */
static inline void table_open(struct table *table, const char *folder, const char *name)
{
    char path[512];

    *table = (struct table) { .text = TN_BUF(TABLE_BYTES_MAX) };
    if (!folder)
        skip();
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (tn_file_read(path, &table->text, NULL) != TN_OK)
        skip();
    table->next = table->text.data;
    assert_true(table_next(table));
}

static inline void table_done(struct table *table)
{
    tn_buf_done(&table->text);
}

/* Bytes of a file, empty when it is not there. */
static inline struct tn_buf corpus_bytes(const char *folder, const char *name, const char *suffix)
{
    struct tn_buf bytes = TN_BUF(8 * 1024 * 1024);
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix);
    (void)tn_file_read(path, &bytes, NULL);
    return bytes;
}

/* Parses a plan of the corpus from its head and tail, or whole, with its full size. */
static inline bool corpus_plan(const char *folder, const char *name, int64_t full_size,
                               struct tn_plan *ret_plan)
{
    struct tn_buf head = corpus_bytes(folder, name, "");
    struct tn_buf tail = TN_BUF(4096);
    bool there;

    if (head.size == 0)
        head = corpus_bytes(folder, name, ".full");
    if (head.size == 0) {
        head = corpus_bytes(folder, name, ".head");
        tail = corpus_bytes(folder, name, ".tail64");
        if (tail.size == 0)
            tail = corpus_bytes(folder, name, ".tail");
    } else {
        full_size = (int64_t)head.size;
        tn_buf_add(&tail, head.data + (head.size > 64 ? head.size - 64 : 0),
                   head.size > 64 ? 64 : head.size);
    }
    there = head.size > 0;
    if (there)
        tn_plan_parse(head.data, head.size < TN_PLAN_HEAD_BYTES ? head.size : TN_PLAN_HEAD_BYTES,
                      tail.data, tail.size, full_size, ret_plan);
    tn_buf_done(&head);
    tn_buf_done(&tail);
    return there;
}

#endif
