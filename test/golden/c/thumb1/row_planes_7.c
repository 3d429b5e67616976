/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

void model_fully_connected_0_routine(const void *in, void *out, const void *args);

/* Assembly for Armv6-M that needs r7, which is the frame pointer of clang and of unoptimized
 * code. */
#if defined(__thumb__) && !defined(__thumb2__) && defined(__OPTIMIZE__) && !defined(__clang__)
#define BONSAI_THUMB1
#endif

/* A function whose assembly needs r7 keeps no frame pointer there, whatever the options say. */
#if defined(BONSAI_THUMB1)
#define BONSAI_FRAMELESS __attribute__((optimize("omit-frame-pointer")))
#else
#define BONSAI_FRAMELESS
#endif

/* int8 outputs of n > 0 sums, by two 32-bit multiplications each. For each channel `stage` holds
 * the sum's start, top, the outputs for sums below 0 (low byte) and above top (next byte), and
 * high, low, shift and offset. A sum a within 0 ... top becomes the upper byte of a * high + (a *
 * low >> shift) + offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_sums_started(int8_t *y, const int32_t *sums,
                                                         const int32_t *stage, int32_t n)
{
    int8_t *const end = y + n;
#if defined(BONSAI_THUMB1)
    __asm__ volatile(".syntax unified\n"
                     "1: ldm %[sums]!, {r4}\n"
                     "   ldm %[stage]!, {r3, r5, r6}\n"
                     "   adds r4, r3\n"
                     "   cmp r4, r5\n"
                     "   bhi 2f\n"
                     "   ldm %[stage]!, {r3, r5, r6, r7}\n"
                     "   muls r5, r4\n"
                     "   lsrs r5, r6\n"
                     "   muls r4, r3\n"
                     "   adds r4, r5\n"
                     "   adds r4, r7\n"
                     "   lsrs r4, #24\n"
                     "   strb r4, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "   b 4f\n"
                     "2: adds %[stage], #16\n"
                     "   cmp r4, #0\n"
                     "   blt 3f\n"
                     "   lsrs r6, #8\n"
                     "3: strb r6, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "4:\n"
                     : [y] "+l"(y), [sums] "+l"(sums), [stage] "+l"(stage)
                     : [end] "h"(end)
                     : "r3", "r4", "r5", "r6", "r7", "cc", "memory");
#else
    for (; y != end; stage += 6) {
        const uint32_t a = (uint32_t)*sums++ + (uint32_t)*stage++, top = (uint32_t)stage[0];
        const uint32_t low = a * (uint32_t)stage[3] >> stage[4];
        const uint32_t inside = (a * (uint32_t)stage[2] + low + (uint32_t)stage[5]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[1] : stage[1] >> 8;
        *y++ = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

/* The routine looks up the sums of each channel's products, in tables made of its weights. */
static void row_s8_thumb1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    int32_t *const sums = (int32_t *)(void *)scratch;

    model_fully_connected_0_routine(in, sums, 0);
    rescale_sums_started(out, sums, (const int32_t *)model_fully_connected_0_stage, 10);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * thumb1/row_planes_7, 640 MAC: test */
    case 0:
        row_s8_thumb1(arena + 0x0000, arena + 0x0040, arena + 0x004c);
        break;
    default:
        break;
    }
}
