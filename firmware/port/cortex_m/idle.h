/* Waits for a byte. */
#ifndef BONSAI_CORTEX_M_IDLE_H
#define BONSAI_CORTEX_M_IDLE_H

#include <stdint.h>

/* In QEMU, which delivers bytes slowly to a processor that polls: sleeps until the external
 * interrupt
 * is pending, another one is taken, or a spurious wake-up. The interrupt needs no handler.
 * On a chip: returns at once, because CYCCNT would stop during sleep. */
void bonsai_idle_until(uint32_t interrupt);

#endif
