/*
 * Reads the corpus of real heads (env TENON_TEST_CORPUS): INDEX.tsv rows and the bytes kept of each
 * file. Tests skip where the folder is missing.
 */
#ifndef TN_TEST_CORPUS_H
#define TN_TEST_CORPUS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORPUS_COLUMNS = 16, CORPUS_HEAD_MAX = 1 << 20 };

struct corpus_row {
    char line[8192];
    char *column[CORPUS_COLUMNS];
    char path[2048]; /* of the head or the whole file */
    bool whole;
    unsigned char *head;
    size_t head_bytes;
    unsigned char tail[4096];
    size_t tail_bytes;
};

static inline bool corpus_path(const char *part, char *ret_path, size_t size)
{
    const char *root = getenv("TENON_TEST_CORPUS");

    return root && snprintf(ret_path, size, "%s/%s", root, part) < (int)size;
}

static inline size_t corpus_slurp(const char *path, unsigned char *data, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (!file)
        return 0;
    got = fread(data, 1, size, file);
    (void)fclose(file);
    return got;
}

static inline void corpus_split(struct corpus_row *row)
{
    char *at = row->line;

    row->line[strcspn(row->line, "\r\n")] = '\0';
    for (int i = 0; i < CORPUS_COLUMNS; i++) {
        row->column[i] = at;
        at += strcspn(at, "\t");
        if (*at)
            *at++ = '\0';
    }
}

/* Loads STEM.head + STEM.tail or STEM.tail64, or STEM.full. */
static inline bool corpus_load(const char *stem, struct corpus_row *row)
{
    static const char *const tails[] = { ".tail", ".tail64" };
    char path[2048];

    (void)snprintf(row->path, sizeof(row->path), "%s.full", stem);
    row->head_bytes = corpus_slurp(row->path, row->head, CORPUS_HEAD_MAX);
    row->whole = row->head_bytes > 0;
    row->tail_bytes = 0;
    if (row->whole)
        return true;
    (void)snprintf(row->path, sizeof(row->path), "%s.head", stem);
    row->head_bytes = corpus_slurp(row->path, row->head, CORPUS_HEAD_MAX);
    for (size_t i = 0; i < 2 && row->tail_bytes == 0; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", stem, tails[i]);
        row->tail_bytes = corpus_slurp(path, row->tail, sizeof(row->tail));
    }
    return row->head_bytes > 0;
}

/** Calls `visit` for every row of PART/INDEX.tsv whose bytes are there. @return how many; -1 when
 * there is no such folder. `stem_of` makes the path below the corpus without its ending. */
static inline int corpus_each(const char *part,
                              void (*stem_of)(const struct corpus_row *row, char *ret, size_t size),
                              void (*visit)(const struct corpus_row *row))
{
    static struct corpus_row row;
    char path[1024];
    FILE *index;
    int count = 0;

    (void)snprintf(row.line, sizeof(row.line), "%s%sINDEX.tsv", part, *part ? "/" : "");
    if (!corpus_path(row.line, path, sizeof(path)) || !(index = fopen(path, "r")))
        return -1;
    row.head = malloc(CORPUS_HEAD_MAX);
    while (row.head && fgets(row.line, sizeof(row.line), index)) {
        char stem[512];

        corpus_split(&row);
        stem_of(&row, stem, sizeof(stem));
        if (!corpus_path(stem, path, sizeof(path)) || !corpus_load(path, &row))
            continue;
        visit(&row);
        count++;
    }
    free(row.head);
    row.head = NULL;
    (void)fclose(index);
    return count;
}

#endif
