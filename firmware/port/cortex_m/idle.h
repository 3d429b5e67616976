/* Waiting for a byte. */
#ifndef BONSAI_CORTEX_M_IDLE_H
#define BONSAI_CORTEX_M_IDLE_H

#include <stdint.h>

/* In QEMU, which passes bytes on slowly to a processor that polls: sleeps until the external
 * interrupt is pending, another is taken, or for no reason at all. It needs no handler.
 * On a chip: returns at once, because CYCCNT would sleep as well. */
void bonsai_idle_until(uint32_t interrupt);

#endif
