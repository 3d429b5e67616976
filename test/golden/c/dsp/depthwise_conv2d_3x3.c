#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "smlad"
#include "smmlar"
#include "saturate8"
#include "finish_linear"

/* depthwise_pixels(y, x, n, d): n neighbouring outputs of 3x3 windows, all channels, four at a
 * time. x is the first window's upper left corner. Outputs are finished by finish_linear.
 *
 * For a column of the window, one word holds rows 0 and 1 of a channel, 256 times each (bytes are
 * moved to the upper halves of the lanes and the rest is masked off), another word holds row 2 of
 * two channels. Weights of a group of four channels a, b, c and d, for columns 2, 1 and 0 of the
 * window: rows 0 and 1 of b, a, d and c; row 2 of a and c; row 2 of b and d. */
struct depthwise_pixels {
    const uint32_t *weights;
    const uint32_t *full; /* End of the groups that share no channels... */
    const uint32_t *end;  /* ... and of all groups; the last one may compute channels again. */
    const int32_t *stage; /* Per group: four biases, then four multipliers. */
    int32_t offset;
    int32_t column, row, step; /* Bytes of x to the next column and row, and to the next window. */
    int32_t back;              /* Channels that the last group computes again. */
};

#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(depthwise_pixels, weights, 0);
BONSAI_PLACE(depthwise_pixels, full, 4);
BONSAI_PLACE(depthwise_pixels, end, 8);
BONSAI_PLACE(depthwise_pixels, stage, 12);
BONSAI_PLACE(depthwise_pixels, offset, 16);
BONSAI_PLACE(depthwise_pixels, column, 20);
BONSAI_PLACE(depthwise_pixels, row, 24);
BONSAI_PLACE(depthwise_pixels, step, 28);
BONSAI_PLACE(depthwise_pixels, back, 32);

