#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"

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

#include "rescale_sums"

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
    .weights = model_fully_connected_0_weights, .channels = 10,
};

static const struct sparse_fully_connected_s8_swar_args model_fully_connected_1_args
    BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .channels = 5,
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
