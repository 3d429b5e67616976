/* The vector table of ports whose only interrupt is that of the counter. */
#include "vectors.h"

#include "counter.h"
#include "start.h"

__attribute__((section(".vectors"), used)) const struct bonsai_vectors bonsai_vectors = {
    .stack = bonsai_stack_top,
    .exception =
        {
            [0] = bonsai_reset_handler,
            [1] = bonsai_hang,
            [2] = bonsai_hang,
            [14] = bonsai_counter_wrap,
        },
};