BONSAI_NAKED __attribute__((aligned(4))) void
depthwise_pixels(__attribute__((unused)) int8_t *y, __attribute__((unused)) const int8_t *x,
                 __attribute__((unused)) int32_t n,
                 __attribute__((unused)) const struct depthwise_pixels *d)
{
    /* r0 to r2: rows of x; r3: bytes of a column; r4: weights; r5 to r8: sums; r9: the mask. The
     * frame: y, x, n, d, the end of the groups, stage and offset. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "strd r0, r1, [sp]\n"
            "strd r2, r3, [sp, #8]\n"
            "1: ldr r12, [sp, #12]\n"
            "ldr r0, [sp, #4]\n"
            "ldm r12, {r4-r11}\n"
            "add r1, r0, r10\n"
            "add r2, r1, r10\n"
            "mov r3, r9\n"
            "add r11, r0, r11\n"
            "str r11, [sp, #4]\n"
            "strd r5, r7, [sp, #16]\n"
            "str r8, [sp, #24]\n"
            "mov r9, #0xff00ff00\n"
            "2: ldr r12, [sp, #20]\n"
            "ldmia r12!, {r5-r8}\n"
            "str r12, [sp, #20]\n"
            "ldr r10, [r0, r3, lsl #1]\n"
            "ldr r11, [r1, r3, lsl #1]\n"
            "pkhbt r12, r10, r11, lsl #16\n"
            "pkhtb lr, r11, r10, asr #16\n"
            "and r11, r12, r9\n"
            "ldr r10, [r4], #4\n"
            "smlad r6, r11, r10, r6\n"
            "and r11, r9, r12, lsl #8\n"
            "ldr r10, [r4], #4\n"
            "smlad r5, r11, r10, r5\n"
            "and r11, lr, r9\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlad r8, r11, r10, r8\n"
            "and r11, r9, lr, lsl #8\n"
            "ldr lr, [r2, r3, lsl #1]\n"
            "smlad r7, r11, r12, r7\n"
            "and r11, r9, lr, lsl #8\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlabb r5, r11, r10, r5\n"
            "smlatt r7, r11, r10, r7\n"
            "and r11, lr, r9\n"
            "smlabb r6, r11, r12, r6\n"
            "smlatt r8, r11, r12, r8\n"
            "ldr r10, [r0, r3]\n"
            "ldr r11, [r1, r3]\n"
            "pkhbt r12, r10, r11, lsl #16\n"
            "pkhtb lr, r11, r10, asr #16\n"
            "and r11, r12, r9\n"
            "ldr r10, [r4], #4\n"
            "smlad r6, r11, r10, r6\n"
            "and r11, r9, r12, lsl #8\n"
            "ldr r10, [r4], #4\n"
            "smlad r5, r11, r10, r5\n"
            "and r11, lr, r9\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlad r8, r11, r10, r8\n"
            "and r11, r9, lr, lsl #8\n"
            "ldr lr, [r2, r3]\n"
            "smlad r7, r11, r12, r7\n"
            "and r11, r9, lr, lsl #8\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlabb r5, r11, r10, r5\n"
            "smlatt r7, r11, r10, r7\n"
            "and r11, lr, r9\n"
            "smlabb r6, r11, r12, r6\n"
            "smlatt r8, r11, r12, r8\n"
            "ldr r10, [r0], #4\n"
            "ldr r11, [r1], #4\n"
            "pkhbt r12, r10, r11, lsl #16\n"
            "pkhtb lr, r11, r10, asr #16\n"
            "and r11, r12, r9\n"
            "ldr r10, [r4], #4\n"
            "smlad r6, r11, r10, r6\n"
            "and r11, r9, r12, lsl #8\n"
            "ldr r10, [r4], #4\n"
            "smlad r5, r11, r10, r5\n"
            "and r11, lr, r9\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlad r8, r11, r10, r8\n"
            "and r11, r9, lr, lsl #8\n"
            "ldr lr, [r2], #4\n"
            "smlad r7, r11, r12, r7\n"
            "and r11, r9, lr, lsl #8\n"
            "ldrd r10, r12, [r4], #8\n"
            "smlabb r5, r11, r10, r5\n"
            "smlatt r7, r11, r10, r7\n"
            "and r11, lr, r9\n"
            "smlabb r6, r11, r12, r6\n"
            "smlatt r8, r11, r12, r8\n"
            "ldrd r12, r9, [sp, #20]\n"
            "ldrd r10, r11, [r12], #8\n"
            "smmlar r5, r5, r10, r9\n"
            "smmlar r6, r6, r11, r9\n"
            "ldrd r10, r11, [r12], #8\n"
            "str r12, [sp, #20]\n"
            "smmlar r7, r7, r10, r9\n"
            "smmlar r8, r8, r11, r9\n"
            "ldr r12, [sp]\n"
            "ssat r5, #8, r5, asr #8\n"
            "strb r5, [r12], #1\n"
            "ssat r6, #8, r6, asr #8\n"
            "strb r6, [r12], #1\n"
            "ssat r7, #8, r7, asr #8\n"
            "strb r7, [r12], #1\n"
            "ssat r8, #8, r8, asr #8\n"
            "strb r8, [r12], #1\n"
            "str r12, [sp]\n"
            "mov r9, #0xff00ff00\n"
            "ldr r10, [sp, #16]\n"
            "cmp r4, r10\n"
            "bne 2b\n"
            "ldr r10, [sp, #12]\n"
            "ldr r11, [r10, #8]\n"
            "cmp r4, r11\n"
            "beq 3f\n"
            /* The last group steps back over computed channels. */
            "str r11, [sp, #16]\n"
            "ldr r11, [r10, #32]\n"
            "sub r0, r0, r11\n"
            "sub r1, r1, r11\n"
            "sub r2, r2, r11\n"
            "sub r12, r12, r11\n"
            "str r12, [sp]\n"
            "b 2b\n"
            "3: ldr r12, [sp, #8]\n"
            "subs r12, r12, #1\n"
            "str r12, [sp, #8]\n"
            "bne 1b\n"
            "add sp, sp, #28\n"
            "pop {r4-r11, pc}\n");
}

#else

static void depthwise_pixels(int8_t *y, const int8_t *x, int32_t n,
                             const struct depthwise_pixels *d)
{
    for (; n > 0; n--, x += d->step) {
        const int8_t *from = x;
        const uint32_t *w = d->weights;
        const int32_t *stage = d->stage;
        while (w != d->end) {
            if (w == d->full) {
                from -= d->back;
                y -= d->back;
            }
            int32_t sums[4] = { stage[0], stage[1], stage[2], stage[3] };
            for (int32_t column = 2; column >= 0; column--, w += 6) {
                const int8_t *const top = from + column * d->column;
                for (int32_t i = 0; i < 4; i++) {
                    const int8_t *const tap = top + i;
                    const uint32_t rows = (uint32_t)(uint8_t)tap[0] << 8 |
                                          (uint32_t)(uint8_t)tap[d->row] << 24;
                    const uint32_t last = (uint32_t)(uint8_t)tap[2 * d->row] << 8;
                    sums[i] = smlad(rows, w[i ^ 1], sums[i]);
                    sums[i] = smlad(last, w[4 + i % 2] >> (i / 2 * 16), sums[i]);
                }
            }
            for (int32_t i = 0; i < 4; i++)
                *y++ = finish_linear(sums[i], stage[4 + i], d->offset);
            stage += 8;
            from += 4;
        }
    }
}

