/* PLL1 runs from HSI16, which needs no crystal. After reset the chip runs on MSIS at 4 MHz. */
#include "chip.h"
#include "stm32.h"

_Static_assert(HSI_HZ / PLL_M * PLL_N / PLL_R == CLOCK_HZ, "the PLL makes another clock");
_Static_assert(HSI_HZ / PLL_M > 8000000u && HSI_HZ / PLL_M <= 16000000u, "PLL input [11.4.6]");

void bonsai_start_clocks(void)
{
    REG(RCC_AHB3ENR) |= RCC_AHB3ENR_PWR;
    (void)REG(RCC_AHB3ENR);
    REG(PWR_VOSR) |= PWR_VOSR_RANGE_1;
    while ((REG(PWR_VOSR) & PWR_VOSR_VOSRDY) == 0) {
    }
    REG(RCC_CR) |= RCC_CR_HSION;
    while ((REG(RCC_CR) & RCC_CR_HSIRDY) == 0) {
    }
    /* The booster's clock is the PLL's source, so that comes first; above 55 MHz range 1 needs the
     * booster [10.5.4]. */
    REG(RCC_PLL1CFGR) = RCC_PLL1CFGR_R_ENABLED | RCC_PLL1CFGR_M(PLL_M) |
                        RCC_PLL1CFGR_INPUT_8_TO_16_MHZ | RCC_PLL1CFGR_HSI16;
    REG(RCC_PLL1DIVR) = RCC_PLL1DIVR_R(PLL_R) | RCC_PLL1DIVR_N(PLL_N);
    REG(PWR_VOSR) |= PWR_VOSR_BOOSTEN;
    while ((REG(PWR_VOSR) & PWR_VOSR_BOOSTRDY) == 0) {
    }
    /* Wait states before the clock that needs them [7.3.3]. */
    REG(FLASH_ACR) = FLASH_WAIT_STATES | FLASH_ACR_PREFETCH;
    while ((REG(FLASH_ACR) & FLASH_ACR_LATENCY) != FLASH_WAIT_STATES) {
    }
    REG(RCC_CR) |= RCC_CR_PLL1ON;
    while ((REG(RCC_CR) & RCC_CR_PLL1RDY) == 0) {
    }
    REG(RCC_CFGR1) = RCC_CFGR1_SW_PLL;
    while (RCC_CFGR1_SWS(REG(RCC_CFGR1)) != RCC_CFGR1_SW_PLL) {
    }
    /* It invalidates itself after reset. */
    while ((REG(ICACHE_SR) & ICACHE_SR_BUSY) != 0) {
    }
    REG(ICACHE_CR) |= ICACHE_CR_EN;
}
