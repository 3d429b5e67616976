#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "window_pairs"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* One output channel after the other, run after run. For each channel `stage` holds the initial
 * sum, low, high, top, offset and the outputs for sums below 0 (low byte) and above top (next
 * byte). An output of a sum a within 0 ... top is
 * the highest byte of a * high + (a * low >> 14) + offset. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(window_pairs, runs, 0);
BONSAI_PLACE(window_pairs, list, 4);
BONSAI_PLACE(window_pairs, tap_step, 8);
BONSAI_PLACE(window_pairs, line_step, 12);
BONSAI_PLACE(window_pairs, kernel_w, 16);
BONSAI_PLACE(window_pairs, zero_point, 20);
BONSAI_PLACE(window_pairs, right, 24);
BONSAI_PLACE(window_pairs, out_right, 28);
BONSAI_PLACE(window_pairs, down, 32);
BONSAI_PLACE(window_pairs, out_down, 36);
BONSAI_PLACE(window_pairs, channels, 40);
BONSAI_PLACE(window_pairs, siblings, 44);
BONSAI_PLACE(window_pairs, taps, 48);

BONSAI_NAKED void
compute_pairs(__attribute__((unused)) const struct window_pairs *pairs,
              __attribute__((unused)) const int8_t *x, __attribute__((unused)) int8_t *out,
              __attribute__((unused)) const int8_t *weights,
              __attribute__((unused)) const int32_t *stage)
{
    /* On the stack: 0 list, 4 start, 8 end of the list, 12 outputs out of range, 16 low_shift,
     * 20 shift, 24 lift, 28 zero point, 32 x, 36 out, 40 weights, 44 runs, 48 pairs, 52 lines left,
     * 56 to the next window and 60 output, 64 from line to line, 68 from the end of a line to the
     * next and 72 of the output, 76 channels left, 80 of this input channel; 120 stage. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n sub sp, #84\n"
            "str r1, [sp, #32]\n str r2, [sp, #36]\n str r3, [sp, #40]\n str r0, [sp, #48]\n"
            "ldr r5, [r0, #40]\n str r5, [sp, #76]\n ldr r5, [r0, #44]\n str r5, [sp, #80]\n"
            "ldr r6, [r0, #4]\n str r6, [sp]\n ldr r4, [sp, #120]\n"
            "4:\n"
            "ldr r5, [r4, #20]\n str r5, [sp, #12]\n"
            "ldr r5, [sp, #48]\n ldr r5, [r5]\n"
            /* A run. r12: where the unrolled taps are entered first. */
            "1: ldm r5!, {r3}\n cmp r3, #0\n bne 2f\n b 9f\n"
            "2: lsrs r4, r3, #8\n beq 6f\n str r5, [sp, #44]\n lsrs r2, r3, #24\n lsls r2, r2, #1\n"
            "adr r1, 5f\n adds r2, r1\n adds r2, #1\n mov r12, r2\n"
            /* The list of its taps. r1: sum of the weights; r9: the line's offset. */
            "ldr r7, [sp, #48]\n ldr r1, [r7, #8]\n mov r8, r1\n ldr r1, [r7, #12]\n mov r11, r1\n"
            "ldr r1, [r7, #16]\n mov r10, r1\n movs r1, #0\n mov r9, r1\n"
            "ldr r0, [sp, #40]\n uxtb r2, r3\n adds r0, r2\n uxtb r4, r4\n"
            "lsrs r7, r3, #16\n uxtb r7, r7\n ldr r6, [sp]\n"
            "3: mov r2, r9\n movs r3, #0\n"
            "14: ldrsb r5, [r0, r3]\n adds r1, r5\n stm r6!, {r2, r5}\n add r2, r8\n adds r3, #1\n"
            "cmp r3, r7\n bne 14b\n add r0, r10\n add r9, r11\n subs r4, #1\n bne 3b\n"
            /* After it low, high, top and offset. Initial sums include what padding takes from
             * them. */
            "ldr r7, [sp, #48]\n ldr r0, [r7, #20]\n muls r1, r0\n"
            "ldr r7, [sp, #120]\n ldm r7!, {r0}\n ldm r7!, {r2-r5}\n stm r6!, {r2-r5}\n"
            "subs r0, r0, r1\n str r0, [sp, #4]\n ldr r5, [sp, #44]\n"
            /* r10: the first window of a pair; r11: the end of the windows; r9: the output. */
            "6: ldm r5!, {r0-r3}\n mov r8, r2\n mov lr, r3\n ldr r4, [sp, #32]\n adds r0, r4\n"
            "mov r10, r0\n ldr r4, [sp, #36]\n adds r1, r4\n mov r9, r1\n ldm r5!, {r1-r3}\n"
            "str r5, [sp, #44]\n adds r0, r1\n mov r11, r0\n str r2, [sp, #72]\n"
            "ldr r7, [sp, #48]\n adds r7, #24\n ldm r7, {r4-r7}\n lsrs r3, r3, #1\n"
            "str r3, [sp, #52]\n"
            "bcc 7f\n movs r2, r4\n movs r4, r6\n movs r6, r2\n movs r5, r7\n"
            "7: str r4, [sp, #56]\n str r5, [sp, #60]\n str r6, [sp, #64]\n subs r6, r6, r1\n"
            "str r6, [sp, #68]\n"
            "8: mov r5, r10\n mov r6, r10\n add r6, r8\n ldr r7, [sp]\n ldr r3, [sp, #4]\n"
            "movs r4, r3\n bx r12\n"
            ".balign 4\n"
            "5:\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7!, {r0, r1}\n ldrsb r2, [r5, r0]\n muls r2, r1\n adds r3, r2\n"
            "ldrsb r0, [r6, r0]\n"
            "muls r0, r1\n adds r4, r0\n"
            "ldm r7, {r0, r1, r2, r7}\n cmp r3, r2\n bhi 71f\n movs r6, r0\n"
            "muls r6, r3\n lsrs r6, #14\n muls r3, r1\n"
            "adds r3, r6\n adds r3, r7\n"
            "lsrs r3, #24\n"
            "61: mov r6, r9\n strb r3, [r6]\n cmp r4, r2\n bhi 72f\n"
            "muls r0, r4\n lsrs r0, #14\n muls r4, r1\n"
            "adds r4, r0\n adds r4, r7\n"
            "lsrs r4, #24\n"
            "62: add r6, lr\n strb r4, [r6]\n"
            "ldr r0, [sp, #60]\n add r9, r0\n"
            "ldr r0, [sp, #56]\n add r10, r0\n cmp r10, r11\n bne 8b\n"
            "10: ldr r0, [sp, #52]\n subs r0, #1\n beq 11f\n str r0, [sp, #52]\n"
            "ldr r0, [sp, #68]\n add r10, r0\n ldr r0, [sp, #64]\n add r11, r0\n"
            "ldr r0, [sp, #72]\n add r9, r0\n b 8b\n"
            "11: ldr r5, [sp, #44]\n b 1b\n"
            "71: ldr r6, [sp, #12]\n cmp r3, #0\n blt 91f\n lsrs r6, #8\n"
            "91: movs r3, r6\n b 61b\n"
            "72: ldr r0, [sp, #12]\n cmp r4, #0\n blt 92f\n lsrs r0, #8\n"
            "92: movs r4, r0\n b 62b\n"
            "9: ldr r0, [sp, #76]\n subs r0, #1\n beq 12f\n str r0, [sp, #76]\n ldr r7, [sp, #48]\n"
            "ldr r1, [sp, #36]\n adds r1, #1\n str r1, [sp, #36]\n ldr r1, [sp, #40]\n"
            "ldr r2, [r7, #48]\n"
            "adds r1, r2\n str r1, [sp, #40]\n ldr r4, [sp, #120]\n adds r4, #24\n"
            "str r4, [sp, #120]\n"
            "ldr r0, [sp, #80]\n subs r0, #1\n bne 13f\n ldr r0, [sp, #32]\n adds r0, #1\n"
            "str r0, [sp, #32]\n"
            "ldr r0, [r7, #44]\n"
            "13: str r0, [sp, #80]\n b 4b\n"
            "12: add sp, #84\n pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
            "pop {r4-r7, pc}\n");
}

