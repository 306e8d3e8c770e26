/*
 * tenon-probe LIBRARY: opens a TensorRT library and prints the version that it states, "10.6.0.26".
 *
 * A program of its own, since opening a library runs its code: a crash or a hang here is an answer,
 * not the caller's end. Exit: 0 printed, 1 the library cannot be opened, 2 it does not tell
 * (TensorRT 8.x has no build number in code).
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int32_t (*part_fn)(void);

int main(int argc, char **argv)
{
    static const char *const names[] = { "getInferLibMajorVersion", "getInferLibMinorVersion",
                                         "getInferLibPatchVersion", "getInferLibBuildVersion" };
    int part[4];
    void *library;

    if (argc != 2)
        return 2;
    library = dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        (void)fprintf(stderr, "tenon-probe: %s\n", dlerror());
        return 1;
    }
    for (int i = 0; i < 4; i++) {
        void *symbol = dlsym(library, names[i]);
        part_fn ask;

        if (!symbol)
            return 2;
        memcpy(&ask, &symbol, sizeof(ask)); /* ISO C has no cast from object to function pointer */
        part[i] = ask();
    }
    (void)printf("%d.%d.%d.%d\n", part[0], part[1], part[2], part[3]);
    return fflush(stdout) == 0 ? 0 : 1;
}
