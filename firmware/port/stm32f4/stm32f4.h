/* Registers common to the STM32F4 that the firmware uses; sections of RM0090 rev 19 in brackets. */
#ifndef BONSAI_STM32F4_H
#define BONSAI_STM32F4_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

/* Reset and clock control [7.3] */
#define RCC_CR 0x40023800u
#define RCC_PLLCFGR 0x40023804u
#define RCC_CFGR 0x40023808u
#define RCC_APB2RSTR 0x40023824u
#define RCC_AHB1ENR 0x40023830u
#define RCC_APB1ENR 0x40023840u
#define RCC_APB2ENR 0x40023844u
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_PLLON (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)
#define RCC_CFGR_SW_PLL 2u
#define RCC_CFGR_SWS(cfgr) ((cfgr) >> 2 & 3u)
/* Divided by 1, 2, 4, 8 or 16 */
#define RCC_CFGR_PPRE(divider) \
    ((divider) == 1u ? 0u : (divider) == 2u ? 4u : (divider) == 4u ? 5u : (divider) == 8u ? 6u : 7u)
#define RCC_CFGR_PPRE1(divider) (RCC_CFGR_PPRE(divider) << 10)
#define RCC_CFGR_PPRE2(divider) (RCC_CFGR_PPRE(divider) << 13)
#define RCC_APB1_PWR (1u << 28)
#define RCC_AHB1_GPIOA (1u << 0)
#define RCC_APB2_USART1 (1u << 4)
#define RCC_APB2_SYSCFG (1u << 14)

/* Power [5.4.1]: the regulator's voltage, which limits the clock. The field has two bits in RM0383
 * [5.4.1], and one bit and a reserved 0 in RM0090. */
#define PWR_CR 0x40007000u
#define PWR_CR_VOS(scaling) ((scaling) << 14)

/* Flash interface [3.9.1] */
#define FLASH_ACR 0x40023c00u
#define FLASH_ACR_PREFETCH (1u << 8)
#define FLASH_ACR_CACHES (3u << 9)

/* GPIO [8.4]: two bits a pin, four in the alternate function registers */
#define GPIOA_MODER 0x40020000u
#define GPIOA_PUPDR 0x4002000cu
#define GPIOA_AFRH 0x40020024u
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_PULL_UP 1u
#define GPIO_AF7_USART1 7u

/* USART [30.6] */
#define USART1_SR 0x40011000u
#define USART1_DR 0x40011004u
#define USART1_BRR 0x40011008u
#define USART1_CR1 0x4001100cu
#define USART_SR_RXNE (1u << 5)
#define USART_SR_TC (1u << 6)
#define USART_SR_TXE (1u << 7)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_UE (1u << 13)

/* System configuration [9.2.1] */
#define SYSCFG_MEMRMP 0x40013800u
#define SYSCFG_MEMRMP_SYSTEM_FLASH 1u

/* Address of the boot loader's vector table [2.4, AN2606] */
#define SYSTEM_FLASH 0x1fff0000u

/* System control block and SysTick (PM0214, 4.4 and 4.5) */
#define SCB_VTOR 0xe000ed08u
#define SCB_AIRCR 0xe000ed0cu
#define SCB_AIRCR_SYSRESETREQ (0x05fa0000u | 1u << 2)
#define SYST_CSR 0xe000e010u

#endif
