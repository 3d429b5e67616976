#ifndef BONSAI_RP2040_FLASH_H
#define BONSAI_RP2040_FLASH_H

/* Sets up the fastest reads that the flash is known to support. Uses neither .data nor .bss. */
void bonsai_start_flash(void);

#endif
