#include "counters.h"

#include <stddef.h>

#include "model.h"
#include "port.h"

#define CALIBRATIONS 4

/* The context of one run. */
struct counter {
    uint64_t start; /* the reading before the run */
    uint64_t left;  /* the reading when the last step's hook returned */
    uint64_t *counts;
    uint64_t step_cost; /* what the hook measures for an empty step */
};

static uint64_t run_cost;
static uint64_t step_cost;

/* With jitter (a host's clock) a count may be less than the constant cost. */
static uint64_t less(uint64_t count, uint64_t cost)
{
    return count > cost ? count - cost : 0;
}

/* Not inlined, so that calibration and measurement execute the same instructions. */
__attribute__((noinline)) static uint64_t timed(bonsai_run *run, bonsai_hook *hook,
                                                struct counter *counter)
{
    counter->start = bonsai_port_count();
    counter->left = counter->start;
    run(bonsai_model.arena, hook, counter);
    return bonsai_port_count() - counter->start;
}

static void end_step(void *context, int32_t step)
{
    struct counter *counter = context;
    /* A step of a loop runs several times. */
    counter->counts[step] += less(bonsai_port_count() - counter->left, counter->step_cost);
    counter->left = bonsai_port_count();
}

static void run_nothing(void *arena, bonsai_hook *hook, void *context)
{
    (void)arena;
    (void)hook;
    (void)context;
}

static void run_empty_steps(void *arena, bonsai_hook *hook, void *context)
{
    (void)arena;
    hook(context, 0);
    hook(context, 1);
}

void bonsai_counters_start(void)
{
    /* Volatile pointers hide the functions from the compiler, which would specialize copies. */
    bonsai_run *volatile nothing = run_nothing;
    bonsai_run *volatile empty_steps = run_empty_steps;
    run_cost = UINT64_MAX;
    step_cost = UINT64_MAX;
    /* The least of a few runs, since the first ones fill the instruction cache. */
    for (int32_t i = 0; i < CALIBRATIONS; i++) {
        uint64_t counts[2] = {0, 0};
        struct counter counter = {.counts = counts};
        const uint64_t count = timed(nothing, NULL, &counter);
        timed(empty_steps, end_step, &counter);
        run_cost = count < run_cost ? count : run_cost;
        step_cost = counts[1] < step_cost ? counts[1] : step_cost;
    }
}

uint64_t bonsai_count_run(void)
{
    struct counter counter = {.counts = NULL};
    return less(timed(bonsai_model.run, NULL, &counter), run_cost);
}

uint64_t bonsai_count_steps(void)
{
    for (int32_t step = 0; step < bonsai_model.steps; step++) {
        bonsai_model.counts[step] = 0;
    }
    struct counter counter = {.counts = bonsai_model.counts, .step_cost = step_cost};
    return less(timed(bonsai_model.run, end_step, &counter), run_cost);
}
