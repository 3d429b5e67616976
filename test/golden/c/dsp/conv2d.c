#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "filters"
#include "load_word"
#include "widen_wide"

/* Stores n values outside the image, in the layout of widen_*. */
static inline uint32_t *fill_patch(uint32_t *to, int32_t padding, int32_t n)
{
    for (; n > 0; n -= 2, to += 2)
        *to = (uint32_t)padding;
    return to;
}

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "smlad"
#include "multiply_sums"
#include "smmlar"
#include "saturate8"
#include "finish_twice"

/* Multiplies a patch of the input by all filters, four output channels at a time. Outputs are
 * finished by finish_twice.
 *
 * For two pixels: words of x alternate between two taps of y0 and two taps of y1. y1's outputs are
 * stored first, so for a single pixel both may be the same.
 *
 * Weights as int16: group after group of four channels, in each step after step of two taps, in
 * each a word for each channel. x is 256 times the input. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(filters, weights, 0);
BONSAI_PLACE(filters, full, 4);
BONSAI_PLACE(filters, end, 8);
BONSAI_PLACE(filters, stage, 12);
BONSAI_PLACE(filters, steps, 16);
BONSAI_PLACE(filters, offset, 20);
BONSAI_PLACE(filters, back, 24);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_pair_twice(__attribute__((unused)) int8_t *y0, __attribute__((unused)) int8_t *y1,
                    __attribute__((unused)) const uint32_t *x,
                    __attribute__((unused)) const struct filters *m)
{
    /* r0: x; r1: weights; r2 and r3: taps of y0 and of y1; r12 and lr: weights; r4 to r7: sums of
     * y0, r8 to r11 of y1. The frame: 0 outputs, 8 x, 12 its end, 16 full, 20 end, 24 stage, 28
     * offset, 32 back, 36 where the first round begins. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #44\n"
            "ldm r3, {r4-r10}\n"
            "strd r0, r1, [sp]\n"
            "add r11, r2, r8, lsl #3\n"
            "strd r2, r11, [sp, #8]\n"
            "strd r5, r6, [sp, #16]\n"
            "strd r7, r9, [sp, #24]\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r8, r8, #0\n"
            "and r8, r8, #15\n"
            "mov r2, #44\n"
            "adr r3, 2f + 1\n"
            "mla r11, r8, r2, r3\n"
            "strd r10, r11, [sp, #32]\n"
            "mov r1, r4\n"
            "1: ldr r12, [sp, #24]\n"
            "ldmia r12!, {r4-r7}\n"
            "str r12, [sp, #24]\n"
            "mov r8, r4\n"
            "mov r9, r5\n"
            "mov r10, r6\n"
            "mov r11, r7\n"
            "ldr r0, [sp, #8]\n"
            "ldr pc, [sp, #36]\n"
            ".balign 4\n"
            "2:\n"
            ".rept 16\n"
            "ldrd r2, r3, [r0], #8\n"
            "ldrd r12, lr, [r1], #8\n"
            "smlad r4, r12, r2, r4\n"
            "smlad r8, r12, r3, r8\n"
            "smlad r5, lr, r2, r5\n"
            "smlad r9, lr, r3, r9\n"
            "ldrd r12, lr, [r1], #8\n"
            "smlad r6, r12, r2, r6\n"
            "smlad r10, r12, r3, r10\n"
            "smlad r7, lr, r2, r7\n"
            "smlad r11, lr, r3, r11\n"
            ".endr\n"
            "ldr r12, [sp, #12]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldr r12, [sp, #24]\n"
            /* Two sums in turn, so that few instructions wait for the one before. */
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r4, r4, #7\n"
            "asr r8, r8, #7\n"
            "smmulr r4, r4, r0\n"
            "smmulr r8, r8, r0\n"
            "add r4, r4, r4, asr #31\n"
            "add r8, r8, r8, asr #31\n"
            "add r4, r4, r2\n"
            "add r8, r8, r2\n"
            "asr r4, r4, r3\n"
            "asr r8, r8, r3\n"
            "ssat r4, #8, r4\n"
            "ssat r8, #8, r8\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r5, r5, #7\n"
            "asr r9, r9, #7\n"
            "smmulr r5, r5, r0\n"
            "smmulr r9, r9, r0\n"
            "add r5, r5, r5, asr #31\n"
            "add r9, r9, r9, asr #31\n"
            "add r5, r5, r2\n"
            "add r9, r9, r2\n"
            "asr r5, r5, r3\n"
            "asr r9, r9, r3\n"
            "ssat r5, #8, r5\n"
            "ssat r9, #8, r9\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r6, r6, #7\n"
            "asr r10, r10, #7\n"
            "smmulr r6, r6, r0\n"
            "smmulr r10, r10, r0\n"
            "add r6, r6, r6, asr #31\n"
            "add r10, r10, r10, asr #31\n"
            "add r6, r6, r2\n"
            "add r10, r10, r2\n"
            "asr r6, r6, r3\n"
            "asr r10, r10, r3\n"
            "ssat r6, #8, r6\n"
            "ssat r10, #8, r10\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r7, r7, #7\n"
            "asr r11, r11, #7\n"
            "smmulr r7, r7, r0\n"
            "smmulr r11, r11, r0\n"
            "add r7, r7, r7, asr #31\n"
            "add r11, r11, r11, asr #31\n"
            "add r7, r7, r2\n"
            "add r11, r11, r2\n"
            "asr r7, r7, r3\n"
            "asr r11, r11, r3\n"
            "ssat r7, #8, r7\n"
            "ssat r11, #8, r11\n"
            "str r12, [sp, #24]\n"
            "ldrd r0, r2, [sp]\n"
            "strb r8, [r2], #1\n"
            "strb r9, [r2], #1\n"
            "strb r10, [r2], #1\n"
            "strb r11, [r2], #1\n"
            "strb r4, [r0], #1\n"
            "strb r5, [r0], #1\n"
            "strb r6, [r0], #1\n"
            "strb r7, [r0], #1\n"
            "strd r0, r2, [sp]\n"
            "ldr r12, [sp, #16]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "beq 4f\n"
            /* The last group steps back over computed channels. */
            "str r12, [sp, #16]\n"
            "ldrd r4, r5, [sp]\n"
            "ldr r12, [sp, #32]\n"
            "sub r4, r4, r12\n"
            "sub r5, r5, r12\n"
            "strd r4, r5, [sp]\n"
            "b 1b\n"
            "4: add sp, sp, #44\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_pair_twice(int8_t *y0, int8_t *y1, const uint32_t *x, const struct filters *m)
{
    const uint32_t *w = m->weights;
    const int32_t *stage = m->stage;
    for (const uint32_t *end = m->full;; end = m->end) {
        for (; w != end; w += 4 * m->steps, stage += 16) {
            int32_t sums0[4], sums1[4];
            multiply_sums(sums0, stage, x, 2, w, m->steps);
            multiply_sums(sums1, stage, x + 1, 2, w, m->steps);
            for (int32_t i = 0; i < 4; i++)
                *y1++ = finish_twice(sums1[i], stage[4 + 3 * i], stage[5 + 3 * i],
                                     stage[6 + 3 * i]);
            for (int32_t i = 0; i < 4; i++)
                *y0++ = finish_twice(sums0[i], stage[4 + 3 * i], stage[5 + 3 * i],
                                     stage[6 + 3 * i]);
        }
        if (w == m->end)
            return;
        y0 -= m->back;
        y1 -= m->back;
    }
}

