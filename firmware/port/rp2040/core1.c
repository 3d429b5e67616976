/* The second core computes the second half of a step while the first core computes the first half.
 * The cores communicate through the FIFOs between them (RP2040 datasheet, 2.3.1.4). */
#include "cores.h"

#include <stdbool.h>

#include "chip.h"

/* Kernels take about 200 bytes of stack, a packed depthwise convolution 768 bytes more for its
 * longest line, and a row that looks up sums 836 for their addresses. Core 1 has no interrupts. */
#define STACK_WORDS 320

static uint32_t stack[STACK_WORDS] __attribute__((aligned(8)));

static enum { NOT_STARTED, RUNNING, ABSENT } core1;

/* Polls of the FIFO before core 1 counts as absent, as in a simulator without it. They take about
 * a millisecond; the boot ROM answers within microseconds. */
#define PATIENCE 10000

/* Six words start the core; each wrong answer restarts the sequence. */
#define MOST_WORDS 36

/* Both sides of a hand-over: makes the writes of one core visible to the other. */
static void barrier(void)
{
    __asm volatile("dmb" ::: "memory");
}

static bool has_word(void)
{
    return (REG(SIO_FIFO_ST) & SIO_FIFO_VALID) != 0;
}

/* The FIFO holds eight words and never has more than two, so there is always room. */
static void send(uint32_t word)
{
    REG(SIO_FIFO_WR) = word;
    __asm volatile("sev");
}

static uint32_t receive(void)
{
    while (!has_word()) {
        __asm volatile("wfe");
    }
    return REG(SIO_FIFO_RD);
}

static void serve(void)
{
    for (;;) {
        bonsai_half *const half = (bonsai_half *)(uintptr_t)receive();
        int8_t *const arena = (int8_t *)(uintptr_t)receive();
        barrier();
        half(arena);
        barrier();
        send(0);
    }
}

/* The boot ROM of core 1 expects these words and echoes each; a 0 restarts the sequence [2.8.2]. */
static bool start(void)
{
    const uint32_t words[] = {
        0, 0, 1, REG(VTOR), (uint32_t)(uintptr_t)(stack + STACK_WORDS), (uint32_t)(uintptr_t)serve,
    };
    const uint32_t count = sizeof words / sizeof words[0];
    /* Resets core 1 to its boot ROM: a debugger may have restarted core 0 alone [2.13.4]. */
    SET_BITS(PSM_FRCE_OFF) = PSM_PROC1;
    while ((REG(PSM_FRCE_OFF) & PSM_PROC1) == 0) {
    }
    CLEAR_BITS(PSM_FRCE_OFF) = PSM_PROC1;
    uint32_t next = 0;
    for (int32_t sent = 0; sent < MOST_WORDS && next < count; sent++) {
        if (words[next] == 0) {
            while (has_word()) {
                (void)REG(SIO_FIFO_RD);
            }
            __asm volatile("sev"); /* it may be waiting for room */
        }
        send(words[next]);
        for (int32_t looks = 0; !has_word(); looks++) {
            if (looks == PATIENCE) {
                return false;
            }
        }
        next = REG(SIO_FIFO_RD) == words[next] ? next + 1 : 0;
    }
    return next == count;
}

void bonsai_both(bonsai_half *first, bonsai_half *second, int8_t *arena)
{
    if (core1 == NOT_STARTED) {
        core1 = start() ? RUNNING : ABSENT;
    }
    if (core1 == ABSENT) {
        first(arena);
        second(arena);
        return;
    }
    barrier();
    send((uint32_t)(uintptr_t)second);
    send((uint32_t)(uintptr_t)arena);
    first(arena);
    (void)receive();
    barrier();
}
