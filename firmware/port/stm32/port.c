#include "port.h"

#include "chip.h"
#include "counter.h"
#include "start.h"
#include "vectors.h"
#include "stm32.h"

#define UART USART(UART_NUMBER)
#define PINS GPIO_PORT(UART_PORT)

_Static_assert(UART_NUMBER >= 1 && UART_NUMBER <= 3, "USART1, USART2 or USART3");
_Static_assert(UART_TX_PIN < 16 && UART_RX_PIN < 16 && UART_FUNCTION < 16, "pins of one port");
#define BAUD_DIVISOR ((UART_CLOCK_HZ + BAUD_RATE / 2u) / BAUD_RATE)

/* The first word behind static memory, which start-up code paints later: it survives a reset. */
extern uint32_t bonsai_bss_end[];
#define BOOT_LOADER_WANTED 0xb007104du

/* The boot loader in system memory expects the state after a reset (AN2606, 'Bootloader
 * activation'), so it is entered by one. */
static void enter_boot_loader_if_wanted(void)
{
    volatile uint32_t *wanted = bonsai_bss_end;
    if (*wanted != BOOT_LOADER_WANTED) {
        return;
    }
    *wanted = 0;
    REG(SCB_VTOR) = SYSTEM_MEMORY;
    __asm volatile("msr msp, %0\n"
                   "bx %1"
                   :
                   : "r"(REG(SYSTEM_MEMORY)), "r"(REG(SYSTEM_MEMORY + 4))
                   : "memory");
    __builtin_unreachable();
}

/* Clocks first: weights in .data are copied at full speed. */
void bonsai_start_early(void)
{
    enter_boot_loader_if_wanted();
    bonsai_start_clocks();
}

static void set_up_pin(uint32_t pin)
{
    const uint32_t function = 4u * (pin % 8u);
    REG(PINS + GPIO_AFR(pin)) =
        (REG(PINS + GPIO_AFR(pin)) & ~(15u << function)) | UART_FUNCTION << function;
    REG(PINS + GPIO_MODER) =
        (REG(PINS + GPIO_MODER) & ~(GPIO_MODE_MASK << 2 * pin)) | GPIO_MODE_ALTERNATE << 2 * pin;
}

static void start_usart(void)
{
    REG(GPIO_ENABLE) |= 1u << UART_PORT;
    REG(USART_ENABLE(UART_NUMBER)) |= 1u << USART_ENABLE_BIT(UART_NUMBER);
    (void)REG(USART_ENABLE(UART_NUMBER)); /* the clock runs two cycles after the write */
    REG(PINS + GPIO_PUPDR) |= GPIO_PULL_UP << 2 * UART_RX_PIN; /* an open line reads as silence */
    set_up_pin(UART_TX_PIN);
    set_up_pin(UART_RX_PIN);
    REG(UART + USART_BRR) = BAUD_DIVISOR;
    REG(UART + USART_CR1) = USART_CR1_FIFOEN; /* only while it is off */
    REG(UART + USART_CR1) = USART_CR1_FIFOEN | USART_CR1_UE | USART_CR1_TE | USART_CR1_RE;
}

void bonsai_port_start(void)
{
    /* If the boot loader started the program, the vector table is still the boot loader's. */
    REG(SCB_VTOR) = (uint32_t)(uintptr_t)&bonsai_vectors;
    bonsai_counter_start();
    start_usart();
}

int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    const uint32_t status = REG(UART + USART_ISR);
    if ((status & USART_ISR_ORE) != 0) {
        REG(UART + USART_ICR) = USART_ICR_ORECF; /* a lost byte shows in the frame's checksum */
    }
    return (status & USART_ISR_RXNE) != 0 ? (int32_t)(REG(UART + USART_RDR) & 0xffu) : -1;
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    for (int32_t i = 0; i < length; i++) {
        while ((REG(UART + USART_ISR) & USART_ISR_TXE) == 0) {
        }
        REG(UART + USART_TDR) = bytes[i];
    }
}

void bonsai_port_reboot(void)
{
    while ((REG(UART + USART_ISR) & USART_ISR_TC) == 0) {
    }
    volatile uint32_t *wanted = bonsai_bss_end;
    wanted[0] = BOOT_LOADER_WANTED;
    wanted[1] = 0; /* RAM with ECC may hold the last word back until another is written (AN5342) */
    __asm volatile("dsb" ::: "memory");
    REG(SCB_AIRCR) = SCB_AIRCR_SYSRESETREQ;
    bonsai_hang();
}
