/* Addresses of the STM32L4+ (RM0432 rev 9; sections in brackets; ST's device header stm32l4r5xx.h). */
#ifndef BONSAI_STM32L4_CHIP_H
#define BONSAI_STM32L4_CHIP_H

/* Reset and clock control [6.4] */
#define RCC_CR 0x40021000u
#define RCC_CFGR 0x40021008u
#define RCC_PLLCFGR 0x4002100cu
#define RCC_AHB2ENR 0x4002104cu
#define RCC_APB1ENR1 0x40021058u
#define RCC_APB2ENR 0x40021060u
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_PLLCFGR_HSI16 2u
#define RCC_PLLCFGR_M(divider) (((divider) - 1u) << 4)
#define RCC_PLLCFGR_N(multiple) ((multiple) << 8)
#define RCC_PLLCFGR_R_ENABLED (1u << 24)
#define RCC_PLLCFGR_R(divider) (((divider) / 2u - 1u) << 25) /* 2, 4, 6 or 8 */
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS(cfgr) ((cfgr) >> 2 & 3u)
#define RCC_CFGR_HALF_SPEED (8u << 4) /* HPRE */
#define RCC_APB1ENR1_PWR (1u << 28)

/* Power [5.4]: a clear R1MODE bit raises the voltage for clocks above 80 MHz. */
#define PWR_CR5 0x40007080u
#define PWR_CR5_R1MODE (1u << 8)

/* Flash interface [3.7.1] */
#define FLASH_ACR 0x40022000u
#define FLASH_ACR_LATENCY 15u
#define FLASH_ACR_PREFETCH (1u << 8)
#define FLASH_ACR_CACHES (3u << 9)

/* All buses run at CLOCK_HZ. USART1 is on APB2, the others on APB1. */
#define GPIO_BASE 0x48000000u
#define GPIO_ENABLE RCC_AHB2ENR
#define USART(n) ((n) == 1u ? 0x40013800u : (n) == 2u ? 0x40004400u : 0x40004800u)
#define USART_ENABLE(n) ((n) == 1u ? RCC_APB2ENR : RCC_APB1ENR1)
#define USART_ENABLE_BIT(n) ((n) == 1u ? 14u : (n) == 2u ? 17u : 18u)
#define UART_CLOCK_HZ CLOCK_HZ

/* The boot loader's vector table (AN2606) */
#define SYSTEM_MEMORY 0x1fff0000u

#endif
