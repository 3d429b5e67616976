/* The link in QEMU: Arm's semihosting. QEMU's UARTs take a byte at a time, which costs the host a
 * hundred times as much. */
#ifndef BONSAI_CORTEX_M_SEMIHOSTING_H
#define BONSAI_CORTEX_M_SEMIHOSTING_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this is QEMU: a chip without a debugger stops at a semihosting call. */
bool bonsai_semihosting_present(void);

/* Sleeps until there is a byte, and returns it. */
int32_t bonsai_semihosting_read(void);

void bonsai_semihosting_write(const uint8_t *bytes, int32_t length);

#endif
