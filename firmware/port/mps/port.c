/* Arm's MPS boards: a CMSDK UART (Cortex-M System Design Kit, DDI 0479, 4.3). */
#include "port.h"

#include "counter.h"
#include "semihosting.h"
#include "start.h"

#define REG(address) (*(volatile uint32_t *)(address))

#define UART_DATA (UART_BASE + 0x00u)
#define UART_STATE (UART_BASE + 0x04u)
#define UART_CTRL (UART_BASE + 0x08u)
#define UART_BAUDDIV (UART_BASE + 0x10u)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CTRL_TX 1u
#define UART_CTRL_RX 2u

#define SCB_CPACR 0xe000ed88u
#define SCB_CPACR_FPU (0xfu << 20)
#define SCB_AIRCR 0xe000ed0cu
#define SCB_AIRCR_SYSRESETREQ (0x05fa0000u | 1u << 2)

/* Enables the vector unit first: compiled code may use it in any loop, including the start-up code.
 * */
void bonsai_start_early(void)
{
    REG(SCB_CPACR) |= SCB_CPACR_FPU;
    __asm volatile("dsb\n"
                   "isb" ::: "memory");
}

void bonsai_port_start(void)
{
    bonsai_counter_start();
    REG(UART_BAUDDIV) = (CLOCK_HZ + BAUD_RATE / 2u) / BAUD_RATE;
    REG(UART_CTRL) = UART_CTRL_TX | UART_CTRL_RX;
}

int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    if (bonsai_semihosting_present()) {
        return bonsai_semihosting_read();
    }
    return (REG(UART_STATE) & UART_STATE_RX_FULL) != 0 ? (int32_t)(REG(UART_DATA) & 0xffu) : -1;
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    if (bonsai_semihosting_present()) {
        bonsai_semihosting_write(bytes, length);
        return;
    }
    for (int32_t i = 0; i < length; i++) {
        while ((REG(UART_STATE) & UART_STATE_TX_FULL) != 0) {
        }
        REG(UART_DATA) = bytes[i];
    }
}

/* Restarts the board, which has no boot loader. */
void bonsai_port_reboot(void)
{
    while ((REG(UART_STATE) & UART_STATE_TX_FULL) != 0) {
    }
    REG(SCB_AIRCR) = SCB_AIRCR_SYSRESETREQ;
    bonsai_hang();
}
