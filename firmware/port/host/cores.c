/* Two threads, which run at the same time if the machine has two free processors. */
#include "cores.h"

#include <pthread.h>
#include <stddef.h>

struct work {
    bonsai_half *half;
    int8_t *arena;
};

static void *compute(void *context)
{
    const struct work *const work = context;
    work->half(work->arena);
    return NULL;
}

void bonsai_both(bonsai_half *first, bonsai_half *second, int8_t *arena)
{
    struct work work = {second, arena};
    pthread_t thread;
    const int failed = pthread_create(&thread, NULL, compute, &work);
    first(arena);
    if (failed != 0) {
        second(arena);
    } else {
        pthread_join(thread, NULL);
    }
}
