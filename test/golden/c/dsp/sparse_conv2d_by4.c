#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "sparse"
#include "sparse_pixels"
#include "BONSAI_NAKED"

/* Widens n int8 of four pixels to int16: two words hold the same int8 of all four pixels, 8
 * bytes from the next two. Returns
 * the end. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) uint32_t *
sparse_columns_8(__attribute__((unused)) uint32_t *to, __attribute__((unused)) int32_t n,
                 __attribute__((unused)) const int8_t *const pixels[4])
{
    /* r4 to r7: the pixels; r8 to r11: four int8 of each. */
    __asm__("push {r4-r11, lr}\n"
            "ldm r2, {r4-r7}\n"
            "subs r1, r1, #4\n"
            "blt 2f\n"
            "1: ldr r8, [r4], #4\n"
            "ldr r9, [r5], #4\n"
            "ldr r10, [r6], #4\n"
            "ldr r11, [r7], #4\n"
            "sxtb16 r12, r8\n"
            "sxtb16 lr, r9\n"
            "pkhbt r2, r12, lr, lsl #16\n"
            "pkhtb r12, lr, r12, asr #16\n"
            "str r12, [r0, #16]\n"
            "sxtb16 r12, r10\n"
            "sxtb16 lr, r11\n"
            "pkhbt r3, r12, lr, lsl #16\n"
            "pkhtb r12, lr, r12, asr #16\n"
            "str r12, [r0, #20]\n"
            "sxtb16 r8, r8, ror #8\n"
            "sxtb16 r9, r9, ror #8\n"
            "sxtb16 r10, r10, ror #8\n"
            "sxtb16 r11, r11, ror #8\n"
            "pkhtb r12, r9, r8, asr #16\n"
            "pkhtb lr, r11, r10, asr #16\n"
            "pkhbt r8, r8, r9, lsl #16\n"
            "pkhbt r9, r10, r11, lsl #16\n"
            "strd r12, lr, [r0, #24]\n"
            "strd r8, r9, [r0, #8]\n"
            "strd r2, r3, [r0], #32\n"
            "subs r1, r1, #4\n"
            "bge 1b\n"
            "2: adds r1, r1, #4\n"
            "beq 4f\n"
            "3: ldrsb r8, [r4], #1\n"
            "ldrsb r9, [r5], #1\n"
            "ldrsb r10, [r6], #1\n"
            "ldrsb r11, [r7], #1\n"
            "pkhbt r8, r8, r9, lsl #16\n"
            "pkhbt r9, r10, r11, lsl #16\n"
            "strd r8, r9, [r0], #8\n"
            "subs r1, r1, #1\n"
            "bne 3b\n"
            "4: pop {r4-r11, pc}\n");
}

#else

static uint32_t *sparse_columns_8(uint32_t *to, int32_t n, const int8_t *const pixels[4])
{
    for (int32_t i = 0; i < n; i++, to += 2) {
        to[0] = (uint16_t)pixels[0][i] | (uint32_t)pixels[1][i] << 16;
        to[1] = (uint16_t)pixels[2][i] | (uint32_t)pixels[3][i] << 16;
    }
    return to;
}

#endif

#include "BONSAI_PLACE"
#include "sparse_add"
#include "smmlar"
#include "saturate8"
#include "finish_twice"

