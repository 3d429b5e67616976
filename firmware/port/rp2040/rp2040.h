/* Registers of the RP2040 that the port uses (RP2040 datasheet; sections in brackets). */
#ifndef BONSAI_RP2040_H
#define BONSAI_RP2040_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* Writes to these aliases set or clear bits atomically [2.1.2]. */
#define SET_BITS(address) REG((address) + 0x2000u)
#define CLEAR_BITS(address) REG((address) + 0x3000u)

#define BIT(n) (1u << (n))

/* Between the cores [2.3.1.7] */
#define SIO_FIFO_ST 0xd0000050u
#define SIO_FIFO_WR 0xd0000054u
#define SIO_FIFO_RD 0xd0000058u
#define SIO_FIFO_VALID BIT(0)

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
#define PLL_CS 0x0u
#define PLL_PWR 0x4u
#define PLL_FBDIV 0x8u
#define PLL_PRIM 0xcu
#define PLL_LOCK BIT(31)
#define PLL_PWR_PD BIT(0)
#define PLL_PWR_POSTDIVPD BIT(3)
#define PLL_PWR_VCOPD BIT(5)

/* [2.19] */
#define GPIO_CTRL(n) (0x40014004u + 8u * (n))
#define GPIO_FUNCTION_UART 2u
#define GPIO_PAD(n) (0x4001c004u + 4u * (n))
#define PAD_PULL_UP BIT(3)
#define PAD_PULL_DOWN BIT(2)

/* [4.2] */
#define UART0_DR 0x40034000u
#define UART0_FR 0x40034018u
#define UART0_IBRD 0x40034024u
#define UART0_FBRD 0x40034028u
#define UART0_LCR_H 0x4003402cu
#define UART0_CR 0x40034030u
#define UART_FR_RXFE BIT(4)
#define UART_FR_TXFF BIT(5)
#define UART_LCR_8_BITS (3u << 5)
#define UART_LCR_FIFOS BIT(4)
#define UART_CR_RXE BIT(9)
#define UART_CR_TXE BIT(8)
#define UART_CR_ENABLE BIT(0)

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

/* USB controller [4.1.4] */
#define USB_ADDRESS 0x50110000u
#define USB_MAIN_CTRL 0x50110040u
#define USB_SIE_CTRL 0x5011004cu
#define USB_SIE_STATUS 0x50110050u
#define USB_BUFF_STATUS 0x50110058u
#define USB_STALL_ARM 0x50110068u
#define USB_MUXING 0x50110074u
#define USB_POWER 0x50110078u
#define USB_INTE 0x50110090u
#define SIE_CTRL_PULL_UP BIT(16)
#define SIE_CTRL_EP0_INTERRUPT BIT(29)
#define SIE_STATUS_SETUP BIT(17)
#define SIE_STATUS_BUS_RESET BIT(19)
#define INT_BUFF_STATUS BIT(4)
#define INT_BUS_RESET BIT(12)
#define INT_SETUP BIT(16)
#define MAIN_CTRL_ENABLE BIT(0)
#define MUXING_TO_PHY BIT(0)
#define MUXING_SOFTCON BIT(3)
#define POWER_VBUS_DETECT BIT(2)
#define POWER_VBUS_OVERRIDE BIT(3)

/* USB memory [4.1.2.5]: the setup packet, endpoint controls, buffer controls, buffers. */
#define DPRAM 0x50100000u
#define DPRAM_BYTES 0x1000u
#define ENDPOINT_CONTROL(buffer) (DPRAM + 4u * (uint32_t)(buffer))
#define ENDPOINT_ENABLE (BIT(31) | BIT(29)) /* an interrupt for each buffer */
#define ENDPOINT_BULK (2u << 26)
#define ENDPOINT_INTERRUPT (3u << 26)
#define BUFFER_FULL BIT(15)
#define BUFFER_DATA1 BIT(13)
#define BUFFER_STALL BIT(11)
#define BUFFER_AVAILABLE BIT(10)
#define BUFFER_LENGTH 0x3ffu

/* Cortex-M0+ [2.4] */
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define SYST_ENABLE BIT(0)
#define SYST_PROCESSOR_CLOCK BIT(2)
#define VTOR 0xe000ed08u
#define NVIC_ISER 0xe000e100u
#define USBCTRL_IRQ 5 /* [2.3.2] */

#endif
