#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Common values of the windows of a pixel. Assembly reads the fields at fixed offsets. */
struct walk {
    int32_t zero; /* The negated zero point, in both halves. */
    int32_t step; /* Bytes of x to the next tap of a run. */
    int32_t n;    /* Taps in a run, at least 1. */
    int32_t runs; /* At least 1; in tap_groups at least 0. */
    int32_t x_skip, w_skip; /* Bytes from the end of a run to the next run. */
    int32_t x_next, w_next; /* Bytes from the end of the last run to the next group of lanes. */
    int32_t groups; /* 1 or more. */
    int32_t offset; /* For finish_linear. */
};

/* Finds the taps *first to *end - 1 that lie inside [0, extent), of `taps` taps `dilation` apart
 * with the first at `origin`. Like clip_taps, for cores with a division instruction. */
static inline void taps_inside(int32_t origin, int32_t dilation, int32_t extent, int32_t taps,
                               int32_t *first, int32_t *end)
{
    *first = origin < 0 ? (dilation - 1 - origin) / dilation : 0;
    *end = origin + (taps - 1) * dilation < extent ? taps
           : origin >= extent                      ? 0
                                                   : (extent - origin + dilation - 1) / dilation;
}

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

#if !defined(__ARM_FEATURE_DSP)
/* add_taps in C. */
static inline void any_add_taps_single(int32_t sums[4], const int8_t *x, const uint32_t *w,
                                       const struct walk *t)
{
    for (int32_t i = 0; i < t->n * t->runs; i++) {
        for (int32_t lane = 0; lane < 4; lane++) {
            const int32_t weight = (int16_t)(w[lane / 2] >> lane % 2 * 16);
            const int32_t value = x[0] + (int16_t)t->zero;
            sums[lane] = (int32_t)((uint32_t)sums[lane] + (uint32_t)(value * weight));
        }
        x += (i + 1) % t->n == 0 ? t->step + t->x_skip : t->step;
        w += (i + 1) % t->n == 0 ? 2 + t->w_skip / 4 : 2;
    }
}
#endif

/* Adds the products of a window to four sums, which may wrap. A tap is one
 * byte of x, minus the zero point, times four weights in two words:
 * of sums 0 and
 * 1, of 2 and 3.
 */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(walk, zero, 0);
BONSAI_PLACE(walk, step, 4);
BONSAI_PLACE(walk, n, 8);
BONSAI_PLACE(walk, runs, 12);
BONSAI_PLACE(walk, x_skip, 16);
BONSAI_PLACE(walk, w_skip, 20);
BONSAI_PLACE(walk, x_next, 24);
BONSAI_PLACE(walk, w_next, 28);
BONSAI_PLACE(walk, groups, 32);
BONSAI_PLACE(walk, offset, 36);

BONSAI_NAKED __attribute__((aligned(4))) void
add_taps_single(__attribute__((unused)) int32_t sums[4], __attribute__((unused)) const int8_t *x,
                __attribute__((unused)) const uint32_t *w,
                __attribute__((unused)) const struct walk *t)
{
    /* r1: x; r2: weights; r3: t; r4 to r7: sums; r8: zero; lr: step; r0: pairs of taps. */
    __asm__("push {r0, r4-r11, lr}\n"
            "ldm r0, {r4-r7}\n"
            "ldrd r8, lr, [r3]\n"
            "ldr r9, [r3, #12]\n"
            "push {r9, r10}\n"
            /* The word at sp is the number of runs. No instruction of a tap sets flags. */
            "1: ldr r0, [r3, #8]\n"
            "lsrs r0, r0, #1\n"
            "bcc 2f\n"
            "ldrb r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlabt r5, r9, r11, r5\n"
            "smlabb r6, r9, r12, r6\n"
            "smlabt r7, r9, r12, r7\n"
            "2: beq 4f\n"
            "3:\n"
            "ldrb r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlabt r5, r9, r11, r5\n"
            "smlabb r6, r9, r12, r6\n"
            "smlabt r7, r9, r12, r7\n"
            "ldrb r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlabt r5, r9, r11, r5\n"
            "smlabb r6, r9, r12, r6\n"
            "smlabt r7, r9, r12, r7\n"
            "subs r0, r0, #1\n"
            "bne 3b\n"
            "4: ldrd r9, r10, [r3, #16]\n"
            "ldr r11, [sp]\n"
            "add r1, r1, r9\n"
            "add r2, r2, r10\n"
            "subs r11, r11, #1\n"
            "str r11, [sp]\n"
            "bne 1b\n"
            "ldr r0, [sp, #8]\n"
            "stm r0, {r4-r7}\n"
            "add sp, sp, #12\n"
            "pop {r4-r11, pc}\n");
}

