/* Addresses of the STM32U5 with TrustZone off, as it leaves the factory (RM0456 rev 5; sections in
 * brackets; ST's device header stm32u575xx.h). */
#ifndef BONSAI_STM32U5_CHIP_H
#define BONSAI_STM32U5_CHIP_H

/* Reset and clock control [11.8] */
#define RCC_CR 0x46020c00u
#define RCC_CFGR1 0x46020c1cu
#define RCC_PLL1CFGR 0x46020c28u
#define RCC_PLL1DIVR 0x46020c34u
#define RCC_AHB2ENR1 0x46020c8cu
#define RCC_AHB3ENR 0x46020c94u
#define RCC_APB1ENR1 0x46020c9cu
#define RCC_APB2ENR 0x46020ca4u
#define RCC_CR_HSION (1u << 8)
#define RCC_CR_HSIRDY (1u << 10)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_PLL1CFGR_HSI16 2u
#define RCC_PLL1CFGR_INPUT_8_TO_16_MHZ (3u << 2)
#define RCC_PLL1CFGR_M(divider) (((divider) - 1u) << 8)
#define RCC_PLL1CFGR_R_ENABLED (1u << 18)
#define RCC_PLL1DIVR_N(multiple) ((multiple) - 1u)
#define RCC_PLL1DIVR_R(divider) (((divider) - 1u) << 24)
#define RCC_CFGR1_SW_PLL 3u
#define RCC_CFGR1_SWS(cfgr) ((cfgr) >> 2 & 3u)
#define RCC_AHB3ENR_PWR (1u << 2)

/* Power [10.10]: voltage range 1 and its booster, which is clocked by the PLL's input */
#define PWR_VOSR 0x4602080cu
#define PWR_VOSR_BOOSTRDY (1u << 14)
#define PWR_VOSR_VOSRDY (1u << 15)
#define PWR_VOSR_RANGE_1 (3u << 16)
#define PWR_VOSR_BOOSTEN (1u << 18)

/* Flash interface [7.9.1] */
#define FLASH_ACR 0x40022000u
#define FLASH_ACR_LATENCY 15u
#define FLASH_ACR_PREFETCH (1u << 8)

/* Instruction cache [8.7]: 8 KB for reads by the code bus, so for weights in flash too */
#define ICACHE_CR 0x40030400u
#define ICACHE_SR 0x40030404u
#define ICACHE_CR_EN 1u
#define ICACHE_SR_BUSY 1u

/* All buses run at CLOCK_HZ. USART1 is on APB2, the others on APB1. */
#define GPIO_BASE 0x42020000u
#define GPIO_ENABLE RCC_AHB2ENR1
#define USART(n) ((n) == 1u ? 0x40013800u : (n) == 2u ? 0x40004400u : 0x40004800u)
#define USART_ENABLE(n) ((n) == 1u ? RCC_APB2ENR : RCC_APB1ENR1)
#define USART_ENABLE_BIT(n) ((n) == 1u ? 14u : (n) == 2u ? 17u : 18u)
#define UART_CLOCK_HZ CLOCK_HZ

/* The boot loader's vector table (AN2606) */
#define SYSTEM_MEMORY 0x0bf90000u

#endif
