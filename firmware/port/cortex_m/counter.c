/* SysTick has 24 bits, and an exception at each wrap counts the higher bits. On a chip SysTick
 * ticks
 * with the processor, and the DWT's CYCCNT gives the exact low bits. QEMU does not model cycles:
 * its
 * CYCCNT stands still, and with -icount an instruction takes 2^ICOUNT_SHIFT ns of SysTick's time.
 * */
#include "counter.h"

#include <stdbool.h>

#include "port.h"

#define REG(address) (*(volatile uint32_t *)(address))

/* Armv7-M Architecture Reference Manual, B3.3 (SysTick), B3.2.4 (ICSR), C1.6.5 and C1.8.8. */
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define ICSR 0xe000ed04u
#define DEMCR 0xe000edfcu
#define DWT_CTRL 0xe0001000u
#define DWT_CYCCNT 0xe0001004u
#define DWT_LAR 0xe0001fb0u

#define SYST_ENABLE 1u
#define SYST_EXCEPTION 2u
#define SYST_PROCESSOR_CLOCK 4u
#define SYST_RUN (SYST_ENABLE | SYST_EXCEPTION | SYST_PROCESSOR_CLOCK)
#define ICSR_PENDSTSET_BIT 26
#define DEMCR_TRCENA (1u << 24)
#define DWT_CYCCNTENA 1u
#define DWT_LAR_KEY 0xc5acce55u /* locked after reset on a Cortex-M7 */

#define WRAP_BITS 24
#define WRAP_TICKS (1u << WRAP_BITS)
/* QEMU rounds the time of a wrap down to whole nanoseconds (ptimer_reload). */
#define WRAP_NS (WRAP_TICKS * 1000000000ull / CLOCK_HZ)
#define TICK_NS_Q32 ((1000000000ull << 32) / CLOCK_HZ)
#define HALF_INSTRUCTION_NS (1u << ICOUNT_SHIFT >> 1)

/* Instructions of bonsai_counter_wrap, which are subtracted from the count. */
#define HANDLER_INSTRUCTIONS 5u

volatile uint32_t bonsai_counter_wraps;
static bool chip;
/* The count when SysTick was started or resumed. */
static uint64_t origin;

__attribute__((naked)) void bonsai_counter_wrap(void)
{
    __asm volatile("ldr r0, =bonsai_counter_wraps\n"
                   "ldr r1, [r0]\n"
                   "adds r1, #1\n"
                   "str r1, [r0]\n"
                   "bx lr\n"
                   ".ltorg");
}

void bonsai_counter_start(void)
{
    REG(DEMCR) |= DEMCR_TRCENA;
    REG(DWT_LAR) = DWT_LAR_KEY;
    REG(DWT_CYCCNT) = 0;
    REG(DWT_CTRL) |= DWT_CYCCNTENA;
    REG(SYST_RVR) = WRAP_TICKS - 1;
    REG(SYST_CVR) = 0;
    REG(SYST_CSR) = SYST_RUN;
    const uint32_t cycles = REG(DWT_CYCCNT);
    chip = REG(DWT_CYCCNT) != cycles;
}

uint8_t bonsai_port_unit(void)
{
    return chip ? COUNT_CYCLES : COUNT_INSTRUCTIONS;
}

void bonsai_counter_pause(void)
{
    origin = bonsai_port_count();
    REG(SYST_CSR) = 0;
    __asm volatile("dsb\n"
                   "isb" ::: "memory"); /* a pending wrap is taken here */
}

void bonsai_counter_resume(void)
{
    REG(SYST_CVR) = 0;
    bonsai_counter_wraps = 0;
    REG(SYST_CSR) = SYST_RUN;
}

/* No branch depends on a value that is read, so every call takes the same time. */
uint64_t bonsai_port_count(void)
{
    __asm volatile("cpsid i" ::: "memory");
    const uint32_t elapsed = (0u - REG(SYST_CVR)) & (WRAP_TICKS - 1); /* it counts down */
    const uint32_t pending = REG(ICSR) >> ICSR_PENDSTSET_BIT & 1u;
    const uint32_t cycles = REG(DWT_CYCCNT);
    const uint32_t handled = bonsai_counter_wraps;
    __asm volatile("cpsie i" ::: "memory");
    /* A pending wrap happened before SYST_CVR was read if SysTick has just restarted. */
    const uint32_t wraps = handled + (pending & ~(elapsed >> (WRAP_BITS - 1)));
    if (chip) {
        const uint64_t about = ((uint64_t)wraps << WRAP_BITS) + elapsed;
        return about + (uint64_t)(int64_t)(int32_t)(cycles - (uint32_t)about);
    }
    const uint64_t ns = wraps * WRAP_NS + (elapsed * TICK_NS_Q32 >> 32);
    const uint64_t instructions = (ns + HALF_INSTRUCTION_NS) >> ICOUNT_SHIFT;
    return origin + instructions - (uint64_t)handled * HANDLER_INSTRUCTIONS;
}
