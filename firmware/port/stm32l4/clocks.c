/* The PLL runs from HSI16, which needs no crystal. After reset the chip runs on MSI at 4 MHz. */
#include "chip.h"
#include "stm32.h"

_Static_assert(HSI_HZ / PLL_M * PLL_N / PLL_R == CLOCK_HZ, "the PLL makes another clock");
_Static_assert(CLOCK_HZ <= 120000000u, "at most 120 MHz");

/* Turns of a loop, each of two cycles or more: at least 1 us at half of 120 MHz. */
#define MICROSECOND_TURNS 60u

void bonsai_start_clocks(void)
{
    REG(RCC_APB1ENR1) |= RCC_APB1ENR1_PWR;
    (void)REG(RCC_APB1ENR1);
    if (CLOCK_HZ > 80000000u) {
        REG(PWR_CR5) &= ~PWR_CR5_R1MODE;
    }
    REG(RCC_CR) |= RCC_CR_HSION;
    while ((REG(RCC_CR) & RCC_CR_HSIRDY) == 0) {
    }
    /* Wait states before the clock that needs them [3.3.3]. */
    REG(FLASH_ACR) = (REG(FLASH_ACR) & ~FLASH_ACR_LATENCY) | FLASH_WAIT_STATES | FLASH_ACR_PREFETCH |
                     FLASH_ACR_CACHES;
    while ((REG(FLASH_ACR) & FLASH_ACR_LATENCY) != FLASH_WAIT_STATES) {
    }
    REG(RCC_PLLCFGR) = RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_R_ENABLED | RCC_PLLCFGR_N(PLL_N) |
                       RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_HSI16;
    REG(RCC_CR) |= RCC_CR_PLLON;
    while ((REG(RCC_CR) & RCC_CR_PLLRDY) == 0) {
    }
    /* Above 80 MHz the processor runs at half speed for a microsecond first [5.1.8]. */
    REG(RCC_CFGR) = RCC_CFGR_HALF_SPEED | RCC_CFGR_SW_PLL;
    while (RCC_CFGR_SWS(REG(RCC_CFGR)) != RCC_CFGR_SW_PLL) {
    }
    for (volatile uint32_t turn = 0; turn < MICROSECOND_TURNS; turn++) {
    }
    REG(RCC_CFGR) = RCC_CFGR_SW_PLL;
}
