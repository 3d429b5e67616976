/* From reset to main: initializes memory, and paints the free memory so that the peak of the stack
 * can be measured later. */
#include "start.h"

#include "port.h"

#define PAINT 0x5ac35ac3u
/* Bytes below the stack pointer that the painting loop may use. */
#define PAINTER_STACK 64

/* Addresses that the linker script defines. */
extern uint32_t bonsai_data_start[], bonsai_data_end[], bonsai_bss_start[], bonsai_bss_end[];
extern const uint32_t bonsai_data_load[];

int main(void);

void bonsai_hang(void)
{
    for (;;) {
    }
}

__attribute__((weak)) void bonsai_start_early(void)
{
}

void bonsai_reset_handler(void)
{
    bonsai_start_early();
    const uint32_t *from = bonsai_data_load;
    for (uint32_t *to = bonsai_data_start; to < bonsai_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bonsai_bss_start; to < bonsai_bss_end; to++) {
        *to = 0;
    }
    const uintptr_t stack = (uintptr_t)__builtin_frame_address(0) - PAINTER_STACK;
    for (uint32_t *free = bonsai_bss_end; (uintptr_t)free < stack; free++) {
        *free = PAINT;
    }
    main();
    bonsai_hang();
}

static uint32_t bytes_between(const uint32_t *from, const uint32_t *to)
{
    return (uint32_t)((uintptr_t)to - (uintptr_t)from);
}

void bonsai_port_memory(struct bonsai_port_memory *memory)
{
    const uint32_t *deepest = bonsai_bss_end;
    while (deepest < bonsai_stack_top && *deepest == PAINT) {
        deepest++;
    }
    memory->stack_peak = bytes_between(deepest, bonsai_stack_top);
    memory->stack_size = bytes_between(bonsai_bss_end, bonsai_stack_top);
    memory->static_ram = bytes_between(bonsai_data_start, bonsai_bss_end);
}
