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

/* *sum = the first word of `w` + one channel's weights times the row x; returns the channel's end.
 * For each window of 256 inputs `w` holds a count, then twice as many words of two inputs each:
 * position in the window (low byte), weight, weight, position. */
BONSAI_SHARED BONSAI_FRAMELESS const int32_t *sparse_sum(const int8_t *x, const int32_t *w,
                                                         int32_t *sum, int32_t windows)
{
    uint32_t total = (uint32_t)*w++;
#if defined(BONSAI_THUMB1)
    __asm__ volatile(".syntax unified\n"
                     "1: ldm %[w]!, {r3}\n"
                     "   cmp r3, #0\n"
                     "   beq 3f\n"
                     "2: ldm %[w]!, {r4, r5}\n"
                     "uxtb r6, r4\n ldrsb r6, [%[x], r6]\n"
                     "lsls r7, r4, #16\n asrs r7, #24\n muls r6, r7\n adds %[total], r6\n"
                     "lsrs r6, r4, #24\n ldrsb r6, [%[x], r6]\n"
                     "lsls r7, r4, #8\n asrs r7, #24\n muls r6, r7\n adds %[total], r6\n"
                     "uxtb r6, r5\n ldrsb r6, [%[x], r6]\n"
                     "lsls r7, r5, #16\n asrs r7, #24\n muls r6, r7\n adds %[total], r6\n"
                     "lsrs r6, r5, #24\n ldrsb r6, [%[x], r6]\n"
                     "lsls r7, r5, #8\n asrs r7, #24\n muls r6, r7\n adds %[total], r6\n"
                     "   subs r3, #1\n"
                     "   bne 2b\n"
                     "3: adds %[x], #128\n"
                     "   adds %[x], #128\n"
                     "   cmp %[x], %[end]\n"
                     "   bne 1b\n"
                     : [x] "+l"(x), [w] "+l"(w), [total] "+l"(total)
                     : [end] "h"((uintptr_t)x + 256 * (uintptr_t)windows)
                     : "r3", "r4", "r5", "r6", "r7", "cc", "memory");
#else
    /* By bytes: most cores extend them as they load them. */
    for (int32_t window = 0; window < windows; window++, x += 256) {
        int32_t left = *w++;
        for (const int8_t *at = (const int8_t *)w; left > 0; left--, w += 2, at += 8) {
            total += (uint32_t)(x[(uint8_t)at[0]] * at[1]);
            total += (uint32_t)(x[(uint8_t)at[3]] * at[2]);
            total += (uint32_t)(x[(uint8_t)at[4]] * at[5]);
            total += (uint32_t)(x[(uint8_t)at[7]] * at[6]);
        }
    }
#endif
    *sum = (int32_t)total;
    return w;
}

/* int8 outputs of n > 0 sums, by two 32-bit multiplications each. For each channel `stage` holds
 * top, the outputs for sums below 0 (low byte) and above top (next byte), and high, low, shift and
 * offset. A sum a within 0 ... top becomes the upper byte of a * high + (a * low >> shift) +
 * offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_sums(int8_t *y, const int32_t *sums,
                                                 const int32_t *stage, int32_t n)
{
    int8_t *const end = y + n;
#if defined(BONSAI_THUMB1)
    __asm__ volatile(".syntax unified\n"
                     "1: ldm %[sums]!, {r4}\n"
                     "   ldm %[stage]!, {r5, r6}\n"
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
        const uint32_t a = (uint32_t)*sums++, top = (uint32_t)stage[0];
        const uint32_t low = a * (uint32_t)stage[3] >> stage[4];
        const uint32_t inside = (a * (uint32_t)stage[2] + low + (uint32_t)stage[5]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[1] : stage[1] >> 8;
        *y++ = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

struct sparse_fully_connected_s8_swar_args {
    const int32_t *weights;
    uint8_t channels;
};

/* Multiplies one row by channels without their zero weights. The input's zero point is folded into
 * the biases. */
static void sparse_fully_connected_s8_swar(
    const int8_t *in, int8_t *out, const struct sparse_fully_connected_s8_swar_args *restrict args)
{
    enum { block = 8, stage_words = 6 };
    const int32_t *w = args->weights;

    for (int32_t left = args->channels; left > 0; left -= block) {
        const int32_t n = left < block ? left : block;
        int32_t sums[block];
        for (int32_t i = 0; i < n; i++)
            w = sparse_sum(in, w, &sums[i], 1);
        rescale_sums(out, sums, w, n);
        w += n * stage_words;
        out += n;
    }
}

static const struct sparse_fully_connected_s8_swar_args model_fully_connected_0_args
    BONSAI_FLASH = {
    .weights = (const int32_t *)model_fully_connected_0_weights, .channels = 10,
};

static const struct sparse_fully_connected_s8_swar_args model_fully_connected_1_args
    BONSAI_FLASH = {
    .weights = (const int32_t *)model_fully_connected_1_weights, .channels = 5,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * swar/sparse_fully_connected, 640 MAC: test */
    case 0:
        sparse_fully_connected_s8_swar(arena + 0x0000, arena + 0x0040,
                                       &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * swar/sparse_fully_connected, 50 MAC: test */
    case 1:
        sparse_fully_connected_s8_swar(arena + 0x0040, arena + 0x004c,
                                       &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
