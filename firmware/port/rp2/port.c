#include "port.h"

#include "chip.h"
#include "start.h"
#include "usb.h"
#include "usb_cdc.h"
#include "usb_controller.h"

#define LINK_UART 0
#define LINK_USB 1
const int32_t bonsai_port_links = 2;

_Static_assert(XOSC_HZ / PLL_SYS_DIVIDER1 * PLL_SYS_MULTIPLE / PLL_SYS_DIVIDER2 == CLOCK_HZ,
               "the PLL makes another clock");
_Static_assert(XOSC_HZ / PLL_USB_DIVIDER1 * PLL_USB_MULTIPLE / PLL_USB_DIVIDER2 == 48000000u,
               "USB needs 48 MHz");

/* In 64ths, rounded: UART0 samples 16 times a bit [4.2.7.1]. */
#define BAUD_DIVISOR ((CLOCK_HZ * 4u + BAUD_RATE / 2u) / BAUD_RATE)

#define CYCLES_PER_US (CLOCK_HZ / 1000000u)

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*exception[15])(void);
    void (*interrupt[USBCTRL_IRQ + 1])(void); /* no other is ever enabled */
} vectors = {
    .stack = bonsai_stack_top,
    .exception = {bonsai_reset_handler, bonsai_hang, bonsai_hang},
    .interrupt = {[USBCTRL_IRQ] = bonsai_usb_interrupt},
};

static void release(uint32_t resets)
{
    CLEAR_BITS(RESETS_RESET) = resets;
    while ((REG(RESETS_DONE) & resets) != resets) {
    }
}

/* Output: XOSC_HZ * multiple / (divider1 * divider2); 750 to 1600 MHz before the dividers. */
static void start_pll(uint32_t pll, uint32_t multiple, uint32_t divider1, uint32_t divider2)
{
    REG(pll + PLL_CS) = 1;
    REG(pll + PLL_FBDIV) = multiple;
    CLEAR_BITS(pll + PLL_PWR) = PLL_PWR_PD | PLL_PWR_VCOPD;
    while ((REG(pll + PLL_CS) & PLL_LOCK) == 0) {
    }
    REG(pll + PLL_PRIM) = divider1 << 16 | divider2 << 12;
    CLEAR_BITS(pll + PLL_PWR) = PLL_PWR_POSTDIVPD;
}

/* clk_ref from the crystal, clk_sys and clk_peri CLOCK_HZ, clk_usb 48 MHz. */
static void start_clocks(void)
{
    REG(CLK_SYS_RESUS_CTRL) = 0;
    REG(XOSC_CTRL) = 0xaa0; /* 1 to 15 MHz */
    REG(XOSC_STARTUP) = XOSC_HZ / 1000u / 256u + 1u; /* 1 ms in units of 256 periods [2.16.3] */
    SET_BITS(XOSC_CTRL) = 0xfab000;
    while ((REG(XOSC_STATUS) & BIT(31)) == 0) {
    }
    /* clk_sys runs from clk_ref while the PLL, its later source, starts. */
    CLEAR_BITS(CLK_SYS_CTRL) = 1;
    while (REG(CLK_SYS_SELECTED) != BIT(0)) {
    }
    REG(CLK_REF_CTRL) = 2;
    while (REG(CLK_REF_SELECTED) != BIT(2)) {
    }
    release(RESET_PLL_SYS | RESET_PLL_USB);
    start_pll(PLL_SYS, PLL_SYS_MULTIPLE, PLL_SYS_DIVIDER1, PLL_SYS_DIVIDER2);
    start_pll(PLL_USB, PLL_USB_MULTIPLE, PLL_USB_DIVIDER1, PLL_USB_DIVIDER2);
    REG(CLK_SYS_DIV) = CLK_SYS_DIV_ONE;
    REG(CLK_SYS_CTRL) = 0; /* auxiliary source: PLL_SYS */
    SET_BITS(CLK_SYS_CTRL) = 1;
    while (REG(CLK_SYS_SELECTED) != BIT(1)) {
    }
    REG(CLK_PERI_CTRL) = BIT(11); /* enabled, from clk_sys */
    REG(CLK_USB_CTRL) = BIT(11);  /* enabled, from PLL_USB */
}

