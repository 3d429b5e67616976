/* The PLL runs from HSI16, which needs no crystal and clocks the chip after reset. */
#include "chip.h"
#include "stm32.h"

_Static_assert(HSI_HZ / PLL_M * PLL_N / PLL_R == CLOCK_HZ, "the PLL makes another clock");

void bonsai_start_clocks(void)
{
    /* Wait states before the clock that needs them [3.3.4]. */
    REG(FLASH_ACR) = (REG(FLASH_ACR) & ~FLASH_ACR_LATENCY) | FLASH_WAIT_STATES | FLASH_ACR_PREFETCH |
                     FLASH_ACR_CACHE;
    while ((REG(FLASH_ACR) & FLASH_ACR_LATENCY) != FLASH_WAIT_STATES) {
    }
    REG(RCC_PLLCFGR) = RCC_PLLCFGR_R(PLL_R) | RCC_PLLCFGR_R_ENABLED | RCC_PLLCFGR_N(PLL_N) |
                       RCC_PLLCFGR_M(PLL_M) | RCC_PLLCFGR_HSI16;
    REG(RCC_CR) |= RCC_CR_PLLON;
    while ((REG(RCC_CR) & RCC_CR_PLLRDY) == 0) {
    }
    REG(RCC_CFGR) = RCC_CFGR_SW_PLL;
    while (RCC_CFGR_SWS(REG(RCC_CFGR)) != RCC_CFGR_SW_PLL) {
    }
}
