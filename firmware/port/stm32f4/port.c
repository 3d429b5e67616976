#include "port.h"

#include "counter.h"
#include "semihosting.h"
#include "start.h"
#include "vectors.h"
#include "stm32f4.h"

/* Pins of port A, in the upper half of its alternate function registers. */
_Static_assert(UART_TX_PIN >= 8 && UART_RX_PIN >= 8, "USART1 is at PA9 and PA10");
/* The USART's clock is that of APB2. */
#define BAUD_DIVISOR ((CLOCK_HZ / APB2_DIVIDER + BAUD_RATE / 2u) / BAUD_RATE)

_Static_assert(HSI_HZ / PLL_M * PLL_N / PLL_P == CLOCK_HZ, "the PLL makes another clock");
_Static_assert(HSI_HZ / PLL_M >= 1000000u && HSI_HZ / PLL_M <= 2000000u, "PLL input [6.3.2, 7.3.2]");

/* The PLL runs from HSI, the internal oscillator, since crystals differ from board to board. */
static void start_clocks(void)
{
    /* A chip runs on HSI after reset. If HSI is not ready, this is QEMU, which has no clock tree.
     * */
    if ((REG(RCC_CR) & RCC_CR_HSIRDY) == 0) {
        return;
    }
    REG(RCC_APB1ENR) |= RCC_APB1_PWR;
    REG(PWR_CR) = (REG(PWR_CR) & ~PWR_CR_VOS(3u)) | PWR_CR_VOS(VOLTAGE_SCALING);
    REG(RCC_PLLCFGR) = PLL_Q << 24 | (PLL_P / 2u - 1u) << 16 | PLL_N << 6 | PLL_M;
    REG(RCC_CR) |= RCC_CR_PLLON;
    while ((REG(RCC_CR) & RCC_CR_PLLRDY) == 0) {
    }
    REG(FLASH_ACR) = FLASH_WAIT_STATES | FLASH_ACR_PREFETCH | FLASH_ACR_CACHES;
    REG(RCC_CFGR) = RCC_CFGR_PPRE1(APB1_DIVIDER) | RCC_CFGR_PPRE2(APB2_DIVIDER) | RCC_CFGR_SW_PLL;
    while (RCC_CFGR_SWS(REG(RCC_CFGR)) != RCC_CFGR_SW_PLL) {
    }
}

static void start_usart(void)
{
    REG(RCC_AHB1ENR) |= RCC_AHB1_GPIOA;
    REG(RCC_APB2ENR) |= RCC_APB2_USART1;
    REG(GPIOA_PUPDR) |= GPIO_PULL_UP << 2 * UART_RX_PIN; /* an open line must read as silence */
    REG(GPIOA_AFRH) |= GPIO_AF7_USART1 << 4 * (UART_TX_PIN - 8) | GPIO_AF7_USART1 << 4 * (UART_RX_PIN - 8);
    REG(GPIOA_MODER) |= GPIO_MODE_ALTERNATE << 2 * UART_TX_PIN | GPIO_MODE_ALTERNATE << 2 * UART_RX_PIN;
    REG(USART1_BRR) = BAUD_DIVISOR;
    REG(USART1_CR1) = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE;
}

void bonsai_port_start(void)
{
    /* If the boot loader started the program, address 0 still holds the boot loader's vector table.
     * */
    REG(SCB_VTOR) = (uint32_t)(uintptr_t)&bonsai_vectors;
    start_clocks();
    bonsai_counter_start();
    start_usart();
}

int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    if (bonsai_semihosting_present()) {
        return bonsai_semihosting_read();
    }
    return (REG(USART1_SR) & USART_SR_RXNE) != 0 ? (int32_t)(REG(USART1_DR) & 0xffu) : -1;
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    if (bonsai_semihosting_present()) {
        bonsai_semihosting_write(bytes, length);
        return;
    }
    for (int32_t i = 0; i < length; i++) {
        while ((REG(USART1_SR) & USART_SR_TXE) == 0) {
        }
        REG(USART1_DR) = bytes[i];
    }
}

/* Starts the boot loader in system memory in the state after a reset (AN2606, 'Bootloader
 * activation'): clocked by HSI, all peripherals off, system memory at address 0. */
void bonsai_port_reboot(void)
{
    while ((REG(USART1_SR) & USART_SR_TC) == 0) {
    }
    if (bonsai_semihosting_present()) {
        REG(SCB_AIRCR) = SCB_AIRCR_SYSRESETREQ; /* QEMU has no boot loader */
        bonsai_hang();
    }
    REG(SYST_CSR) = 0;
    REG(RCC_APB2RSTR) = RCC_APB2_USART1;
    REG(RCC_APB2RSTR) = 0;
    REG(RCC_CFGR) = 0;
    while (RCC_CFGR_SWS(REG(RCC_CFGR)) != 0) {
    }
    REG(RCC_CR) &= ~RCC_CR_PLLON;
    REG(RCC_APB2ENR) |= RCC_APB2_SYSCFG;
    REG(SYSCFG_MEMRMP) = SYSCFG_MEMRMP_SYSTEM_FLASH;
    REG(SCB_VTOR) = 0;
    __asm volatile("msr msp, %0\n"
                   "bx %1"
                   :
                   : "r"(REG(SYSTEM_FLASH)), "r"(REG(SYSTEM_FLASH + 4))
                   : "memory");
    __builtin_unreachable();
}
