/* Addresses of the STM32G0x1 (RM0444 rev 5; sections in brackets; ST's device header stm32g0b1xx.h). */
#ifndef BONSAI_STM32G0_CHIP_H
#define BONSAI_STM32G0_CHIP_H

/* Reset and clock control [5.4] */
#define RCC_CR 0x40021000u
#define RCC_CFGR 0x40021008u
#define RCC_PLLCFGR 0x4002100cu
#define RCC_IOPENR 0x40021034u
#define RCC_APBENR1 0x4002103cu
#define RCC_APBENR2 0x40021040u
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_HSI16 2u
#define RCC_PLLCFGR_M(divider) (((divider) - 1u) << 4)
#define RCC_PLLCFGR_N(multiple) ((multiple) << 8)
#define RCC_PLLCFGR_R_ENABLED (1u << 28)
#define RCC_PLLCFGR_R(divider) (((divider) - 1u) << 29)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS(cfgr) ((cfgr) >> 3 & 7u)

/* Flash interface [3.7.1] */
#define FLASH_ACR 0x40022000u
#define FLASH_ACR_LATENCY 7u
#define FLASH_ACR_PREFETCH (1u << 8)
#define FLASH_ACR_CACHE (1u << 9)

/* All buses run at CLOCK_HZ [5.2]. USART1 is on APBENR2, the others on APBENR1. */
#define GPIO_BASE 0x50000000u
#define GPIO_ENABLE RCC_IOPENR
#define USART(n) ((n) == 1u ? 0x40013800u : (n) == 2u ? 0x40004400u : 0x40004800u)
#define USART_ENABLE(n) ((n) == 1u ? RCC_APBENR2 : RCC_APBENR1)
#define USART_ENABLE_BIT(n) ((n) == 1u ? 14u : (n) == 2u ? 17u : 18u)
#define UART_CLOCK_HZ CLOCK_HZ

/* The boot loader's vector table (AN2606) */
#define SYSTEM_MEMORY 0x1fff0000u

#endif