#endif

/* Two output pixels at a time, in the order of memory: the inputs of each window are widened to
 * int16 in scratch, then multiplied by all filters. The input's zero point is folded into the
 * biases; a tap outside the image counts as the zero point. */
static void conv2d_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = model_conv2d_0_weights,
        .full = model_conv2d_0_weights + 120,
        .end = model_conv2d_0_weights + 120,
        .stage = model_conv2d_0_stage,
        .steps = 15,
        .offset = 0,
        .back = 0,
    };
    const int32_t in_c = 3, out_c = 8;
    uint32_t *const patch = (uint32_t *)(void *)scratch;
    const int32_t in_h = 9, in_w = 9;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1, padding = 50332416;
    const int32_t out_h = 5, out_w = 5;
    const int32_t line_bytes = 9;
    int8_t *const line = scratch + 8 * filters.steps;
    const int8_t zero_point = (int8_t)3;
    int32_t oy = 0, ox = 0;
    for (int32_t pixels = out_h * out_w; pixels > 0; pixels -= 2) {
        /* An odd last pixel is computed twice. */
        const int32_t next = pixels > 1 ? 1 : 0;
        for (int32_t half = 0; half <= next; half++) {
            uint32_t *to = patch + half;
            const int32_t x = ox * stride_w - pad_left;
            int32_t y = oy * stride_h - pad_top;
            for (int32_t ky = 0; ky < kernel_h; ky++, y += 1) {
                const int32_t left = x < 0 ? -x : 0;
                const int32_t right = x + kernel_w > in_w ? x + kernel_w - in_w : 0;
                const int32_t inside = y < 0 || y >= in_h ? 0 : kernel_w - left - right;
                if (inside == kernel_w) {
                    to = widen_wide(to, 2, in + (y * in_w + x) * in_c, line_bytes);
                } else if (inside <= 0) {
                    to = fill_patch(to, padding, line_bytes);
                } else {
                    const int8_t *const from = in + (y * in_w + x + left) * in_c;
                    /* The bytes of one word may lie on both sides of the border. */
                    for (int32_t i = 0, column = -left * in_c; i < line_bytes; i++, column++)
                        line[i] = column < 0 || column >= inside * in_c ? zero_point : from[column];
                    to = widen_wide(to, 2, line, line_bytes);
                }
            }
            if (++ox == out_w) {
                ox = 0;
                if (++oy == out_h) {
                    oy = 0;
                    in += in_h * in_w * in_c;
                }
            }
        }
        multiply_pair_twice(out, out + next * out_c, patch, &filters);
        out += 2 * out_c;
    }
}

