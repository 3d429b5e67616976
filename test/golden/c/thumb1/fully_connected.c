#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_NAKED"

/* sums[c] = starts[c] + the dot product of a row and the weights of channel c < channels. The row
 * is `words` words, x0 to x3 each. For every word of it `w` holds two: w2 + (w0 << 16) and w3 + (w1
 * << 16). (x0 + (x2 << 16)) * (w2 + (w0 << 16)) has x0 * w0 + x2 * w2 in its upper half: as proved,
 * that is within 16 bits, and x0 * w2 + 2^15 in the lower half never carries. */
#if defined(__ARM_ARCH_6M__)

BONSAI_NAKED void
dot_row(__attribute__((unused)) int32_t *sums, __attribute__((unused)) const int8_t *row,
        __attribute__((unused)) const int32_t *w, __attribute__((unused)) const int32_t *starts,
        __attribute__((unused)) int32_t words, __attribute__((unused)) int32_t channels)
{
    /* r0: x; r1: w; r8: the sum; r11: the end of the words before those taken by four; r12: the
     * end; lr: the row. A byte plus 128 (r6) is unsigned: two of them are masked at once (r7), then
     * moved back (r9). r10: 2^15. On the stack: 0 sums, 4 starts, 44 words, 48 channels. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n push {r0, r3}\n"
            "mov lr, r1\n movs r1, r2\n ldr r3, [sp, #44]\n"
            "lsls r4, r3, #2\n add r4, lr\n mov r12, r4\n"
            "movs r4, #3\n ands r4, r3\n lsls r4, #2\n add r4, lr\n mov r11, r4\n"
            "movs r6, #128\n lsls r4, r6, #8\n adds r6, r4\n lsls r4, r6, #16\n adds r6, r4\n"
            "movs r7, #255\n lsls r4, r7, #16\n adds r7, r4\n"
            "movs r4, #128\n lsls r5, r4, #16\n adds r5, r4\n rsbs r5, r5, #0\n mov r9, r5\n"
            "lsls r4, #8\n mov r10, r4\n"
            "1: ldr r3, [sp, #4]\n ldm r3!, {r4}\n str r3, [sp, #4]\n mov r8, r4\n mov r0, lr\n"
            "cmp r0, r11\n beq 3f\n"
            "2:\n"
            "ldm r0!, {r2}\n eors r2, r6\n lsrs r3, r2, #8\n ands r2, r7\n ands r3, r7\n"
            "add r2, r9\n add r3, r9\n"
            "ldm r1!, {r4, r5}\n muls r4, r2\n muls r5, r3\n add r4, r10\n add r5, r10\n"
            "asrs r4, #16\n asrs r5, #16\n add r8, r4\n add r8, r5\n"
            "cmp r0, r11\n bne 2b\n"
            "3: cmp r0, r12\n beq 5f\n"
            "4:\n"
            "ldm r0!, {r2}\n eors r2, r6\n lsrs r3, r2, #8\n ands r2, r7\n ands r3, r7\n"
            "add r2, r9\n add r3, r9\n"
            "ldm r1!, {r4, r5}\n muls r4, r2\n muls r5, r3\n add r4, r10\n add r5, r10\n"
            "asrs r4, #16\n asrs r5, #16\n add r8, r4\n add r8, r5\n"
            "ldm r0!, {r2}\n eors r2, r6\n lsrs r3, r2, #8\n ands r2, r7\n ands r3, r7\n"
            "add r2, r9\n add r3, r9\n"
            "ldm r1!, {r4, r5}\n muls r4, r2\n muls r5, r3\n add r4, r10\n add r5, r10\n"
            "asrs r4, #16\n asrs r5, #16\n add r8, r4\n add r8, r5\n"
            "ldm r0!, {r2}\n eors r2, r6\n lsrs r3, r2, #8\n ands r2, r7\n ands r3, r7\n"
            "add r2, r9\n add r3, r9\n"
            "ldm r1!, {r4, r5}\n muls r4, r2\n muls r5, r3\n add r4, r10\n add r5, r10\n"
            "asrs r4, #16\n asrs r5, #16\n add r8, r4\n add r8, r5\n"
            "ldm r0!, {r2}\n eors r2, r6\n lsrs r3, r2, #8\n ands r2, r7\n ands r3, r7\n"
            "add r2, r9\n add r3, r9\n"
            "ldm r1!, {r4, r5}\n muls r4, r2\n muls r5, r3\n add r4, r10\n add r5, r10\n"
            "asrs r4, #16\n asrs r5, #16\n add r8, r4\n add r8, r5\n"
            "cmp r0, r12\n bne 4b\n"
            "5: ldr r3, [sp]\n mov r4, r8\n stm r3!, {r4}\n str r3, [sp]\n"
            "ldr r3, [sp, #48]\n subs r3, #1\n str r3, [sp, #48]\n bne 1b\n"
            "add sp, #8\n pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
            "pop {r4-r7, pc}\n");
}

#else

static void dot_row(int32_t *sums, const int8_t *row, const int32_t *w, const int32_t *starts,
                    int32_t words, int32_t channels)
{
    for (; channels > 0; channels--) {
        int32_t sum = *starts++;
        for (const int8_t *x = row; x != row + words * 4; x += 4, w += 2) {
            const int32_t w2 = (int16_t)w[0], w3 = (int16_t)w[1];
            sum += x[0] * ((w[0] - w2) / 65536) + x[2] * w2;
            sum += x[1] * ((w[1] - w3) / 65536) + x[3] * w3;
        }
        *sums++ = sum;
    }
}

#endif

#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "rescale_sums"

struct fully_connected_s8_thumb1_args {
    const int32_t *stage;
    const int32_t *weights;
    const int32_t *starts;
    uint8_t words;
    uint8_t channels;
};

/* Multiplies rows of the input by few channels, two weights at a time. The input's zero point is
 * folded into the biases. A row is read before its outputs are written. */
static void fully_connected_s8_thumb1(const int8_t *in, int8_t *out,
                                      const struct fully_connected_s8_thumb1_args *restrict args)
{
    enum { most_channels = 4 };
    const int32_t words = args->words, channels = args->channels;
    int32_t sums[most_channels];

    for (int32_t rows = 1; rows > 0; rows--) {
        dot_row(sums, in, args->weights, args->starts, words, channels);
        rescale_sums(out, sums, args->stage, channels);
        in += words * 4;
        out += channels;
    }
}

static const struct fully_connected_s8_thumb1_args model_fully_connected_0_args BONSAI_FLASH = {
    .stage = model_fully_connected_0_stage, .weights = model_fully_connected_0_weights,
    .starts = model_fully_connected_0_starts, .words = 16, .channels = 4,
};

static const struct fully_connected_s8_thumb1_args model_fully_connected_1_args BONSAI_FLASH = {
    .stage = model_fully_connected_1_stage, .weights = model_fully_connected_1_weights,
    .starts = model_fully_connected_1_starts, .words = 1, .channels = 2,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,4]
     * thumb1/fully_connected, 256 MAC: test */
    case 0:
        fully_connected_s8_thumb1(arena + 0x0000, arena + 0x0040, &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,4] -> [1,2]
     * thumb1/fully_connected, 8 MAC: test */
    case 1:
        fully_connected_s8_thumb1(arena + 0x0040, arena + 0x0044, &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