#else

static int8_t compute_pairs_output(const int8_t *window, const int8_t *weights, const int32_t *run,
                                   const struct window_pairs *pairs, const int32_t *stage)
{
    uint32_t a = (uint32_t)stage[0];
    weights += run[0] & 255;
    for (int32_t line = 0; line < (run[0] >> 8 & 255); line++, weights += pairs->kernel_w) {
        for (int32_t tap = 0; tap < (run[0] >> 16 & 255); tap++) {
            const int8_t *x = window + line * pairs->line_step + tap * pairs->tap_step;
            const int32_t value = *x - pairs->zero_point;
            a += (uint32_t)(value * weights[tap]);
        }
    }
    if (a > (uint32_t)stage[3])
        return (int8_t)((int32_t)a < 0 ? stage[5] : stage[5] >> 8);
    const uint32_t low = a * (uint32_t)stage[1], high = a * (uint32_t)stage[2];
    return (int8_t)((high + (low >> 14) + (uint32_t)stage[4]) >> 24);
}

static void compute_pairs_channel(const struct window_pairs *pairs, const int8_t *x, int8_t *out,
                                  const int8_t *weights, const int32_t *stage)
{
    const int32_t *taps = pairs->runs;
    for (const int32_t *run = pairs->runs; *run != 0; run += 8) {
        if (*run >> 8 != 0)
            taps = run;
        const int32_t is_column = run[7] & 1;
        const int32_t step = is_column ? pairs->down : pairs->right;
        const int32_t out_step = is_column ? pairs->out_down : pairs->out_right;
        const int8_t *window = x + run[1];
        int8_t *y = out + run[2];
        for (int32_t line = run[7] >> 1; line > 0; line--) {
            for (int32_t at = 0; at < run[5]; at += step, window += step, y += out_step) {
                const int8_t first = compute_pairs_output(window, weights, taps, pairs, stage);
                y[run[4]] = compute_pairs_output(window + run[3], weights, taps, pairs, stage);
                y[0] = first;
            }
            window += (is_column ? pairs->right : pairs->down) - run[5];
            y += run[6];
        }
    }
}

