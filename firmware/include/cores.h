/* The interface of a port with two cores, in addition to port.h. */
#ifndef BONSAI_CORES_H
#define BONSAI_CORES_H

#include <stdint.h>

/* A half of a step of the model. */
typedef void bonsai_half(int8_t *arena);

/* Runs both halves at the same time, or one after the other if the second core does not answer.
 * Returns when both are done. Called by the model, on one core only. */
void bonsai_both(bonsai_half *first, bonsai_half *second, int8_t *arena);

#endif
