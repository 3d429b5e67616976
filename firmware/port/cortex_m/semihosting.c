#include "semihosting.h"

#include <stddef.h>

#include "counter.h"
#include "port.h"

/* Operations (Arm IHI 0066, 'Semihosting for AArch32 and AArch64'). */
#define SYS_WRITEC 0x03
#define SYS_READC 0x07

bool bonsai_semihosting_present(void)
{
    return bonsai_port_unit() == COUNT_INSTRUCTIONS;
}

/* QEMU passes the byte through the memory below the stack pointer, which no exception may use
 * meanwhile. QEMU 7.2 fills it after it has taken the result from it, so that r0 has the byte of
 * the call before. */
static int32_t read_byte(void)
{
    register int32_t r0 __asm("r0") = SYS_READC;
    register const void *r1 __asm("r1") = NULL;
    __asm volatile("bkpt 0xab\n"
                   "ldrb r0, [sp, #-1]"
                   : "+r"(r0)
                   : "r"(r1)
                   : "memory");
    return r0;
}

static void write_byte(const uint8_t *byte)
{
    register int32_t r0 __asm("r0") = SYS_WRITEC;
    register const void *r1 __asm("r1") = byte;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

int32_t bonsai_semihosting_read(void)
{
    bonsai_counter_pause();
    const int32_t byte = read_byte();
    bonsai_counter_resume();
    return byte;
}

void bonsai_semihosting_write(const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        write_byte(&bytes[i]);
    }
}
