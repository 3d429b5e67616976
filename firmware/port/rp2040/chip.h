/* Registers of the RP2040 that the port uses (RP2040 datasheet; sections in brackets). */
#ifndef BONSAI_RP2040_CHIP_H
#define BONSAI_RP2040_CHIP_H

#include "rp2.h"

/* Between the cores [2.3.1.7] */
#define SIO_FIFO_ST 0xd0000050u
#define SIO_FIFO_WR 0xd0000054u
#define SIO_FIFO_RD 0xd0000058u
#define SIO_FIFO_VALID BIT(0)

/* [2.3.2] */
#define USBCTRL_IRQ 5

/* [2.13] */
#define PSM_FRCE_OFF 0x40010004u
#define PSM_PROC1 BIT(16)

/* [2.14] */
#define RESETS_RESET 0x4000c000u
#define RESETS_DONE 0x4000c008u
#define RESET_IO_BANK0 BIT(5)
#define RESET_PADS_BANK0 BIT(8)
#define RESET_PLL_SYS BIT(12)
#define RESET_PLL_USB BIT(13)
#define RESET_TIMER BIT(21)
#define RESET_UART0 BIT(22)
#define RESET_USBCTRL BIT(24)

/* [2.15] */
#define CLK_REF_CTRL 0x40008030u
#define CLK_REF_SELECTED 0x40008038u
#define CLK_SYS_CTRL 0x4000803cu
#define CLK_SYS_DIV 0x40008040u
#define CLK_SYS_DIV_ONE (1u << 8)
#define CLK_SYS_SELECTED 0x40008044u
#define CLK_PERI_CTRL 0x40008048u
#define CLK_USB_CTRL 0x40008054u
#define CLK_SYS_RESUS_CTRL 0x40008078u

/* [2.16] */
#define XOSC_CTRL 0x40024000u
#define XOSC_STATUS 0x40024004u
#define XOSC_STARTUP 0x4002400cu

/* [2.18]: offsets from PLL_SYS and PLL_USB */
#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002c000u

/* [2.19] */
#define GPIO_CTRL(n) (0x40014004u + 8u * (n))
#define GPIO_PAD(n) (0x4001c004u + 4u * (n))
#define PAD_ISOLATED 0u /* the RP2350 isolates pads after reset */

/* [4.2] */
#define UART0_DR 0x40034000u
#define UART0_FR 0x40034018u
#define UART0_IBRD 0x40034024u
#define UART0_FBRD 0x40034028u
#define UART0_LCR_H 0x4003402cu
#define UART0_CR 0x40034030u

/* Flash: pads [2.19.6.3] and interface [4.10.13] */
#define QSPI_PAD_CLOCK 0x40020004u
#define QSPI_PAD_DATA(n) (0x40020008u + 4u * (n))
#define PAD_FAST BIT(0)
#define PAD_SCHMITT BIT(1)
#define PAD_DRIVE_8MA (2u << 4)
#define SSI_CTRLR0 0x18000000u
#define SSI_CTRLR1 0x18000004u
#define SSI_ENABLE 0x18000008u
#define SSI_BAUDR 0x18000014u
#define SSI_STATUS 0x18000028u
#define SSI_DATA 0x18000060u
#define SSI_SAMPLE_DELAY 0x180000f0u
#define SSI_SPI_CTRLR0 0x180000f4u
#define SSI_BUSY BIT(0)
#define SSI_SENT BIT(2)
/* Fields of CTRLR0: frame size, read after the transmission, width. */
#define SSI_8_BITS (7u << 16)
#define SSI_32_BITS (31u << 16)
#define SSI_READ (3u << 8)
#define SSI_QUAD (2u << 21)
/* Fields of SPI_CTRLR0. */
#define SSI_COMMAND_SERIAL 1u
#define SSI_ALL_QUAD 2u
#define SSI_ADDRESS_24 (6u << 2)
#define SSI_ADDRESS_32 (8u << 2) /* 24 of address, 8 of mode */
#define SSI_COMMAND_8 (2u << 8)
#define SSI_WAIT(clocks) ((clocks) << 11)
#define SSI_XIP_COMMAND(byte) ((byte) << 24)

/* [4.6], [4.7] */
#define TIMER_RAW_LOW 0x40054028u
#define WATCHDOG_TICK 0x4005802cu
#define WATCHDOG_TICK_ENABLE BIT(9)

/* Starts the tick of a microsecond for the timer. */
static inline void start_ticks(void)
{
    REG(WATCHDOG_TICK) = WATCHDOG_TICK_ENABLE | XOSC_HZ / 1000000u;
}

#endif