static void start_uart(void)
{
    release(RESET_IO_BANK0 | RESET_PADS_BANK0 | RESET_UART0);
    REG(GPIO_CTRL(UART_TX_PIN)) = GPIO_FUNCTION_UART;
    REG(GPIO_CTRL(UART_RX_PIN)) = GPIO_FUNCTION_UART;
    /* Reset leaves a pull-down, so an open line would read as an endless stream of bytes. */
    if (PAD_ISOLATED != 0) {
        CLEAR_BITS(GPIO_PAD(UART_TX_PIN)) = PAD_ISOLATED;
    }
    CLEAR_BITS(GPIO_PAD(UART_RX_PIN)) = PAD_PULL_DOWN | PAD_ISOLATED;
    SET_BITS(GPIO_PAD(UART_RX_PIN)) = PAD_PULL_UP | PAD_INPUT;
    REG(UART0_IBRD) = BAUD_DIVISOR >> 6;
    REG(UART0_FBRD) = BAUD_DIVISOR & 63u;
    REG(UART0_LCR_H) = UART_LCR_8_BITS | UART_LCR_FIFOS;
    REG(UART0_CR) = UART_CR_ENABLE | UART_CR_TXE | UART_CR_RXE;
}

static uint32_t last_microsecond;
static uint64_t microseconds;

/* SysTick counts processor cycles modulo 2^24; the timer counts microseconds of the same crystal.
 * */
static void start_counter(void)
{
    start_ticks();
    REG(SYST_RVR) = 0xffffff;
    REG(SYST_CVR) = 0;
    REG(SYST_CSR) = SYST_ENABLE | SYST_PROCESSOR_CLOCK;
    release(RESET_TIMER);
    last_microsecond = REG(TIMER_RAW_LOW);
}

/* Before .data is copied, which would take a second at the boot's clock and flash reads. */
void bonsai_start_early(void)
{
    start_clocks();
    bonsai_chip_start_flash();
}

void bonsai_port_start(void)
{
    start_counter();
    start_uart();
    release(RESET_USBCTRL);
    bonsai_usb_start();
}

int32_t bonsai_port_read(int32_t link)
{
    if (link == LINK_USB) {
        return bonsai_usb_read();
    }
    return (REG(UART0_FR) & UART_FR_RXFE) != 0 ? -1 : (int32_t)(REG(UART0_DR) & 0xffu);
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        if (link == LINK_USB) {
            bonsai_usb_write(bytes[i]);
        } else {
            while ((REG(UART0_FR) & UART_FR_TXFF) != 0) {
            }
            REG(UART0_DR) = bytes[i];
        }
    }
}

void bonsai_port_flush(int32_t link)
{
    if (link == LINK_USB) {
        bonsai_usb_flush();
    }
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_CYCLES;
}

/* Exact without an interrupt, which would disturb the measurement: the timer is exact to
 * a microsecond, SysTick is exact modulo 2^24 cycles, and no interval lasts the 71 minutes in which
 * the timer's lower word wraps. There are no branches, so every call takes the same time. */
uint64_t bonsai_port_count(void)
{
    const uint32_t cycles = 0u - REG(SYST_CVR); /* it counts down */
    const uint32_t now = REG(TIMER_RAW_LOW);
    microseconds += now - last_microsecond;
    last_microsecond = now;
    const uint64_t about = microseconds * CYCLES_PER_US;
    const int32_t ahead = (int32_t)((cycles - (uint32_t)about) << 8) >> 8;
    return about + (uint64_t)(int64_t)ahead;
}

void bonsai_port_reboot(void)
{
    bonsai_chip_enter_boot_loader();
    for (;;) {
    }
}
