/* What STM32 families of newer generations share: GPIO ports and the USART with separate data registers.
 * A family's chip.h has the addresses, its clocks.c the clock tree. STM32F4 has an older USART and a
 * port of its own. */
#ifndef BONSAI_STM32_H
#define BONSAI_STM32_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

/* GPIO (RM0444, 7.4; RM0432, 8.4; RM0456, 13.4; RM0433, 11.4): two bits a pin, four in the two
 * alternate function registers. Every port has 1 KB. */
#define GPIO_PORT(port) (GPIO_BASE + 0x400u * (port))
#define GPIO_MODER 0x00u
#define GPIO_PUPDR 0x0cu
#define GPIO_AFR(pin) (0x20u + 4u * ((pin) / 8u))
#define GPIO_MODE_MASK 3u
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_PULL_UP 1u

/* USART (RM0444, 33.8; RM0432, 50.8; RM0456, 66.8; RM0433, 48.7) */
#define USART_CR1 0x00u
#define USART_BRR 0x0cu
#define USART_ISR 0x1cu
#define USART_ICR 0x20u
#define USART_RDR 0x24u
#define USART_TDR 0x28u
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_FIFOEN (1u << 29)
#define USART_ISR_ORE (1u << 3)
#define USART_ISR_RXNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXE (1u << 7)
#define USART_ICR_ORECF (1u << 3)

#define SCB_VTOR 0xe000ed08u
#define SCB_AIRCR 0xe000ed0cu
#define SCB_AIRCR_SYSRESETREQ (0x05fa0000u | 1u << 2)

/* From the clock after reset to CLOCK_HZ. Must not use .data or .bss. */
void bonsai_start_clocks(void);

#endif
