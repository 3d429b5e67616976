/* From reset to main: memory is set up, and the free memory painted so that the peak of the stack
 * can be read off later. */
#include "start.h"

#define PAINT 0x5ac35ac3u
/* Bytes below the stack pointer that the painter leaves to itself. */
#define PAINTER_STACK 64

/* Addresses that the linker script defines. */
extern uint32_t data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_load[];

int main(void);

void hang(void)
{
    for (;;) {
    }
}

__attribute__((weak)) void start_early(void)
{
}

void reset_handler(void)
{
    start_early();
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    const uintptr_t stack = (uintptr_t)__builtin_frame_address(0) - PAINTER_STACK;
    for (uint32_t *free = bss_end; (uintptr_t)free < stack; free++) {
        *free = PAINT;
    }
    main();
    hang();
}

uint32_t stack_size(void)
{
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)bss_end);
}

uint32_t stack_peak(void)
{
    const uint32_t *deepest = bss_end;
    while (deepest < stack_top && *deepest == PAINT) {
        deepest++;
    }
    return (uint32_t)((uintptr_t)stack_top - (uintptr_t)deepest);
}

uint32_t static_ram(void)
{
    return (uint32_t)((uintptr_t)bss_end - (uintptr_t)data_start);
}
