/* The counter of a Cortex-M0+, which has no CYCCNT: SysTick's 24 bits at the processor's clock,
 * and an exception at each wrap that counts the higher bits. */
#include "counter.h"
#include "port.h"

#define REG(address) (*(volatile uint32_t *)(address))

/* Armv6-M Architecture Reference Manual, B3.3 (SysTick) and B3.2.4 (ICSR). */
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define ICSR 0xe000ed04u

#define SYST_ENABLE 1u
#define SYST_EXCEPTION 2u
#define SYST_PROCESSOR_CLOCK 4u
#define ICSR_PENDSTSET_BIT 26

#define WRAP_BITS 24
#define WRAP_TICKS (1u << WRAP_BITS)

static volatile uint32_t wraps;

void bonsai_counter_wrap(void)
{
    wraps++;
}

void bonsai_counter_start(void)
{
    REG(SYST_RVR) = WRAP_TICKS - 1;
    REG(SYST_CVR) = 0;
    REG(SYST_CSR) = SYST_ENABLE | SYST_EXCEPTION | SYST_PROCESSOR_CLOCK;
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_CYCLES;
}

/* No branch depends on a value that is read, so every call takes the same time. */
uint64_t bonsai_port_count(void)
{
    __asm volatile("cpsid i" ::: "memory");
    const uint32_t elapsed = (0u - REG(SYST_CVR)) & (WRAP_TICKS - 1); /* it counts down */
    const uint32_t pending = REG(ICSR) >> ICSR_PENDSTSET_BIT & 1u;
    const uint32_t handled = wraps;
    __asm volatile("cpsie i" ::: "memory");
    /* A pending wrap happened before SYST_CVR was read if SysTick has just restarted. */
    const uint32_t all = handled + (pending & ~(elapsed >> (WRAP_BITS - 1)));
    return ((uint64_t)all << WRAP_BITS) + elapsed;
}
