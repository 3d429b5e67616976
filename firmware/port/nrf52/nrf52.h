/* Registers of the nRF52840 that the port uses (nRF52840 Product Specification 1.7; sections in
 * brackets). */
#ifndef BONSAI_NRF52_H
#define BONSAI_NRF52_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

/* Clocks [5.4]: the processor always runs at 64 MHz; the crystal makes the rate exact. */
#define CLOCK_HFCLKSTART 0x40000000u
#define CLOCK_HFCLKSTARTED 0x40000100u

/* Kept over a reset, for a boot loader [5.3.7] */
#define POWER_GPREGRET 0x4000051cu

/* The supply of USB [5.3.1.8, 5.3.7] */
#define POWER_USBREGSTATUS 0x40000438u
#define POWER_VBUS 1u
#define POWER_USB_READY 2u

/* USB device [6.35.14]; endpoint registers are numbered */
#define USBD_STARTEPIN(n) (0x40027004u + 4u * (n))
#define USBD_STARTEPOUT(n) (0x40027028u + 4u * (n))
#define USBD_EP0RCVOUT 0x4002704cu
#define USBD_EP0STATUS 0x40027050u
#define USBD_EP0STALL 0x40027054u
#define USBD_USBRESET 0x40027100u
#define USBD_ENDEPIN(n) (0x40027108u + 4u * (n))
#define USBD_EP0DATADONE 0x40027128u
#define USBD_ENDEPOUT(n) (0x40027130u + 4u * (n))
#define USBD_SOF 0x40027154u
#define USBD_EP0SETUP 0x4002715cu
#define USBD_EPDATA 0x40027160u
#define USBD_INTENSET 0x40027304u
#define USBD_INTENCLR 0x40027308u
#define USBD_INT_USBRESET (1u << 0)
#define USBD_INT_EP0DATADONE (1u << 10)
#define USBD_INT_SOF (1u << 21)
#define USBD_INT_EP0SETUP (1u << 23)
#define USBD_INT_EPDATA (1u << 24)
#define USBD_EVENTCAUSE 0x40027400u
#define USBD_READY (1u << 11)
#define USBD_EPDATASTATUS 0x4002746cu
#define USBD_SETUP_BYTE(n) (0x40027480u + 4u * (n))
#define USBD_SIZE_EPOUT(n) (0x400274a0u + 4u * (n))
#define USBD_ENABLE 0x40027500u
#define USBD_USBPULLUP 0x40027504u
#define USBD_DTOGGLE 0x4002750cu
#define USBD_DTOGGLE_DATA0 (1u << 8)
#define USBD_EPINEN 0x40027510u
#define USBD_EPOUTEN 0x40027514u
#define USBD_EPSTALL 0x40027518u
#define USBD_EPIN_PTR(n) (0x40027600u + 0x14u * (n))
#define USBD_EPIN_MAXCNT(n) (0x40027604u + 0x14u * (n))
#define USBD_EPOUT_PTR(n) (0x40027700u + 0x14u * (n))
#define USBD_EPOUT_MAXCNT(n) (0x40027704u + 0x14u * (n))
#define USBD_IRQ 39

/* Registers that only the errata name: 166, 171, 187, 199 */
#define ERRATUM_166_PLACE 0x40027800u
#define ERRATUM_166_VALUE 0x40027804u
#define HIDDEN_KEY 0x4006ec00u
#define HIDDEN_KEY_VALUE 0x9375u
#define ERRATUM_171 0x4006ec14u
#define ERRATUM_187 0x4006ed14u
#define USBD_DMA_BUSY 0x40027c1cu
#define USBD_DMA_IS_BUSY 0x82u

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
#define NVIC_ISER(irq) (0xe000e100u + 4u * ((irq) / 32u))
#define DWT_CYCCNT 0xe0001004u

struct bonsai_nrf52_vectors {
    uint32_t *stack;
    void (*exception[15])(void);
    void (*interrupt[USBD_IRQ + 1])(void);
};

extern const struct bonsai_nrf52_vectors bonsai_nrf52_vectors;

#endif
