/* An ESP32-C3 without a second boot stage: the boot ROM starts the image in flash itself ("direct
 * boot", chip revision 3 and later). */
#include "port.h"

#include <stdbool.h>

#include "esp32c3.h"
#include "start.h"

#define LINK_UART 0
#define LINK_USB 1
const int32_t bonsai_port_links = 2;

_Static_assert(XTAL_HZ == 40000000u, "the settings of the PLL are those for 40 MHz");
_Static_assert(PLL_HZ == 480000000u && PLL_HZ / PLL_DIVIDER == CLOCK_HZ,
               "the PLL makes another clock");

/* In 16ths, rounded: the UART divides the crystal's clock. */
#define BAUD_DIVISOR ((XTAL_HZ * 16u + BAUD_RATE / 2u) / BAUD_RATE)
#define CYCLES_PER_TICK (CLOCK_HZ / SYSTIMER_HZ)
/* A host that reads fetches a packet each millisecond; one that does not has stopped listening. */
#define USB_PATIENCE (CLOCK_HZ / 64u)
#define FLASH_READ_DIO 2

/* Functions of the boot ROM, placed by the linker script. */
void bonsai_rom_write_analog(uint8_t block, uint8_t host, uint8_t reg, uint8_t value);
void bonsai_rom_write_analog_bits(uint8_t block, uint8_t host, uint8_t reg, uint8_t high,
                                  uint8_t low, uint8_t value);
int bonsai_rom_flash_clock(uint8_t divider, uint8_t spi);
int bonsai_rom_flash_read_mode(int mode);

static void stop_watchdogs(void)
{
    REG(RTC_WDT_PROTECT) = WDT_KEY;
    REG(RTC_WDT_CONFIG0) = 0;
    REG(RTC_WDT_PROTECT) = 0;
    REG(RTC_SWD_PROTECT) = SWD_KEY;
    REG(RTC_SWD_CONF) |= SWD_FEED_ITSELF;
    REG(RTC_SWD_PROTECT) = 0;
    REG(TIMG0_WDT_PROTECT) = WDT_KEY;
    REG(TIMG0_WDT_CONFIG0) = TIMG_WDT_UPDATE;
    REG(TIMG0_WDT_PROTECT) = 0;
}

static void write_pll(uint8_t reg, uint8_t value)
{
    bonsai_rom_write_analog(PLL_BLOCK, 0, reg, value);
}

static void write_pll_bits(uint8_t reg, uint8_t high, uint8_t low, uint8_t value)
{
    bonsai_rom_write_analog_bits(PLL_BLOCK, 0, reg, high, low, value);
}

/* 480 MHz from a crystal of 40 MHz. The values are those of ESP-IDF
 * (components/esp_hal_clock/esp32c3/include/hal/clk_tree_ll.h); no document explains them. */
static void start_pll(void)
{
    REG(RTC_OPTIONS0) &= ~RTC_PLL_POWER_DOWN;
    REG(ANALOG_CONFIG) &= ~ANALOG_PLL_OFF;
    REG(SYSTEM_CPU_PER_CONF) |= CPU_PLL_480_MHZ;
    REG(ANALOG_CONF0) = (REG(ANALOG_CONF0) & ~ANALOG_PLL_STOP_HIGH) | ANALOG_PLL_STOP_LOW;
    write_pll(4, 0x6b);      /* 480 MHz */
    write_pll(2, 5 << 4);    /* charge pump 5, reference undivided */
    write_pll(3, 8);         /* multiple */
    write_pll_bits(5, 2, 0, 0);
    write_pll_bits(5, 6, 4, 0);
    write_pll(6, 2 << 6 | 1 << 4 | 3);
    write_pll_bits(9, 1, 0, 2);
    write_pll_bits(6, 5, 4, 2);
    write_pll_bits(6, 7, 6, 1);
}

/* The processor at CLOCK_HZ, and flash reads on two lines at 80 MHz: every flash chip that boots
 * can do that, while four lines need a bit of its status register. */
static void start_clocks(void)
{
    if ((REG(SYSTEM_SYSCLK_CONF) & 3u << 10) != SYSCLK_PLL) {
        start_pll();
    }
    REG(SYSTEM_CPU_PER_CONF) = (REG(SYSTEM_CPU_PER_CONF) & ~3u) | CPU_PERIOD_160_MHZ;
    REG(SYSTEM_SYSCLK_CONF) = (REG(SYSTEM_SYSCLK_CONF) & ~SYSCLK_FIELDS) | SYSCLK_PLL;
    bonsai_rom_flash_clock(FLASH_CLOCK_DIVIDER, 0);
    bonsai_rom_flash_read_mode(FLASH_READ_DIO);
}

