/* Tensilica's FPGA boards (LX60, LX200, ML605, KC705) as QEMU simulates them: a 16550 UART, a
 * register file of the FPGA, the core's CCOUNT. */
#include "port.h"

#include "start.h"

#define REG(address) (*(volatile uint32_t *)(address))

/* Registers of the UART are words [QEMU, hw/xtensa/xtfpga.c]. */
#define UART_DATA (UART_BASE + 0x00u)
#define UART_INTERRUPTS (UART_BASE + 0x04u)
#define UART_FIFOS (UART_BASE + 0x08u)
#define UART_FORMAT (UART_BASE + 0x0cu)
#define UART_STATE (UART_BASE + 0x14u)
#define UART_RECEIVE_INTERRUPT 1u
#define UART_ENABLE_FIFOS 7u
#define UART_8_BITS 3u
#define UART_DIVISOR 0x80u
#define UART_RECEIVED 1u
#define UART_HAS_ROOM 0x20u

#define FPGA_RESET (FPGA_BASE + 0x10u)
#define FPGA_RESET_KEY 0xdeadu

/* With -icount an instruction takes 2^ICOUNT_SHIFT ns of CCOUNT's time: more than two ticks. The
 * difference of two readings, each rounded down, is off by less than one tick, so it rounds to the
 * right number of instructions. */
#define TICKS_IN_1E9_INSTRUCTIONS ((uint64_t)CLOCK_HZ << ICOUNT_SHIFT)
#define INSTRUCTIONS_IN_64_TICKS (uint32_t)(64000000000u / TICKS_IN_1E9_INSTRUCTIONS)
_Static_assert(TICKS_IN_1E9_INSTRUCTIONS > 2000000000u, "at most two ticks");
_Static_assert(64000000000u % TICKS_IN_1E9_INSTRUCTIONS == 0, "a fraction of an instruction");

/* CCOUNT when the processor last woke, and the instructions until then. */
static uint32_t origin_ticks;
static uint32_t origin_low, origin_high;

static uint32_t ticks(void)
{
    uint32_t count;
    __asm volatile("rsr.ccount %0" : "=a"(count)::"memory");
    return count;
}

/* Sleeps until a byte arrives. In QEMU real time passes meanwhile, which is no number of
 * instructions: they are counted anew. */
static void sleep(void)
{
    const uint64_t count = bonsai_port_count();
    uint32_t state;
    /* waiti lets interrupts in: one that came before it would be handled, and nothing would wake. */
    __asm volatile("rsil %0, 1\n"
                   "wsr.intenable %1\n"
                   "waiti 0"
                   : "=&a"(state)
                   : "a"(1u << UART_INTERRUPT)
                   : "memory");
    origin_ticks = ticks();
    origin_low = (uint32_t)count;
    origin_high = (uint32_t)(count >> 32);
}

void bonsai_port_start(void)
{
    const uint32_t divisor = (CLOCK_HZ / 16u + BAUD_RATE / 2u) / BAUD_RATE;
    REG(UART_FORMAT) = UART_DIVISOR | UART_8_BITS;
    REG(UART_DATA) = divisor & 0xffu;
    REG(UART_INTERRUPTS) = divisor >> 8;
    REG(UART_FORMAT) = UART_8_BITS;
    REG(UART_FIFOS) = UART_ENABLE_FIFOS;
    REG(UART_INTERRUPTS) = UART_RECEIVE_INTERRUPT;
    origin_ticks = ticks();
}

int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    if ((REG(UART_STATE) & UART_RECEIVED) == 0) {
        sleep();
        return -1;
    }
    return (int32_t)(REG(UART_DATA) & 0xffu);
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    for (int32_t i = 0; i < length; i++) {
        while ((REG(UART_STATE) & UART_HAS_ROOM) == 0) {
        }
        REG(UART_DATA) = bytes[i];
    }
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_INSTRUCTIONS;
}

/* The core has no carry, and compilers add 64-bit integers by a branch: so the carry is computed,
 * for every call to take the same time. */
uint64_t bonsai_port_count(void)
{
    const uint32_t elapsed = ticks() - origin_ticks;
    const uint32_t instructions = (elapsed >> 6) * INSTRUCTIONS_IN_64_TICKS +
                                  (((elapsed & 63u) * INSTRUCTIONS_IN_64_TICKS + 32u) >> 6);
    const uint32_t low = origin_low + instructions;
    const uint32_t carry = ((origin_low & instructions) | ((origin_low | instructions) & ~low)) >> 31;
    return (uint64_t)(origin_high + carry) << 32 | low;
}

/* Restarts the board, which has no boot loader. */
void bonsai_port_reboot(void)
{
    while ((REG(UART_STATE) & UART_HAS_ROOM) == 0) {
    }
    REG(FPGA_RESET) = FPGA_RESET_KEY;
    bonsai_hang();
}
