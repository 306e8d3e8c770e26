/* A stand-in for libcuda.so.1 that starts. */
int cuInit(unsigned flags);

int cuInit(unsigned flags)
{
    return (int)flags;
}
