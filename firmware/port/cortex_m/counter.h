/* A 64-bit counter for cores with a SysTick and, on a chip, a DWT (Armv7-M and later). It counts
 * processor cycles on a chip, and instructions in QEMU, whose time follows from instructions. */
#ifndef BONSAI_CORTEX_M_COUNTER_H
#define BONSAI_CORTEX_M_COUNTER_H

#include <stdint.h>

/* SysTick must run at CLOCK_HZ. */
void bonsai_counter_start(void);

/* In a simulator, around a wait: there time passes without instructions. No exception interrupts
 * the wait; when it ends, ticks are aligned with instructions again. */
void bonsai_counter_pause(void);
void bonsai_counter_resume(void);

/* The exception handler of SysTick. */
void bonsai_counter_wrap(void);

#endif