static void compute_pairs(const struct window_pairs *pairs, const int8_t *x, int8_t *out,
                          const int8_t *weights, const int32_t *stage)
{
    for (int32_t c = 0; c < pairs->channels; c++, out += 1) {
        compute_pairs_channel(pairs, x + c / pairs->siblings, out, weights, stage);
        weights += pairs->taps;
        stage += 6;
    }
}

#endif

struct depthwise_conv2d_pairs_s8_thumb1_args {
    const int32_t *runs;
    const int8_t *weights;
    const int32_t *stage;
    uint16_t in_image;
    uint8_t out_image;
    uint8_t line_step;
    uint8_t right;
    uint8_t down;
    uint8_t out_down;
};

/* One channel after the other, two windows at a time, from the pixels in place. Outputs whose
 * windows lose the same taps to padding are computed together. */
static void depthwise_conv2d_pairs_s8_thumb1(
    const int8_t *in, int8_t *out, int8_t *scratch,
    const struct depthwise_conv2d_pairs_s8_thumb1_args *restrict args)
{
    const struct window_pairs pairs = {
        .runs = args->runs, .list = (int32_t *)(void *)scratch,
        .tap_step = 5, .line_step = args->line_step,
        .kernel_w = 3, .zero_point = 3,
        .right = args->right, .out_right = 5, .down = args->down, .out_down = args->out_down,
        .channels = 5, .siblings = 1, .taps = 9,
    };
    for (int32_t batch = 1; batch > 0; batch--) {
        compute_pairs(&pairs, in, out, args->weights, args->stage);
        in += args->in_image;
        out += args->out_image;
    }
}

static const struct depthwise_conv2d_pairs_s8_thumb1_args model_depthwise_conv2d_0_args
    BONSAI_FLASH = {
    .runs = model_depthwise_conv2d_0_runs, .weights = model_depthwise_conv2d_0_weights,
    .stage = model_depthwise_conv2d_0_stage, .in_image = 405, .out_image = 125, .line_step = 45,
    .right = 10, .down = 90, .out_down = 25,
};

static const struct depthwise_conv2d_pairs_s8_thumb1_args model_depthwise_conv2d_1_args
    BONSAI_FLASH = {
    .runs = model_depthwise_conv2d_1_runs, .weights = model_depthwise_conv2d_1_weights,
    .stage = model_depthwise_conv2d_1_stage, .in_image = 125, .out_image = 45, .line_step = 25,
    .right = 5, .down = 25, .out_down = 15,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,5] -> [1,5,5,5]  3x3 stride 2 pad
     * 1,1,1,1
     * thumb1/depthwise_conv2d_pairs, 1125 MAC: test */
    case 0:
        depthwise_conv2d_pairs_s8_thumb1(arena + 0x0000, arena + 0x0198, arena + 0x0218,
                                         &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,5] -> [1,3,3,5]  3x3 relu
     * thumb1/depthwise_conv2d_pairs, 405 MAC: test */
    case 1:
        depthwise_conv2d_pairs_s8_thumb1(arena + 0x0198, arena + 0x0270, arena + 0x02a0,
                                         &model_depthwise_conv2d_1_args);
        break;
    default:
        break;
    }
}
