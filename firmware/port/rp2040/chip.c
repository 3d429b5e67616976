#include "chip.h"

/* Pointers in the boot ROM, placed by the linker script [2.8.3]. */
extern const uint16_t bonsai_rom_functions, bonsai_rom_find_function;

/* Asks the boot ROM's table of functions for reset_to_usb_boot [2.8.3]. */
void bonsai_chip_enter_boot_loader(void)
{
    typedef void *find_function(const void *table, uint32_t code);
    typedef void reset_to_usb_boot(uint32_t activity_pins, uint32_t disabled_interfaces);
    find_function *find = (find_function *)(uintptr_t)bonsai_rom_find_function;
    const void *found = find((const void *)(uintptr_t)bonsai_rom_functions, 'U' | 'B' << 8);
    ((reset_to_usb_boot *)(uintptr_t)found)(0, 0);
}
