/*
 * Writes the corpus of fuzz_plan: one small plan of each generation and kind.
 *   cc -std=c17 -D_GNU_SOURCE -Itests/unit/plan tests/fuzz/plan/make_corpus.c -lz -o /tmp/make && \
 *       /tmp/make tests/fuzz/corpus/plan
 */
#include "make_plan.h"

#include <stdio.h>

static void save(const char *folder, const char *name, const struct made *made)
{
    char path[512];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (!file || fwrite(made->data, 1, made->size, file) != made->size || fclose(file) != 0)
        perror(path);
}

static void text(const char *folder, const char *name, const char *bytes, size_t size)
{
    struct made made = { .size = 0 };

    made_bytes(&made, bytes, size);
    save(folder, name, &made);
}

static void save_with_tensors(const char *folder)
{
    static const char line[] = "\n  tensor={ const_payload_size=512 dims={ 16 8 } type=half }\n";
    struct made_facts f =
        made_facts_of(&made_kinds[sizeof(made_kinds) / sizeof(made_kinds[0]) - 1]);
    struct made made;
    struct made more = { .size = 0 };

    made_item(&more, f.kind, 0x08, 2);
    made_tensor(&more, f.kind, "y", 1);
    made_tensor(&more, f.kind, "images", 0);
    made_bytes(&more, line, sizeof(line) - 1);
    f.more = &more;
    make_plan(&made, &f);
    save(folder, "rtx-1.7-tensors", &made);
}

int main(int argc, char **argv)
{
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    struct made made;
    char name[64];

    if (argc != 2)
        return 2;
    for (size_t i = 0; i < sizeof(made_kinds) / sizeof(made_kinds[0]); i++) {
        struct made_facts f = made_facts_of(&made_kinds[i]);

        make_plan(&made, &f);
        (void)snprintf(name, sizeof(name), "%s-%u.%u", f.kind->envelope == MADE_RTX ? "rtx" : "trt",
                       f.kind->version[0], f.kind->version[1]);
        save(argv[1], name, &made);
        if (f.kind->after != AFTER_FLAGS)
            continue;
        f.stripped = f.streaming = true;
        f.refit = 2;
        f.lean = true;
        f.lean_bytes = 64;
        make_plan(&made, &f);
        (void)strcat(name, "-stripped-lean");
        save(argv[1], name, &made);
    }
    save_with_tensors(argv[1]);
    text(argv[1], "lfs", lfs, sizeof(lfs) - 1);
    text(argv[1], "onnx", "\x08\x08\x12\x07pytorch\x1a\x03", 13);
    text(argv[1], "wrapper", "\x10\0\0\0{\"a\": \"bbbbbbbb\"}ptrt", 24);
    return 0;
}
