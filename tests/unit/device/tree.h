/*
 * Recorded trees: a list of files written below a temporary folder that stands for '/'.
 */
#ifndef TREE_H
#define TREE_H

#include "tn_test.h"

#include "base/file.h"
#include "base/text.h"
#include "device/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* rows leave out what they do not need */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/** `link` NULL: a file with `text`; mode 0 = 0644. */
struct tree_file {
    const char *path, *text, *link;
    mode_t mode;
};

struct tree {
    char root[64];
    const char *env[12][2]; /* NULL-ended */
    struct tn_probe_setup setup;
};

static const char *tree_env(const char *name, void *user)
{
    const struct tree *tree = user;

    for (int i = 0; tree->env[i][0]; i++)
        if (strcmp(tree->env[i][0], name) == 0)
            return tree->env[i][1];
    return NULL;
}

static void tree_write(struct tree *tree, const struct tree_file *file)
{
    char path[512];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s%s", tree->root, file->path);
    *strrchr(path, '/') = '\0';
    assert_int_equal(tn_dir_make(path, 0755, NULL), TN_OK);
    (void)snprintf(path, sizeof(path), "%s%s", tree->root, file->path);
    (void)unlink(path);
    if (file->link) {
        assert_int_equal(symlink(file->link, path), 0);
        return;
    }
    out = fopen(path, "wb");
    assert_non_null(out);
    (void)fputs(file->text ? file->text : "", out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, file->mode ? file->mode : 0644), 0);
}

static const struct tn_cuda tree_no_driver = { .init = NULL };

static void tree_make(struct tree *tree, const char *arch, const struct tree_file *files)
{
    memset(tree, 0, sizeof(*tree));
    strcpy(tree->root, "/tmp/tenon-tree-XXXXXX");
    (void)umask(022);
    assert_non_null(mkdtemp(tree->root));
    for (; files->path; files++)
        tree_write(tree, files);
    tree->setup = (struct tn_probe_setup) { .root = tree->root,
                                            .cuda = &tree_no_driver,
                                            .env = tree_env,
                                            .user = tree,
                                            .arch = arch,
                                            .exe_folder = "/opt/tenon/bin" };
}

static void tree_set(struct tree *tree, const char *name, const char *value)
{
    int i = 0;

    while (tree->env[i][0] && strcmp(tree->env[i][0], name) != 0)
        i++;
    tree->env[i][0] = name;
    tree->env[i][1] = value;
}

static void tree_probe(struct tree *tree, struct tn_device *ret_device)
{
    struct tn_error err = { 0 };

    if (tn_device_probe_with(NULL, &tree->setup, ret_device, &err) != TN_OK)
        fail_msg("probe: %s", err.text);
}

static void tree_done(struct tree *tree)
{
    assert_int_equal(tn_dir_remove(tree->root, NULL), TN_OK);
}

#endif