static uint64_t ticks(void)
{
    REG(SYSTIMER_UNIT0_OP) = SYSTIMER_UPDATE;
    while ((REG(SYSTIMER_UNIT0_OP) & SYSTIMER_VALID) == 0) {
    }
    const uint32_t low = REG(SYSTIMER_UNIT0_LOW);
    return (uint64_t)REG(SYSTIMER_UNIT0_HIGH) << 32 | low;
}

static uint32_t cycles(void)
{
    uint32_t count;
    __asm volatile("csrr %0, " CSR_MPCCR : "=r"(count)::"memory");
    return count;
}

/* Cycles at tick 0, modulo 2^32. */
static uint32_t first_cycle;

static void start_counter(void)
{
    __asm volatile("csrwi " CSR_MPCER ", 1\n"
                   "csrwi " CSR_MPCMR ", 1");
    first_cycle = cycles() - (uint32_t)ticks() * CYCLES_PER_TICK;
}

/* GPIO20 and GPIO21 are UART0's pins since reset [TRM 5.12]. */
static void start_uart(void)
{
    REG(UART_CLK_CONF) = UART_CLOCK_XTAL;
    REG(UART_CLKDIV) = (BAUD_DIVISOR & 15u) << 20 | BAUD_DIVISOR >> 4;
    REG(UART_CONF0) = UART_8_BITS | UART_1_STOP_BIT | UART_RESET_FIFOS;
    REG(UART_CONF0) = UART_8_BITS | UART_1_STOP_BIT;
    REG(UART_ID) = (REG(UART_ID) & ~UART_ID_HIGH_SPEED) | UART_ID_UPDATE;
}

/* Before .data is copied, which would take long at the clock of the boot. */
void bonsai_start_early(void)
{
    stop_watchdogs();
    start_clocks();
}

void bonsai_port_start(void)
{
    REG(SYSTEM_PERIP_CLK_EN0) |= PERIP_UART | PERIP_USB | PERIP_SYSTIMER;
    REG(SYSTEM_PERIP_RST_EN0) &= ~(PERIP_UART | PERIP_SYSTIMER);
    start_counter();
    start_uart();
}

int32_t bonsai_port_read(int32_t link)
{
    if (link == LINK_USB) {
        return (REG(USB_EP1_CONF) & USB_OUT_AVAILABLE) == 0 ? -1 : (int32_t)(REG(USB_EP1) & 0xffu);
    }
    return UART_RX_COUNT(REG(UART_STATUS)) == 0 ? -1 : (int32_t)(REG(UART_FIFO) & 0xffu);
}

/* Whether the host has fetched the last packet. */
static bool usb_has_room(void)
{
    const uint32_t start = cycles();
    while ((REG(USB_EP1_CONF) & USB_IN_FREE) == 0) {
        if (cycles() - start > USB_PATIENCE) {
            return false;
        }
    }
    return true;
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        if (link == LINK_USB) {
            if (!usb_has_room()) {
                return;
            }
            REG(USB_EP1) = bytes[i];
        } else {
            while (UART_TX_COUNT(REG(UART_STATUS)) >= UART_FIFO_BYTES) {
            }
            REG(UART_FIFO) = bytes[i];
        }
    }
}

void bonsai_port_flush(int32_t link)
{
    if (link == LINK_USB) {
        REG(USB_EP1_CONF) = USB_WRITE_DONE;
    }
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_CYCLES;
}

/* Exact without an interrupt: the system timer gives the count to a few cycles, the performance
 * counter its lower 32 bits. */
uint64_t bonsai_port_count(void)
{
    const uint32_t now = cycles() - first_cycle;
    const uint64_t about = ticks() * CYCLES_PER_TICK;
    return about + (uint64_t)(int64_t)(int32_t)(now - (uint32_t)about);
}

/* The boot ROM keeps this bit over a reset of the system, and waits for esptool. */
void bonsai_port_reboot(void)
{
    REG(RTC_OPTION1) = RTC_DOWNLOAD_BOOT;
    REG(RTC_OPTIONS0) |= RTC_RESET_SYSTEM;
    for (;;) {
    }
}
