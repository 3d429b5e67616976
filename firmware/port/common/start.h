/* Start-up code for all boards. The family's port jumps to bonsai_reset_handler at reset, with the
 * stack pointer at bonsai_stack_top, and to bonsai_hang for every fault. */
#ifndef BONSAI_START_H
#define BONSAI_START_H

#include <stdint.h>

/* From the linker script. */
extern uint32_t bonsai_stack_top[];

void bonsai_reset_handler(void);

/* Runs before .data is copied, so it must not use .data or .bss. Empty unless a port defines it. */
void bonsai_start_early(void);

/* Stops after a fault. A restart would hide the fault; this way the host times out and reports it.
 * */
void bonsai_hang(void);

#endif