/* Multiplies columns of taps, one tap of
 * four
 * pixels
 * each, by the nonzero weights, one output channel after the other. Outputs are finished by
 * finish_twice.
 * A column is four int16. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(sparse, weights, 0);
BONSAI_PLACE(sparse, end, 4);
BONSAI_PLACE(sparse, offset, 8);
BONSAI_PLACE(sparse, out_c, 12);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_sparse_four_twice(__attribute__((unused)) int8_t *y, __attribute__((unused)) const void *x,
                           __attribute__((unused)) const struct sparse *m,
                           __attribute__((unused)) int32_t pixels)
{
    /* r0: first entry, constant; r1: stream; lr: column; r2, r3: taps; r12: jump;
     * r4 to r7: sums. The frame: 0 y, 4 out_c, 8 what is
     * skipped of the stores, 16 x, 20 end, 24 offset. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "ldm r2, {r4-r7}\n"
            "strd r0, r7, [sp]\n"
            "strd r1, r5, [sp, #16]\n"
            "str r6, [sp, #24]\n"
            "rsb r3, r3, #4\n"
            "add r2, r7, r7, lsl #1\n"
            "lsl r3, r3, #2\n"
            "strd r2, r3, [sp, #8]\n"
            "mov r1, r4\n"
            "1:\n"
            "ldmia r1!, {r0, r7, r12}\n"
            "ldr lr, [sp, #16]\n"
            "add.w lr, lr, r0, lsr #16\n"
            "ldrd r2, r3, [lr]\n"
            "smlabb r4, r2, r0, r7\n"
            "smlatb r5, r2, r0, r7\n"
            "smlabb r6, r3, r0, r7\n"
            "smlatb r7, r3, r0, r7\n"
            "add pc, r12\n"
            "nop\n"
            ".rept 8\n"
            "ldrd r0, r12, [r1], #8\n"
            "add.w lr, lr, r0, lsr #16\n"
            "ldrd r2, r3, [lr]\n"
            "smlabb r4, r2, r0, r4\n"
            "smlatb r5, r2, r0, r5\n"
            "smlabb r6, r3, r0, r6\n"
            "smlatb r7, r3, r0, r7\n"
            "add.w lr, lr, r12, lsr #16\n"
            "ldrd r2, r3, [lr]\n"
            "smlabb r4, r2, r12, r4\n"
            "smlatb r5, r2, r12, r5\n"
            "smlabb r6, r3, r12, r6\n"
            "smlatb r7, r3, r12, r7\n"
            ".endr\n"
            "ldrd r12, r0, [r1], #8\n"
            "add pc, r12\n"
            "nop\n"
            "ldrd r2, r3, [r1], #8\n"
            /* Two sums in turn, so that few instructions wait for the one before. */
            "asr r4, r4, #7\n"
            "asr r5, r5, #7\n"
            "smmulr r4, r4, r0\n"
            "smmulr r5, r5, r0\n"
            "add r4, r4, r4, asr #31\n"
            "add r5, r5, r5, asr #31\n"
            "add r4, r4, r2\n"
            "add r5, r5, r2\n"
            "asr r4, r4, r3\n"
            "asr r5, r5, r3\n"
            "ssat r4, #8, r4\n"
            "ssat r5, #8, r5\n"
            "asr r6, r6, #7\n"
            "asr r7, r7, #7\n"
            "smmulr r6, r6, r0\n"
            "smmulr r7, r7, r0\n"
            "add r6, r6, r6, asr #31\n"
            "add r7, r7, r7, asr #31\n"
            "add r6, r6, r2\n"
            "add r7, r7, r2\n"
            "asr r6, r6, r3\n"
            "asr r7, r7, r3\n"
            "ssat r6, #8, r6\n"
            "ssat r7, #8, r7\n"
            "ldm sp, {r0, r2, r3, lr}\n"
            /* Missing pixels are skipped; all stores have the same size. */
            "add pc, lr\n"
            "nop\n"
            "strb.w r7, [r0, r3]\n"
            "strb.w r6, [r0, r2, lsl #1]\n"
            "strb.w r5, [r0, r2]\n"
            "strb.w r4, [r0], #1\n"
            "str r0, [sp]\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "add sp, sp, #28\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_sparse_four_twice(int8_t *y, const void *x, const struct sparse *m,
                                       int32_t pixels)
{
    enum { words = 1, tile = 4 };
    enum { step_entries = 2, step_bytes = 52 };
    for (const int32_t *w = m->weights; w != m->end; y++) {
        int32_t sums[tile], jump = w[words + 1];
        for (int32_t i = 0; i < tile; i++)
            sums[i] = w[words];
        const int16_t *column = x;
        column += sparse_add(sums, column, w, 4);
        w += words + 2;
        for (int32_t left = 8 - jump / step_bytes;; left = (-jump - 8) / step_bytes) {
            for (left *= step_entries; left > 0; left--, w += words)
                column += sparse_add(sums, column, w, 4);
            jump = w[0];
            if (jump == 0)
                break;
            w += 2;
        }
        w++;
        for (int32_t i = 0; i < pixels; i++)
            y[i * m->out_c] = finish_twice(sums[i], w[0], w[1], w[2]);
        w += 3;
    }
}

#endif

struct sparse_conv2d_by4_s8_dsp_args {
    const int32_t *weights;
    uint8_t end;
    uint8_t out_c;
    uint8_t in_c;
};

/* Four pixels at a time: their values are widened to int16 in scratch, those of one
 * channel side by side, then multiplied by the
 * nonzero weights. The input's zero point is folded into the
 * biases. */
static void sparse_conv2d_by4_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch,
                                     const struct sparse_conv2d_by4_s8_dsp_args *restrict args)
{
    const struct sparse sparse = {
        .weights = args->weights,
        .end = args->weights + args->end,
        .offset = 0,
        .out_c = args->out_c,
    };
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    const int32_t in_c = args->in_c;
    for (int32_t pixels = 81; pixels > 0; pixels -= 4) {
        const int32_t count = pixels < 4 ? pixels : 4;
        sparse_pixels(columns, 4, sparse_columns_8, in, count, in_c);
        in += 4 * in_c;
        const int32_t outputs = count * sparse.out_c;
        multiply_sparse_four_twice(out, columns, &sparse, count);
        out += outputs;
    }
}

static const struct sparse_conv2d_by4_s8_dsp_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .end = 72, .out_c = 8, .in_c = 3,
};

static const struct sparse_conv2d_by4_s8_dsp_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .end = 90, .out_c = 6, .in_c = 8,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,9,9,8]  1x1
     * dsp/sparse_conv2d_by4, 1944 MAC: test */
    case 0:
        sparse_conv2d_by4_s8_dsp(arena + 0x0000, arena + 0x00f4, arena + 0x037c,
                                 &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,9,9,8] -> [1,9,9,6]  1x1
     * dsp/sparse_conv2d_by4, 3888 MAC: test */
    case 1:
        sparse_conv2d_by4_s8_dsp(arena + 0x00f4, arena + 0x0394, arena + 0x057c,
                                 &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
