#ifndef BONSAI_RP2040_START_H
#define BONSAI_RP2040_START_H

#include <stdint.h>

/* Bytes between the end of static memory and the top of the stack. */
uint32_t stack_size(void);

/* The most of them that the stack has used since reset. */
uint32_t stack_peak(void);

/* .data and .bss. */
uint32_t static_ram(void);

#endif
