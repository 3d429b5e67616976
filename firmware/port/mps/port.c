/* Arm's MPS boards: a CMSDK UART (Cortex-M System Design Kit, DDI 0479, 4.3). */
#include "port.h"

#include "counter.h"
#include "idle.h"
#include "start.h"

const int32_t port_links = 1;

#define REG(address) (*(volatile uint32_t *)(address))

#define UART_DATA (UART_BASE + 0x00u)
#define UART_STATE (UART_BASE + 0x04u)
#define UART_CTRL (UART_BASE + 0x08u)
#define UART_INTCLEAR (UART_BASE + 0x0cu)
#define UART_BAUDDIV (UART_BASE + 0x10u)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CTRL_TX 1u
#define UART_CTRL_RX 2u
#define UART_CTRL_RX_INTERRUPT 8u
#define UART_INT_RX 2u

#define SCB_CPACR 0xe000ed88u
#define SCB_CPACR_FPU (0xfu << 20)
#define SCB_AIRCR 0xe000ed0cu
#define SCB_AIRCR_SYSRESETREQ (0x05fa0000u | 1u << 2)

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*exception[15])(void);
} vectors = {
    .stack = stack_top,
    .exception = {[0] = reset_handler, [1] = hang, [2] = hang, [14] = counter_wrap},
};

/* Code compiled for vectors uses them for plain loops as well, from the first one on. */
void start_early(void)
{
    REG(SCB_CPACR) |= SCB_CPACR_FPU;
    __asm volatile("dsb\n"
                   "isb" ::: "memory");
}

void port_start(void)
{
    counter_start();
    REG(UART_BAUDDIV) = (CLOCK_HZ + BAUD_RATE / 2u) / BAUD_RATE;
    REG(UART_CTRL) = UART_CTRL_TX | UART_CTRL_RX | UART_CTRL_RX_INTERRUPT;
}

int32_t port_read(int32_t link)
{
    (void)link;
    if ((REG(UART_STATE) & UART_STATE_RX_FULL) != 0) {
        REG(UART_INTCLEAR) = UART_INT_RX;
        return (int32_t)(REG(UART_DATA) & 0xffu);
    }
    idle_until(UART_INTERRUPT);
    return -1;
}

void port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    for (int32_t i = 0; i < length; i++) {
        while ((REG(UART_STATE) & UART_STATE_TX_FULL) != 0) {
        }
        REG(UART_DATA) = bytes[i];
    }
}

void port_flush(int32_t link)
{
    (void)link;
}

uint8_t port_unit(void)
{
    return counter_unit();
}

uint64_t port_count(void)
{
    return counter_read();
}

void port_memory(struct port_memory *memory)
{
    memory->stack_peak = stack_peak();
    memory->stack_size = stack_size();
    memory->static_ram = static_ram();
}

/* There is no boot loader: the board starts again. */
void port_reboot(void)
{
    while ((REG(UART_STATE) & UART_STATE_TX_FULL) != 0) {
    }
    REG(SCB_AIRCR) = SCB_AIRCR_SYSRESETREQ;
    hang();
}
