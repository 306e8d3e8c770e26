/*
 * An engine that loads here, and where it lies: tn_engine_get().
 *
 *     get_engine MODEL
 */
#include <stdio.h>
#include <tenon/tenon.h>

int main(int argc, char **argv)
{
    struct tn_engine *engine = NULL;
    struct tn_error err = { 0 };

    if (argc != 2)
        return 2;
    if (tn_engine_get(NULL, argv[1], NULL, &engine, &err) < 0) {
        fprintf(stderr, "get_engine: %s\n", err.text);
        return err.code == TN_E_AGAIN ? 75 : 1;
    }
    printf("%s\n", tn_engine_path(engine));
    tn_engine_close(engine);
    return 0;
}
