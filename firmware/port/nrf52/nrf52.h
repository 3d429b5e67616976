/* Registers of the nRF52840 that the port uses (nRF52840 Product Specification 1.7; sections in brackets). */
#ifndef BONSAI_NRF52_H
#define BONSAI_NRF52_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

/* Clocks [5.4]: the processor always runs at 64 MHz; the crystal makes the rate exact. */
#define CLOCK_HFCLKSTART 0x40000000u
#define CLOCK_HFCLKSTARTED 0x40000100u

/* Kept over a reset, for a boot loader [5.3.7] */
#define POWER_GPREGRET 0x4000051cu

/* Instruction cache [4.3] */
#define NVMC_ICACHECNF 0x4001e540u
#define NVMC_ICACHE_ENABLED 1u

/* Pins [6.9]: port 0 has pins 0 to 31, port 1 has 32 to 47. */
#define GPIO_BASE(pin) ((pin) < 32u ? 0x50000000u : 0x50000300u)
#define GPIO_OUTSET(pin) (GPIO_BASE(pin) + 0x508u)
#define GPIO_PIN_CNF(pin) (GPIO_BASE(pin) + 0x700u + 4u * ((pin) % 32u))
#define PIN_OUTPUT 3u       /* and its input buffer is off */
#define PIN_INPUT_PULL_UP (3u << 2)

/* UART0 [6.33], without EasyDMA */
#define UART_STARTRX 0x40002000u
#define UART_STARTTX 0x40002008u
#define UART_RXDRDY 0x40002108u
#define UART_TXDRDY 0x4000211cu
#define UART_ENABLE 0x40002500u
#define UART_PSEL_TXD 0x4000250cu
#define UART_PSEL_RXD 0x40002514u
#define UART_RXD 0x40002518u
#define UART_TXD 0x4000251cu
#define UART_BAUDRATE 0x40002524u
#define UART_CONFIG 0x4000256cu
#define UART_ENABLED 4u

/* System control block (Armv7-M Architecture Reference Manual, B3.2) */
#define SCB_VTOR 0xe000ed08u
#define SCB_AIRCR 0xe000ed0cu
#define SCB_AIRCR_SYSRESETREQ (0x05fa0000u | 1u << 2)

#endif
