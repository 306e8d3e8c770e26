/*
 * Writes a plan as a TensorRT of some release would for some GPU, for the stand-in of trtexec:
 *
 *     make-plan FILE VERSION [FACT=NUMBER]…      VERSION of four parts, 6.0 or later
 *
 * FACT: cc_major cc_minor sms bus l2 core memory_clock memory integrated weights.
 */
#include "../unit/plan/make_plan.h"

#include <stdio.h>
#include <stdlib.h>

static bool take(struct made_facts *facts, const char *word)
{
    char name[32];
    unsigned long long value;

    if (sscanf(word, "%31[a-z0-9_]=%llu", name, &value) != 2)
        return false;
    if (strcmp(name, "cc_major") == 0)
        facts->cc_major = (uint32_t)value;
    else if (strcmp(name, "cc_minor") == 0)
        facts->cc_minor = (uint32_t)value;
    else if (strcmp(name, "sms") == 0)
        facts->sms = (uint32_t)value;
    else if (strcmp(name, "bus") == 0)
        facts->bus = (uint32_t)value;
    else if (strcmp(name, "l2") == 0)
        facts->l2 = value;
    else if (strcmp(name, "core") == 0)
        facts->core = (uint32_t)value;
    else if (strcmp(name, "memory_clock") == 0)
        facts->memory_clock = (uint32_t)value;
    else if (strcmp(name, "memory") == 0)
        facts->memory = value;
    else if (strcmp(name, "integrated") == 0)
        facts->integrated = value != 0;
    else if (strcmp(name, "weights") == 0)
        facts->weights = value;
    else
        return false;
    return true;
}

/* The newest generation that is not younger. */
static const struct made_kind *kind_of(const unsigned version[4])
{
    const struct made_kind *best = NULL;

    for (size_t i = 0; i < sizeof(made_kinds) / sizeof(made_kinds[0]); i++) {
        const struct made_kind *kind = &made_kinds[i];

        if (kind->envelope != MADE_RTX &&
            (kind->version[0] < version[0] ||
             (kind->version[0] == version[0] && kind->version[1] <= version[1])))
            best = kind;
    }
    return best;
}

int main(int argc, char **argv)
{
    static struct made made;
    struct made_facts facts;
    struct made_kind kind;
    unsigned version[4];
    FILE *file;

    if (argc < 3 ||
        sscanf(argv[2], "%u.%u.%u.%u", &version[0], &version[1], &version[2], &version[3]) != 4 ||
        !kind_of(version))
        return 2;
    kind = *kind_of(version);
    for (int i = 0; i < 4; i++)
        kind.version[i] = (unsigned char)version[i];
    facts = made_facts_of(&kind);
    for (int i = 3; i < argc; i++)
        if (!take(&facts, argv[i]))
            return 2;
    make_plan(&made, &facts);
    file = fopen(argv[1], "we");
    if (!file || fwrite(made.data, 1, made.size, file) != made.size)
        return 1;
    return fclose(file) == 0 ? 0 : 1;
}
