/* Start-up code for all Cortex-M. The family's port defines the vector table in section .vectors:
 * the top of the stack, bonsai_reset_handler, bonsai_hang for every fault, and its interrupts. */
#ifndef BONSAI_CORTEX_M_START_H
#define BONSAI_CORTEX_M_START_H

#include <stdint.h>

/* From the linker script. */
extern uint32_t bonsai_stack_top[];

void bonsai_reset_handler(void);

/* Runs before .data is copied, so it must not use .data or .bss. Empty unless a port defines it. */
void bonsai_start_early(void);

/* Stops after a fault. A restart would hide the fault; this way the host times out and reports it.
 * */
void bonsai_hang(void);

/* Bytes between the end of static memory and the top of the stack. */
uint32_t bonsai_stack_size(void);

/* The most of these bytes that the stack has used since reset. */
uint32_t bonsai_stack_peak(void);

/* Bytes of .data and .bss. */
uint32_t bonsai_static_ram(void);

#endif
