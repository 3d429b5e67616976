#ifndef BONSAI_RP2040_FLASH_H
#define BONSAI_RP2040_FLASH_H

/* Lets the flash be read as fast as it is known to allow. Needs neither .data nor .bss. */
void bonsai_start_flash(void);

#endif
