/* The vector table of ports whose only interrupt is that of the counter. */
#ifndef BONSAI_CORTEX_M_VECTORS_H
#define BONSAI_CORTEX_M_VECTORS_H

#include <stdint.h>

struct bonsai_vectors {
    uint32_t *stack;
    void (*exception[15])(void);
};

extern const struct bonsai_vectors bonsai_vectors;

#endif
