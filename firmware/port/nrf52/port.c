#include "port.h"

#include "counter.h"
#include "nrf52.h"
#include "start.h"
#include "usb.h"
#include "usb_cdc.h"
#include "usb_controller.h"

#define LINK_UART 0
#define LINK_USB 1
const int32_t bonsai_port_links = 2;

_Static_assert(CLOCK_HZ == 64000000u, "the processor has one clock [5.4]");
_Static_assert(UART_TX_PIN < 48 && UART_RX_PIN < 48, "P0.00 to P1.15");

/* The rate in units of 16 MHz / 2^32, in steps of 2^12 [6.33]: 115 200 baud is 0x01d7e000. */
#define BAUD_SETTING \
    ((uint32_t)(((uint64_t)BAUD_RATE << 32) / 16000000u + 0x800u) & 0xfffff000u)

static void start_clock(void)
{
    REG(CLOCK_HFCLKSTARTED) = 0;
    REG(CLOCK_HFCLKSTART) = 1;
    while (REG(CLOCK_HFCLKSTARTED) == 0) {
    }
    REG(NVMC_ICACHECNF) = NVMC_ICACHE_ENABLED;
}

static void start_uart(void)
{
    REG(GPIO_OUTSET(UART_TX_PIN)) = 1u << UART_TX_PIN % 32u; /* an idle line is high */
    REG(GPIO_PIN_CNF(UART_TX_PIN)) = PIN_OUTPUT;
    REG(GPIO_PIN_CNF(UART_RX_PIN)) = PIN_INPUT_PULL_UP; /* an open line reads as silence */
    /* A pin's number has the port in bit 5, so it is the value of the register. */
    REG(UART_PSEL_TXD) = UART_TX_PIN;
    REG(UART_PSEL_RXD) = UART_RX_PIN;
    REG(UART_BAUDRATE) = BAUD_SETTING;
    REG(UART_CONFIG) = 0; /* no parity, one stop bit, no flow control */
    REG(UART_ENABLE) = UART_ENABLED;
    REG(UART_RXDRDY) = 0;
    REG(UART_STARTRX) = 1;
    REG(UART_STARTTX) = 1;
}

void bonsai_port_start(void)
{
    /* If a boot loader started the program, the vector table is still the boot loader's. */
    REG(SCB_VTOR) = (uint32_t)(uintptr_t)&bonsai_nrf52_vectors;
    start_clock();
    bonsai_counter_start();
    start_uart();
    bonsai_usb_start();
}

int32_t bonsai_port_read(int32_t link)
{
    if (link == LINK_USB) {
        bonsai_usb_follow_cable();
        return bonsai_usb_read();
    }
    if (REG(UART_RXDRDY) == 0) {
        return -1;
    }
    REG(UART_RXDRDY) = 0; /* before the byte is read, so that the next one sets it again */
    return (int32_t)(REG(UART_RXD) & 0xffu);
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        if (link == LINK_USB) {
            bonsai_usb_write(bytes[i]);
            continue;
        }
        REG(UART_TXDRDY) = 0;
        REG(UART_TXD) = bytes[i];
        while (REG(UART_TXDRDY) == 0) {
        }
    }
}

void bonsai_port_flush(int32_t link)
{
    if (link == LINK_USB) {
        bonsai_usb_flush();
    }
}

/* Restarts; a boot loader that reads GPREGRET (settings) stays, the chip itself has none. */
void bonsai_port_reboot(void)
{
    REG(POWER_GPREGRET) = BOOT_LOADER_MAGIC;
    REG(SCB_AIRCR) = SCB_AIRCR_SYSRESETREQ;
    bonsai_hang();
}