#endif

/* Copies n bytes, a word at a time. The areas must not overlap. */
static inline void copy_pixel(int8_t *to, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
    for (; n > 0; n--)
        *to++ = *from++;
}

struct depthwise_conv2d_3x3_s8_dsp_args {
    const uint32_t *weights;
    const int32_t *stage;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t stride_h;
    uint8_t stride_w;
};

/* One pixel after the other, four channels at a time, from the input in place. Windows that are
 * partly outside the image are copied to scratch first. The input's zero point is folded into the
 * biases; a tap outside the image counts as the zero point. */
static void depthwise_conv2d_3x3_s8_dsp(
    const int8_t *in, int8_t *out, int8_t *scratch,
    const struct depthwise_conv2d_3x3_s8_dsp_args *restrict args)
{
    const int32_t in_h = args->in_h, in_w = args->in_w, channels = 8;
    const int32_t stride_h = args->stride_h, stride_w = args->stride_w;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t out_h = 5, out_w = 5;
    const struct depthwise_pixels image = {
        .weights = args->weights,
        .full = args->weights + 36,
        .end = args->weights + 36,
        .stage = args->stage,
        .offset = 895,
        .column = channels,
        .row = in_w * channels,
        .step = stride_w * channels,
        .back = 0,
    };
    struct depthwise_pixels patch = image;
    patch.row = 3 * channels;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y = oy * stride_h - pad_top;
            for (int32_t ox = 0; ox < out_w;) {
                const int32_t x = ox * stride_w - pad_left;
                int32_t pixels = 0;
                if (y >= 0 && y + 3 <= in_h && x >= 0 && x + 3 <= in_w) {
                    pixels = (in_w - 3 - x) / stride_w + 1;
                    if (pixels > out_w - ox)
                        pixels = out_w - ox;
                    depthwise_pixels(out, in + (y * in_w + x) * channels, pixels, &image);
                } else {
                    int8_t *to = scratch;
                    for (int32_t iy = y; iy < y + 3; iy++) {
                        for (int32_t ix = x; ix < x + 3; ix++, to += channels) {
                            if (iy >= 0 && iy < in_h && ix >= 0 && ix < in_w)
                                copy_pixel(to, in + (iy * in_w + ix) * channels, channels);
                            else
                                memset(to, 3, (size_t)channels);
                        }
                    }
                    pixels = 1;
                    depthwise_pixels(out, scratch, pixels, &patch);
                }
                ox += pixels;
                out += pixels * channels;
            }
        }
        in += in_h * in_w * channels;
    }
}

static const struct depthwise_conv2d_3x3_s8_dsp_args model_depthwise_conv2d_0_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_0_weights, .stage = model_depthwise_conv2d_0_stage, .in_h = 9,
    .in_w = 9, .stride_h = 2, .stride_w = 2,
};

static const struct depthwise_conv2d_3x3_s8_dsp_args model_depthwise_conv2d_1_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage, .in_h = 5,
    .in_w = 5, .stride_h = 1, .stride_w = 1,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,8] -> [1,5,5,8]  3x3 stride 2 pad
     * 1,1,1,1 rounding single
     * dsp/depthwise_conv2d_3x3, 1800 MAC: test */
    case 0:
        depthwise_conv2d_3x3_s8_dsp(arena + 0x0000, arena + 0x0288, arena + 0x0350,
                                    &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,8] -> [1,5,5,8]  3x3 pad 1,1,1,1
     * rounding single
     * dsp/depthwise_conv2d_3x3, 1800 MAC: test */
    case 1:
        depthwise_conv2d_3x3_s8_dsp(arena + 0x0288, arena + 0x0398, arena + 0x0460,
                                    &model_depthwise_conv2d_1_args);
        break;
    default:
        break;
    }
}