#else

static void add_taps_single(int32_t sums[4], const int8_t *x, const uint32_t *w,
                            const struct walk *t)
{
    any_add_taps_single(sums, x, w, t);
}

#endif

#include "smmlar"
#include "saturate8"
#include "finish_twice"

#if !defined(__ARM_FEATURE_DSP)
/* add_taps in C. */
static inline void any_add_taps_quad(int32_t sums[4], const int8_t *x, const uint32_t *w,
                                     const struct walk *t)
{
    for (int32_t i = 0; i < t->n * t->runs; i++) {
        for (int32_t lane = 0; lane < 4; lane++) {
            const int32_t weight = (int16_t)(w[lane % 2] >> lane / 2 * 16);
            const int32_t value = x[lane] + (int16_t)t->zero;
            sums[lane] = (int32_t)((uint32_t)sums[lane] + (uint32_t)(value * weight));
        }
        x += (i + 1) % t->n == 0 ? t->step + t->x_skip : t->step;
        w += (i + 1) % t->n == 0 ? 2 + t->w_skip / 4 : 2;
    }
}
#endif

#include "finish_linear"

/* The outputs of t->groups times four lanes. A stage has eight words: the initial sums, then the
 * multipliers of finish_linear. Taps are laid out as for add_taps_quad; runs may be 0. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(walk, zero, 0);
BONSAI_PLACE(walk, step, 4);
BONSAI_PLACE(walk, n, 8);
BONSAI_PLACE(walk, runs, 12);
BONSAI_PLACE(walk, x_skip, 16);
BONSAI_PLACE(walk, w_skip, 20);
BONSAI_PLACE(walk, x_next, 24);
BONSAI_PLACE(walk, w_next, 28);
BONSAI_PLACE(walk, groups, 32);
BONSAI_PLACE(walk, offset, 36);

BONSAI_NAKED __attribute__((aligned(4))) void
tap_groups_quad(__attribute__((unused)) int8_t *out, __attribute__((unused)) const int8_t *x,
                __attribute__((unused)) const uint32_t *w,
                __attribute__((unused)) const struct walk *t,
                __attribute__((unused)) const int32_t *stage)
{
    /* Registers as in add_taps. From sp: remaining runs and groups, out, eight registers and lr;
     * at 48: stage. */
    __asm__("push {r0, r4-r11, lr}\n"
            "ldrd r8, lr, [r3]\n"
            "ldr r10, [r3, #32]\n"
            "push {r9, r10}\n"
            "5: ldr r12, [sp, #48]\n"
            "ldr r9, [r3, #12]\n"
            "ldm r12!, {r4-r7}\n"
            "cmp r9, #0\n"
            "str r12, [sp, #48]\n"
            "beq 6f\n"
            "str r9, [sp]\n"
            /* The word at sp is the number of runs. No instruction of a tap sets flags. */
            "1: ldr r0, [r3, #8]\n"
            "lsrs r0, r0, #1\n"
            "bcc 2f\n"
            "ldr r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r10, r8, r9, ror #8\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlatt r6, r9, r11, r6\n"
            "smlabb r5, r10, r12, r5\n"
            "smlatt r7, r10, r12, r7\n"
            "2: beq 4f\n"
            "3:\n"
            "ldr r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r10, r8, r9, ror #8\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlatt r6, r9, r11, r6\n"
            "smlabb r5, r10, r12, r5\n"
            "smlatt r7, r10, r12, r7\n"
            "ldr r9, [r1]\n"
            "ldrd r11, r12, [r2], #8\n"
            "add r1, r1, lr\n"
            "sxtab16 r10, r8, r9, ror #8\n"
            "sxtab16 r9, r8, r9\n"
            "smlabb r4, r9, r11, r4\n"
            "smlatt r6, r9, r11, r6\n"
            "smlabb r5, r10, r12, r5\n"
            "smlatt r7, r10, r12, r7\n"
            "subs r0, r0, #1\n"
            "bne 3b\n"
            "4: ldrd r9, r10, [r3, #16]\n"
            "ldr r11, [sp]\n"
            "add r1, r1, r9\n"
            "add r2, r2, r10\n"
            "subs r11, r11, #1\n"
            "str r11, [sp]\n"
            "bne 1b\n"
            "6: ldr r12, [sp, #48]\n"
            "ldm r12!, {r0, r9-r11}\n"
            "str r12, [sp, #48]\n"
            "ldr r12, [r3, #36]\n"
            "smmlar r4, r4, r0, r12\n"
            "smmlar r5, r5, r9, r12\n"
            "smmlar r6, r6, r10, r12\n"
            "smmlar r7, r7, r11, r12\n"
            "ldr r0, [sp, #8]\n"
            "ssat r4, #8, r4, asr #8\n"
            "ssat r5, #8, r5, asr #8\n"
            "ssat r6, #8, r6, asr #8\n"
            "ssat r7, #8, r7, asr #8\n"
            "strb r4, [r0], #1\n"
            "strb r5, [r0], #1\n"
            "strb r6, [r0], #1\n"
            "strb r7, [r0], #1\n"
            "str r0, [sp, #8]\n"
            "ldrd r9, r10, [r3, #24]\n"
            "ldr r11, [sp, #4]\n"
            "add r1, r1, r9\n"
            "add r2, r2, r10\n"
            "subs r11, r11, #1\n"
            "str r11, [sp, #4]\n"
            "bne 5b\n"
            "add sp, sp, #12\n"
            "pop {r4-r11, pc}\n");
}

