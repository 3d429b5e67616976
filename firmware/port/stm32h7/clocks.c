/* PLL1 runs from HSI at 64 MHz, which needs no crystal and clocks the chip after reset. */
#include "chip.h"
#include "stm32.h"

_Static_assert((uint64_t)HSI_HZ * PLL_N / PLL_M / PLL_P == CLOCK_HZ, "the PLL makes another clock");
_Static_assert(HSI_HZ / PLL_M > 4000000u && HSI_HZ / PLL_M < 8000000u, "PLL input [8.5.5]");
_Static_assert(CLOCK_HZ <= 400000000u, "voltage scale 1 allows 400 MHz");

/* Stack and arena lie in DTCM, which is never cached; the caches are for code and weights in
 * flash. Contents are undefined after reset. */
static void start_caches(void)
{
    REG(SCB_ICIALLU) = 0;
    REG(SCB_CSSELR) = 0; /* level 1, data */
    for (uint32_t set = 0; set < DCACHE_SETS; set++) {
        for (uint32_t way = 0; way < DCACHE_WAYS; way++) {
            REG(SCB_DCISW) = way << 30 | set << 5;
        }
    }
    __asm volatile("dsb\n"
                   "isb" ::: "memory");
    REG(SCB_CCR) |= SCB_CCR_DC | SCB_CCR_IC;
    __asm volatile("dsb\n"
                   "isb" ::: "memory");
}

void bonsai_start_clocks(void)
{
    /* The supply is written once after power-on, before the voltage can change [6.4.1]. */
    REG(PWR_CR3) = (REG(PWR_CR3) & ~PWR_CR3_SUPPLY) | PWR_CR3_LDO;
    while ((REG(PWR_CSR1) & PWR_CSR1_ACTVOSRDY) == 0) {
    }
    REG(PWR_D3CR) |= PWR_D3CR_VOS_1;
    while ((REG(PWR_D3CR) & PWR_D3CR_VOSRDY) == 0) {
    }
    REG(RCC_PLLCKSELR) = RCC_PLLCKSELR_M(PLL_M);
    REG(RCC_PLLCFGR) = RCC_PLLCFGR_P_ENABLED | RCC_PLLCFGR_INPUT_4_TO_8_MHZ;
    REG(RCC_PLL1DIVR) = RCC_PLL1DIVR_P(PLL_P) | RCC_PLL1DIVR_N(PLL_N);
    REG(RCC_CR) |= RCC_CR_PLL1ON;
    while ((REG(RCC_CR) & RCC_CR_PLL1RDY) == 0) {
    }
    REG(RCC_D1CFGR) = RCC_D1CFGR_HALVES;
    REG(RCC_D2CFGR) = RCC_D2CFGR_HALVES;
    REG(RCC_D3CFGR) = RCC_D3CFGR_HALVES;
    /* Wait states before the clock that needs them [4.3.8]. */
    REG(FLASH_ACR) = FLASH_WAIT_STATES | FLASH_ACR_WRITE_DELAY;
    while ((REG(FLASH_ACR) & FLASH_ACR_LATENCY) != FLASH_WAIT_STATES) {
    }
    REG(RCC_CFGR) = RCC_CFGR_SW_PLL;
    while (RCC_CFGR_SWS(REG(RCC_CFGR)) != RCC_CFGR_SW_PLL) {
    }
    start_caches();
}
