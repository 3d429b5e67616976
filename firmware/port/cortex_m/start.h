/* What all Cortex-M have in common. The family's port adds the table of vectors, in section
 * .vectors: the top of the stack, bonsai_reset_handler, bonsai_hang for every fault, and its
 * interrupts. */
#ifndef BONSAI_CORTEX_M_START_H
#define BONSAI_CORTEX_M_START_H

#include <stdint.h>

/* From the linker script. */
extern uint32_t bonsai_stack_top[];

void bonsai_reset_handler(void);

/* What has to come before .data is copied, without .data and .bss; nothing unless a port has it. */
void bonsai_start_early(void);

/* A fault is not hidden by a restart: the board falls silent, and the host's time-out tells. */
void bonsai_hang(void);

/* Bytes between the end of static memory and the top of the stack. */
uint32_t bonsai_stack_size(void);

/* The most of them that the stack has used since reset. */
uint32_t bonsai_stack_peak(void);

/* .data and .bss. */
uint32_t bonsai_static_ram(void);

#endif
