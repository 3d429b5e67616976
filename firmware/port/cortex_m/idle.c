#include "idle.h"

#include "counter.h"
#include "port.h"

#define REG(address) (*(volatile uint32_t *)(address))

/* Words whose bits enable, disable and clear interrupts (Armv7-M, B3.4). */
#define NVIC_ISER 0xe000e100u
#define NVIC_ICER 0xe000e180u
#define NVIC_ICPR 0xe000e280u

void bonsai_idle_until(uint32_t interrupt)
{
    const uint32_t word = interrupt / 32 * 4;
    const uint32_t bit = 1u << interrupt % 32;
    if (bonsai_counter_unit() == COUNT_CYCLES) {
        return;
    }
    /* A pending interrupt wakes the processor even if it is masked. */
    __asm volatile("cpsid i" ::: "memory");
    REG(NVIC_ISER + word) = bit;
    __asm volatile("dsb\n"
                   "wfi" ::: "memory");
    REG(NVIC_ICER + word) = bit;
    REG(NVIC_ICPR + word) = bit;
    __asm volatile("cpsie i" ::: "memory");
    bonsai_counter_restart();
}
