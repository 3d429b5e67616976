/* Addresses of the RP2350 (RP2350 datasheet; sections in brackets; its device headers). */
#ifndef BONSAI_RP2350_CHIP_H
#define BONSAI_RP2350_CHIP_H

#include "rp2.h"

/* Interrupts [3.2] */
#define USBCTRL_IRQ 14

/* Resets [7.5] */
#define RESETS_RESET 0x40020000u
#define RESETS_DONE 0x40020008u
#define RESET_IO_BANK0 BIT(6)
#define RESET_PADS_BANK0 BIT(9)
#define RESET_PLL_SYS BIT(14)
#define RESET_PLL_USB BIT(15)
#define RESET_TIMER BIT(23)
#define RESET_UART0 BIT(26)
#define RESET_USBCTRL BIT(28)

/* Clocks [8.1] */
#define CLK_REF_CTRL 0x40010030u
#define CLK_REF_SELECTED 0x40010038u
#define CLK_SYS_CTRL 0x4001003cu
#define CLK_SYS_DIV 0x40010040u
#define CLK_SYS_DIV_ONE (1u << 16)
#define CLK_SYS_SELECTED 0x40010044u
#define CLK_PERI_CTRL 0x40010048u
#define CLK_USB_CTRL 0x40010060u
#define CLK_SYS_RESUS_CTRL 0x40010084u

/* Crystal oscillator [8.2] */
#define XOSC_CTRL 0x40048000u
#define XOSC_STATUS 0x40048004u
#define XOSC_STARTUP 0x4004800cu

/* Phase-locked loops [8.6] */
#define PLL_SYS 0x40050000u
#define PLL_USB 0x40058000u

/* Pins [9.11]: pads are isolated, and their inputs off, after reset. */
#define GPIO_CTRL(n) (0x40028004u + 8u * (n))
#define GPIO_PAD(n) (0x40038004u + 4u * (n))
#define PAD_ISOLATED BIT(8)

/* UART0 [12.1] */
#define UART0_DR 0x40070000u
#define UART0_FR 0x40070018u
#define UART0_IBRD 0x40070024u
#define UART0_FBRD 0x40070028u
#define UART0_LCR_H 0x4007002cu
#define UART0_CR 0x40070030u

/* TIMER0 [12.8] and its tick [8.5] */
#define TIMER_RAW_LOW 0x400b0028u
#define TICKS_TIMER0_CTRL 0x40108018u
#define TICKS_TIMER0_CYCLES 0x4010801cu
#define TICKS_ENABLE BIT(0)

/* Starts the tick of a microsecond for the timer. */
static inline void start_ticks(void)
{
    REG(TICKS_TIMER0_CYCLES) = XOSC_HZ / 1000000u;
    REG(TICKS_TIMER0_CTRL) = TICKS_ENABLE;
}

#endif
