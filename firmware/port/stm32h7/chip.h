/* Addresses of the STM32H742, H743 and H753 (RM0433 rev 8; sections in brackets; ST's device header
 * stm32h743xx.h). */
#ifndef BONSAI_STM32H7_CHIP_H
#define BONSAI_STM32H7_CHIP_H

/* Reset and clock control [8.7] */
#define RCC_CR 0x58024400u
#define RCC_CFGR 0x58024410u
#define RCC_D1CFGR 0x58024418u
#define RCC_D2CFGR 0x5802441cu
#define RCC_D3CFGR 0x58024420u
#define RCC_PLLCKSELR 0x58024428u
#define RCC_PLLCFGR 0x5802442cu
#define RCC_PLL1DIVR 0x58024430u
#define RCC_AHB4ENR 0x580244e0u
#define RCC_APB1LENR 0x580244e8u
#define RCC_APB2ENR 0x580244f0u
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
/* Source HSI (0); the other PLLs' dividers stay 0, which is off. */
#define RCC_PLLCKSELR_M(divider) ((divider) << 4)
#define RCC_PLLCFGR_INPUT_4_TO_8_MHZ (2u << 2)
#define RCC_PLLCFGR_P_ENABLED (1u << 16)
#define RCC_PLL1DIVR_N(multiple) ((multiple) - 1u)
#define RCC_PLL1DIVR_P(divider) (((divider) - 1u) << 9)
#define RCC_CFGR_SW_PLL 3u
#define RCC_CFGR_SWS(cfgr) ((cfgr) >> 3 & 7u)
/* AHB at half the processor's clock, every APB at half of AHB's. */
#define RCC_D1CFGR_HALVES (4u << 4 | 8u)
#define RCC_D2CFGR_HALVES (4u << 8 | 4u << 4)
#define RCC_D3CFGR_HALVES (4u << 4)

/* Power [6.8] */
#define PWR_CSR1 0x58024804u
#define PWR_CR3 0x5802480cu
#define PWR_D3CR 0x58024818u
#define PWR_CSR1_ACTVOSRDY (1u << 13)
#define PWR_CR3_SUPPLY 7u
#define PWR_CR3_LDO (1u << 1)
#define PWR_D3CR_VOSRDY (1u << 13)
#define PWR_D3CR_VOS_1 (3u << 14)

/* Flash interface [4.9.1] */
#define FLASH_ACR 0x52002000u
#define FLASH_ACR_LATENCY 15u
#define FLASH_ACR_WRITE_DELAY (2u << 4)

#define GPIO_BASE 0x58020000u
#define GPIO_ENABLE RCC_AHB4ENR
#define USART(n) ((n) == 1u ? 0x40011000u : (n) == 2u ? 0x40004400u : 0x40004800u)
#define USART_ENABLE(n) ((n) == 1u ? RCC_APB2ENR : RCC_APB1LENR)
#define USART_ENABLE_BIT(n) ((n) == 1u ? 4u : (n) == 2u ? 17u : 18u)
#define UART_CLOCK_HZ (CLOCK_HZ / 4u)

/* The boot loader's vector table (AN2606) */
#define SYSTEM_MEMORY 0x1ff09800u

/* Caches of the Cortex-M7 (Armv7-M Architecture Reference Manual, B3.2 and B2.2.7) */
#define SCB_CCR 0xe000ed14u
#define SCB_CSSELR 0xe000ed84u
#define SCB_ICIALLU 0xe000ef50u
#define SCB_DCISW 0xe000ef60u
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define DCACHE_WAYS 4u
#define DCACHE_SETS 128u /* 16 KB in lines of 32 bytes */

#endif
