/* Fast reads of the flash. The second stage of the boot has set up the plain 03h command at a
 * quarter
 * of the processor's clock, which every serial flash supports. If the flash identifies itself as
 * one
 * of the families below, reads become quad: command EBh in continuous mode, at half the clock. A
 * cache
 * miss of 8 bytes then takes 28 flash clocks (8 address and mode, 4 dummy, 16 data) instead of 96.
 * */
#include "chip.h"

/* Commands that the families share (Winbond W25Q16JV datasheet, 8.1). */
#define READ_ID 0x9fu
#define READ_STATUS_2 0x35u
#define WRITE_STATUS_2 0x31u
/* The write that follows is volatile: it is lost without power and does not wear the flash. */
#define VOLATILE_WRITE_ENABLE 0x50u
#define QUAD_ENABLE 0x02u /* in status register 2 */
#define QUAD_READ 0xebu
/* Mode bits: the next read is sent without its command. */
#define CONTINUOUS 0xa0u

/* First byte of the answer to READ_ID. */
#define WINBOND 0xefu
#define GIGADEVICE 0xc8u

#define WORDS 128 /* capacity for the code between the linker script's marks */
extern const uint32_t bonsai_run_from_ram_start[], bonsai_run_from_ram_end[];

/* The code below runs while the flash cannot be read, so it must not call functions or read
 * constants outside of itself. */
#define IN_RAM static __attribute__((section(".run_from_ram"), used))
#define INLINED static inline __attribute__((always_inline))

INLINED void set_up(uint32_t divider, uint32_t control, uint32_t spi_control)
{
    REG(SSI_ENABLE) = 0; /* registers change only while it is off */
    REG(SSI_BAUDR) = divider;
    REG(SSI_CTRLR0) = control;
    REG(SSI_CTRLR1) = 0; /* one frame a read */
    REG(SSI_SPI_CTRLR0) = spi_control;
    REG(SSI_ENABLE) = 1;
}

INLINED void wait_until_sent(void)
{
    while ((REG(SSI_STATUS) & (SSI_SENT | SSI_BUSY)) != SSI_SENT) {
    }
}

/* Sends a command and one byte; returns the byte received with the latter. */
INLINED uint32_t command(uint32_t opcode, uint32_t byte)
{
    REG(SSI_DATA) = opcode;
    REG(SSI_DATA) = byte;
    wait_until_sent();
    (void)REG(SSI_DATA);
    return REG(SSI_DATA);
}

IN_RAM void choose_reads(void)
{
    set_up(4, SSI_8_BITS, 0);
    const uint32_t maker = command(READ_ID, 0);
    uint32_t status = 0;
    if (maker == WINBOND || maker == GIGADEVICE) {
        status = command(READ_STATUS_2, 0);
        if ((status & QUAD_ENABLE) == 0) {
            REG(SSI_DATA) = VOLATILE_WRITE_ENABLE;
            wait_until_sent();
            (void)REG(SSI_DATA);
            (void)command(WRITE_STATUS_2, status | QUAD_ENABLE);
            status = command(READ_STATUS_2, 0);
        }
    }
    if ((status & QUAD_ENABLE) == 0) {
        set_up(4, SSI_32_BITS | SSI_READ, SSI_XIP_COMMAND(0x03u) | SSI_COMMAND_8 | SSI_ADDRESS_24);
        return;
    }
    /* The first quad read tells the flash that later reads are sent without a command. */
    set_up(2, SSI_QUAD | SSI_32_BITS | SSI_READ,
           SSI_COMMAND_8 | SSI_ADDRESS_32 | SSI_WAIT(4u) | SSI_COMMAND_SERIAL);
    REG(SSI_DATA) = QUAD_READ;
    REG(SSI_DATA) = CONTINUOUS;
    wait_until_sent();
    set_up(2, SSI_QUAD | SSI_32_BITS | SSI_READ,
           SSI_XIP_COMMAND(CONTINUOUS) | SSI_ADDRESS_32 | SSI_WAIT(4u) | SSI_ALL_QUAD);
}

void bonsai_chip_start_flash(void)
{
    /* Clock pad 8 mA and fast, data pads without Schmitt triggers, for the set-up time at 62.5 MHz
     * [2.19.6.3]. */
    REG(QSPI_PAD_CLOCK) = PAD_DRIVE_8MA | PAD_FAST;
    for (uint32_t pad = 0; pad < 4; pad++) {
        CLEAR_BITS(QSPI_PAD_DATA(pad)) = PAD_SCHMITT;
    }
    REG(SSI_SAMPLE_DELAY) = 1;
    /* .data is not in RAM yet, so the code runs from the stack. */
    uint32_t code[WORDS];
    const uint32_t *from = bonsai_run_from_ram_start;
    for (uint32_t *to = code; from < bonsai_run_from_ram_end; to++) {
        *to = *from++;
    }
    ((void (*)(void))((uintptr_t)code | 1u))();
}