#else

static void tap_groups_quad(int8_t *out, const int8_t *x, const uint32_t *w, const struct walk *t,
                            const int32_t *stage)
{
    for (int32_t group = 0; group < t->groups; group++, out += 4, stage += 8) {
        int32_t sums[4] = { stage[0], stage[1], stage[2], stage[3] };
        any_add_taps_quad(sums, x, w, t);
        x += t->runs * (t->n * t->step + t->x_skip) + t->x_next;
        w += (t->runs * (8 * t->n + t->w_skip) + t->w_next) / 4;
        for (int32_t i = 0; i < 4; i++)
            out[i] = finish_linear(sums[i], stage[4 + i], t->offset);
    }
}

#endif

/* One pixel after the other, four output channels at a time, from the input in place. Taps inside
 * the image are summed in runs along the longer side of the window. Padded taps are the zero
 * point, which is subtracted from every value, and add nothing. */
static void depthwise_conv2d_taps_s8_dsp_single_twice(const int8_t *in, int8_t *out)
{
    const int32_t in_h = 9, in_w = 9, in_c = 3, out_c = 12;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_h = 7, out_w = 7;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 2, dilation_w = 2;
    const int32_t pitch = dilation_h * in_w * in_c, step = dilation_w * in_c;
    const int32_t to_tap = step, to_run = pitch;
    const int32_t whole = kernel_w;
    struct walk taps = {
        .zero = -131075,
        .step = to_tap,
    };

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top, bottom, left = -1, right = -1;
            taps_inside(y0, dilation_h, in_h, kernel_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t first_tap, end_tap;
                taps_inside(x0, dilation_w, in_w, kernel_w, &first_tap, &end_tap);
                /* Most pixels of a row have the same taps as the one before. */
                if (first_tap != left || end_tap != right) {
                    left = first_tap;
                    right = end_tap;
                    const int32_t is_inside = top < bottom && left < right;
                    taps.n = right - left;
                    taps.runs = is_inside ? bottom - top : 0;
                    taps.x_skip = to_run - taps.n * to_tap;
                    taps.w_skip = 8 * (whole - taps.n);
                }
                const int8_t *const origin =
                    in + (y0 * in_w + x0) * in_c + top * pitch + left * step;
                const uint32_t *weights = model_depthwise_conv2d_0_weights + 2 *
                    (top * kernel_w + left);
                const int32_t *stage = model_depthwise_conv2d_0_stage;
                for (int32_t c = 0; c < out_c; c += 4) {
                    for (int32_t m = 0; m < 4; m += 4) {
                        const int32_t first = c + (m + 4 > 4 ? 4 - 4 : m);
                        const int8_t *const x = origin + c / 4;
                        int32_t sums[4] = { stage[0], stage[1], stage[2], stage[3] };
                        if (taps.runs > 0)
                            add_taps_single(sums, x, weights, &taps);
                        stage += 4;
                        for (int32_t i = 0; i < 4; i++)
                            out[first + i] = finish_twice(sums[i], stage[3 * i], stage[3 * i + 1],
                                                          stage[3 * i + 2]);
                        stage += 12;
                        weights += 2 * kernel_h * kernel_w;
                    }
                }
                out += out_c;
            }
        }
        in += in_h * in_w * in_c;
    }
}