/* Two output pixels at a time, in the order of memory: the inputs of each window are widened to
 * int16 in scratch, then multiplied by all filters. The input's zero point is folded into the
 * biases; a tap outside the image counts as the zero point. */
static void conv2d_s8_dsp_by_column(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = model_conv2d_1_weights,
        .full = model_conv2d_1_weights + 12,
        .end = model_conv2d_1_weights + 12,
        .stage = model_conv2d_1_stage,
        .steps = 3,
        .offset = 0,
        .back = 0,
    };
    const int32_t in_c = 1, out_c = 4;
    uint32_t *const patch = (uint32_t *)(void *)scratch;
    const int32_t in_h = 9, in_w = 2;
    const int32_t kernel_h = 5;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 2, pad_left = 0;
    const int32_t out_h = 9, out_w = 2;
    int8_t *const line = scratch + 8 * filters.steps;
    const int8_t zero_point = (int8_t)3;
    int32_t oy = 0, ox = 0;
    for (int32_t pixels = out_h * out_w; pixels > 0; pixels -= 2) {
        /* An odd last pixel is computed twice. */
        const int32_t next = pixels > 1 ? 1 : 0;
        for (int32_t half = 0; half <= next; half++) {
            uint32_t *to = patch + half;
            const int32_t x = ox * stride_w - pad_left;
            int32_t y = oy * stride_h - pad_top;
            /* A byte of each row, collected. */
            const int32_t is_inside = x >= 0 && x < in_w;
            for (int32_t ky = 0; ky < kernel_h; ky++, y += 1)
                line[ky] = is_inside && y >= 0 && y < in_h ? in[y * in_w + x] : zero_point;
            widen_wide(to, 2, line, kernel_h);
            if (++ox == out_w) {
                ox = 0;
                if (++oy == out_h) {
                    oy = 0;
                    in += in_h * in_w * in_c;
                }
            }
        }
        multiply_pair_twice(out, out + next * out_c, patch, &filters);
        out += 2 * out_c;
    }
}

/* Two output pixels at a time, in the order of memory: the inputs of each window are widened to
 * int16 in scratch, then multiplied by all filters. The input's zero point is folded into the
 * biases; a tap outside the image counts as the zero point. */
static void conv2d_s8_dsp_whole_words(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = model_conv2d_2_weights,
        .full = model_conv2d_2_weights + 144,
        .end = model_conv2d_2_weights + 288,
        .stage = model_conv2d_2_stage,
        .steps = 36,
        .offset = 0,
        .back = 2,
    };
    const int32_t in_c = 8, out_c = 6;
    uint32_t *const patch = (uint32_t *)(void *)scratch;
    const int32_t in_h = 5, in_w = 5;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1, padding = 50332416;
    const int32_t out_h = 3, out_w = 3;
    const int32_t line_bytes = 24;
    int32_t oy = 0, ox = 0;
    for (int32_t pixels = out_h * out_w; pixels > 0; pixels -= 2) {
        /* An odd last pixel is computed twice. */
        const int32_t next = pixels > 1 ? 1 : 0;
        for (int32_t half = 0; half <= next; half++) {
            uint32_t *to = patch + half;
            const int32_t x = ox * stride_w - pad_left;
            int32_t y = oy * stride_h - pad_top;
            for (int32_t ky = 0; ky < kernel_h; ky++, y += 1) {
                const int32_t left = x < 0 ? -x : 0;
                const int32_t right = x + kernel_w > in_w ? x + kernel_w - in_w : 0;
                const int32_t inside = y < 0 || y >= in_h ? 0 : kernel_w - left - right;
                if (inside == kernel_w) {
                    to = widen_wide(to, 2, in + (y * in_w + x) * in_c, line_bytes);
                } else if (inside <= 0) {
                    to = fill_patch(to, padding, line_bytes);
                } else {
                    const int8_t *const from = in + (y * in_w + x + left) * in_c;
                    to = fill_patch(to, padding, left * in_c);
                    to = widen_wide(to, 2, from, inside * in_c);
                    to = fill_patch(to, padding, right * in_c);
                }
            }
            if (++ox == out_w) {
                ox = 0;
                if (++oy == out_h) {
                    oy = 0;
                    in += in_h * in_w * in_c;
                }
            }
        }
        multiply_pair_twice(out, out + next * out_c, patch, &filters);
        out += 2 * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * dsp/conv2d, 5400 MAC: test */
    case 0:
        conv2d_s8_dsp(arena + 0x0000, arena + 0x0108, arena + 0x01d0);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,9,2,1] -> [1,9,2,4]  5x1 pad 2,2,0,0
     * dsp/conv2d, 360 MAC: test */
    case 1:
        conv2d_s8_dsp_by_column(arena + 0x00f4, arena + 0x0254, arena + 0x029c);
        break;
    /* conv2d_2: "conv2d_2"  s8 [1,5,5,8] -> [1,3,3,6]  3x3 stride 2 pad 1,1,1,1
     * dsp/conv2d, 3888 MAC: test */
    case 2:
        conv2d_s8_dsp_whole_words(arena + 0x0108, arena + 0x02bc, arena + 0x02f4);
        break;
    default:
        break;
    }
}
