/* Runs of the model, counted. The constant cost of counting is measured once and taken off. */
#ifndef BONSAI_COUNTERS_H
#define BONSAI_COUNTERS_H

#include <stdint.h>

/* Measures what counting itself costs. */
void bonsai_counters_start(void);

/* One run with nothing but the run between the two readings. Returns its count. */
uint64_t bonsai_count_run(void);

/* One run with a reading after each step, kept in bonsai_model.counts. Returns the whole's count,
 * readings included. */
uint64_t bonsai_count_steps(void);

#endif
