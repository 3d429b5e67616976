/* What is special to an RP2350: the block by which its boot ROM knows an image, and the boot loader. */
#include "chip.h"

/* IMAGE_DEF [5.9.5]: start, type (executable, secure, Arm, RP2350), last item (one word before it), the
 * next block (none), end. The boot ROM finds it in the first 4 KB, and takes the vector table at the
 * start of the image. */
__attribute__((section(".image_def"), used)) static const uint32_t image_def[] = {
    0xffffded3u, 0x10210142u, 0x000001ffu, 0x00000000u, 0xab123579u,
};

/* A pointer in the boot ROM, placed by the linker script [5.4.1]. */
extern const uint16_t bonsai_rom_lookup;

#define ROM_ARM_SECURE 0x0004u
#define REBOOT_BOOTSEL 0x0002u
#define REBOOT_DOES_NOT_RETURN 0x0100u

/* The boot ROM has set up quad reads at a third of the processor's clock [5.7]. */
void bonsai_chip_start_flash(void)
{
}

/* Asks the boot ROM for reboot [5.4.8.24]. */
void bonsai_chip_enter_boot_loader(void)
{
    typedef void *lookup(uint32_t code, uint32_t mask);
    typedef int32_t reboot(uint32_t flags, uint32_t delay_ms, uint32_t p0, uint32_t p1);
    lookup *find = (lookup *)(uintptr_t)bonsai_rom_lookup;
    void *found = find('R' | 'B' << 8, ROM_ARM_SECURE);
    ((reboot *)(uintptr_t)found)(REBOOT_BOOTSEL | REBOOT_DOES_NOT_RETURN, 10, 0, 0);
}