/* One pixel after the other, four output channels at a time, from the input in place. Taps inside
 * the image are summed in runs along the longer side of the window. Padded taps are the zero
 * point, which is subtracted from every value, and add nothing. */
static void depthwise_conv2d_taps_s8_dsp_grouped_linear_quad(const int8_t *in, int8_t *out)
{
    const int32_t in_h = 7, in_w = 7, in_c = 12, out_c = 12;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_h = 7, out_w = 7;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int32_t pitch = dilation_h * in_w * in_c, step = dilation_w * in_c;
    const int32_t to_tap = step, to_run = pitch;
    const int32_t whole = kernel_w;
    struct walk taps = {
        .zero = -131075,
        .step = to_tap,
        .groups = 3,
        .offset = 895,
    };

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top, bottom, left = -1, right = -1;
            taps_inside(y0, dilation_h, in_h, kernel_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t first_tap, end_tap;
                taps_inside(x0, dilation_w, in_w, kernel_w, &first_tap, &end_tap);
                /* Most pixels of a row have the same taps as the one before. */
                if (first_tap != left || end_tap != right) {
                    left = first_tap;
                    right = end_tap;
                    const int32_t is_inside = top < bottom && left < right;
                    taps.n = right - left;
                    taps.runs = is_inside ? bottom - top : 0;
                    taps.x_skip = to_run - taps.n * to_tap;
                    taps.w_skip = 8 * (whole - taps.n);
                    taps.x_next = 4 - taps.runs * to_run;
                    taps.w_next = 8 * (kernel_h * kernel_w - taps.runs * whole);
                }
                const int8_t *const origin =
                    in + (y0 * in_w + x0) * in_c + top * pitch + left * step;
                const uint32_t *weights = model_depthwise_conv2d_1_weights + 2 *
                    (top * kernel_w + left);
                const int32_t *stage = model_depthwise_conv2d_1_stage;
                tap_groups_quad(out, origin, weights, &taps, stage);
                out += out_c;
            }
        }
        in += in_h * in_w * in_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,7,7,12]  3x3 dilation 2 pad
     * 1,1,1,1
     * dsp/depthwise_conv2d_taps, 5292 MAC: test */
    case 0:
        depthwise_conv2d_taps_s8_dsp_single_twice(arena + 0x0000, arena + 0x00f4);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,7,7,12] -> [1,7,7,12]  3x3 pad 1,1,1,1
     * rounding single
     * dsp/depthwise_conv2d_taps, 5292 MAC: test */
    case 1:
        depthwise_conv2d_taps_s8_dsp_grouped_linear_quad(arena + 0x00f4, arena + 0x0340);
        break;
    default:
        break;
    }
}
