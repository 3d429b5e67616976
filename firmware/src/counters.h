/* Counted runs of the model. The constant cost of counting is measured once and subtracted. */
#ifndef BONSAI_COUNTERS_H
#define BONSAI_COUNTERS_H

#include <stdint.h>

/* Measures the cost of counting. */
void bonsai_counters_start(void);

/* One run with nothing but the run between the two readings. Returns its count. */
uint64_t bonsai_count_run(void);

/* One run with a reading after each step, stored in bonsai_model.counts. Returns the count of the
 * whole run, readings included. */
uint64_t bonsai_count_steps(void);

#endif
