/* Registers of the ESP32-C3: addresses and bits from its Technical Reference Manual (TRM, version
 * 1.0) and from ESP-IDF (components/soc/esp32c3/register/soc), where a comment says so. */
#ifndef BONSAI_ESP32C3_H
#define BONSAI_ESP32C3_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define BIT(n) (1u << (n))

/* UART0 [TRM 26.5]. */
#define UART_FIFO 0x60000000u
#define UART_CLKDIV 0x60000014u
#define UART_STATUS 0x6000001cu
#define UART_CONF0 0x60000020u
#define UART_CLK_CONF 0x60000078u
#define UART_ID 0x60000080u
#define UART_FIFO_BYTES 128u
#define UART_RX_COUNT(status) ((status) & 0x3ffu)
#define UART_TX_COUNT(status) ((status) >> 16 & 0x3ffu)
#define UART_8_BITS (3u << 2)
#define UART_1_STOP_BIT (1u << 4)
#define UART_RESET_FIFOS (BIT(17) | BIT(18))
/* Clocks of sender, receiver and core on, from the crystal undivided. */
#define UART_CLOCK_XTAL (BIT(25) | BIT(24) | BIT(22) | 3u << 20)
#define UART_ID_UPDATE BIT(31)
#define UART_ID_HIGH_SPEED BIT(30)

/* USB Serial/JTAG controller [TRM 30.5]. */
#define USB_EP1 0x60043000u
#define USB_EP1_CONF 0x60043004u
#define USB_WRITE_DONE BIT(0)
#define USB_IN_FREE BIT(1)
#define USB_OUT_AVAILABLE BIT(2)

/* Low-power management: power of the PLL, watchdogs, reset [TRM 9.9; 12]. */
#define RTC_OPTIONS0 0x60008000u
#define RTC_WDT_CONFIG0 0x60008090u
#define RTC_WDT_PROTECT 0x600080a8u
#define RTC_SWD_CONF 0x600080acu
#define RTC_SWD_PROTECT 0x600080b0u
#define RTC_OPTION1 0x600080f4u
#define RTC_RESET_SYSTEM BIT(31)
#define RTC_PLL_POWER_DOWN (BIT(10) | BIT(8) | BIT(6))
#define RTC_DOWNLOAD_BOOT BIT(0)
#define WDT_KEY 0x50d83aa1u
#define SWD_KEY 0x8f1d312au
#define SWD_FEED_ITSELF BIT(31)

/* Watchdog of timer group 0 [TRM 12.5]. */
#define TIMG0_WDT_CONFIG0 0x6001f048u
#define TIMG0_WDT_PROTECT 0x6001f064u
#define TIMG_WDT_UPDATE BIT(22)

/* System timer: 16 MHz, from the crystal [TRM 10.6]. */
#define SYSTIMER_UNIT0_OP 0x60023004u
#define SYSTIMER_UNIT0_HIGH 0x60023040u
#define SYSTIMER_UNIT0_LOW 0x60023044u
#define SYSTIMER_UPDATE BIT(30)
#define SYSTIMER_VALID BIT(29)
#define SYSTIMER_HZ 16000000u

/* Clocks of processor and peripherals [TRM 6.2 and 16.4]. */
#define SYSTEM_CPU_PER_CONF 0x600c0008u
#define SYSTEM_PERIP_CLK_EN0 0x600c0010u
#define SYSTEM_PERIP_RST_EN0 0x600c0018u
#define SYSTEM_SYSCLK_CONF 0x600c0058u
#define CPU_PERIOD_160_MHZ 1u
#define CPU_PLL_480_MHZ BIT(2)
#define SYSCLK_PLL (1u << 10)
#define SYSCLK_FIELDS (3u << 10 | 0x3ffu)
#define PERIP_UART (BIT(24) | BIT(2))
#define PERIP_USB BIT(23)
#define PERIP_SYSTIMER BIT(29)

/* Control of the analog parts' bus, and registers of the PLL on it: not in the TRM, from ESP-IDF
 * (components/soc/esp32c3/include/soc/regi2c_defs.h and regi2c_bbpll.h). */
#define ANALOG_CONF0 0x6000e040u
#define ANALOG_CONFIG 0x6000e044u
#define ANALOG_PLL_STOP_HIGH BIT(2)
#define ANALOG_PLL_STOP_LOW BIT(3)
#define ANALOG_PLL_OFF BIT(17)
#define PLL_BLOCK 0x66

/* Performance counter of the processor [TRM 1.4.3]: the chip has no mcycle. */
#define CSR_MPCER "0x7e0" /* events to count: bit 0, cycles */
#define CSR_MPCMR "0x7e1" /* bit 0: count */
#define CSR_MPCCR "0x7e2" /* the count, 32 bits */

#endif
