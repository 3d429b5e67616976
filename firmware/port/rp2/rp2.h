/* What the RP2040 and the RP2350 have in common (RP2040 datasheet; sections in brackets). Addresses that
 * differ are in chip.h of each. */
#ifndef BONSAI_RP2_H
#define BONSAI_RP2_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* Writes to these aliases set or clear bits atomically [2.1.2]. */
#define SET_BITS(address) REG((address) + 0x2000u)
#define CLEAR_BITS(address) REG((address) + 0x3000u)

#define BIT(n) (1u << (n))

/* Phase-locked loops [2.18]: offsets from PLL_SYS and PLL_USB */
#define PLL_CS 0x0u
#define PLL_PWR 0x4u
#define PLL_FBDIV 0x8u
#define PLL_PRIM 0xcu
#define PLL_LOCK BIT(31)
#define PLL_PWR_PD BIT(0)
#define PLL_PWR_POSTDIVPD BIT(3)
#define PLL_PWR_VCOPD BIT(5)

/* Pins [2.19] */
#define GPIO_FUNCTION_UART 2u
#define PAD_INPUT BIT(6)
#define PAD_PULL_UP BIT(3)
#define PAD_PULL_DOWN BIT(2)

/* UART [4.2] */
#define UART_FR_RXFE BIT(4)
#define UART_FR_TXFF BIT(5)
#define UART_LCR_8_BITS (3u << 5)
#define UART_LCR_FIFOS BIT(4)
#define UART_CR_RXE BIT(9)
#define UART_CR_TXE BIT(8)
#define UART_CR_ENABLE BIT(0)

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

/* The processor's own (Armv6-M and Armv8-M Architecture Reference Manuals) */
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define SYST_ENABLE BIT(0)
#define SYST_PROCESSOR_CLOCK BIT(2)
#define VTOR 0xe000ed08u
#define NVIC_ISER 0xe000e100u

/* What differs between the chips and is not an address; called by port.c of rp2. */

/* Before .data is copied: fast reads of the flash. */
void bonsai_chip_start_flash(void);

void bonsai_chip_enter_boot_loader(void);

#endif
