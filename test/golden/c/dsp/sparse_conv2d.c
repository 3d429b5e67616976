#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "sparse"

/* Windows over images in NHWC. */
struct sparse_windows {
    int32_t in_h, in_w, in_c;
    int32_t joins; /* Whether neighbouring taps in the image are neighbours in the columns. */
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
    int32_t out_h, out_w;
};

/* The window of an output pixel. */
struct sparse_window {
    const int8_t *image;
    int32_t oy, ox;
};

static inline void next_sparse_window(struct sparse_window *window,
                                      const struct sparse_windows *all)
{
    if (++window->ox < all->out_w)
        return;
    window->ox = 0;
    if (++window->oy < all->out_h)
        return;
    window->oy = 0;
    window->image += all->in_h * all->in_w * all->in_c;
}

/* Widens the taps of `tile` windows, 4 or 8, from *window, by `widen`. Only `count` exist; the
 * last one stands for the others. *window becomes the next window. A tap outside the image is
 * `padding`, in_c values. */
BONSAI_SHARED void sparse_windows(uint32_t *to, int32_t tile,
                                  uint32_t *(*widen)(uint32_t *, int32_t, const int8_t *const[4]),
                                  int32_t count, struct sparse_window *window,
                                  const struct sparse_windows *all, const int8_t *padding)
{
    const int32_t in_h = all->in_h, in_w = all->in_w, in_c = all->in_c;
    const int32_t kernel_w = all->kernel_w, dilation_w = all->dilation_w;
    for (int32_t first = 0; first < tile; first += 4) {
        const int8_t *images[4];
        int32_t y[4], x[4];
        int32_t top = INT32_MAX, bottom = INT32_MIN, left = INT32_MAX, right = INT32_MIN;
        for (int32_t i = 0; i < 4; i++) {
            images[i] = window->image;
            y[i] = window->oy * all->stride_h - all->pad_top;
            x[i] = window->ox * all->stride_w - all->pad_left;
            top = y[i] < top ? y[i] : top;
            bottom = y[i] > bottom ? y[i] : bottom;
            left = x[i] < left ? x[i] : left;
            right = x[i] > right ? x[i] : right;
            if (first + i + 1 < count || first + i + 1 == tile)
                next_sparse_window(window, all);
        }
        /* The taps in this part of a row are inside the image for all four windows. */
        const int32_t begin = left < 0 ? -left : 0;
        const int32_t end = right + kernel_w > in_w ? in_w - right : kernel_w;
        uint32_t *column = to + first / 2;
        for (int32_t ky = 0; ky < all->kernel_h; ky++) {
            const int32_t down = ky * all->dilation_h;
            const int32_t inside = all->joins && top + down >= 0 && bottom + down < in_h;
            for (int32_t kx = 0, run = 1; kx < kernel_w; kx += run) {
                const int8_t *pixels[4];
                run = inside && kx >= begin && kx < end ? end - kx : 1;
                for (int32_t i = 0; i < 4; i++) {
                    const int32_t row = y[i] + down, at = x[i] + kx * dilation_w;
                    if (row >= 0 && row < in_h && at >= 0 && at < in_w)
                        pixels[i] = images[i] + (row * in_w + at) * in_c;
                    else
                        pixels[i] = padding;
                }
                column = widen(column, run * in_c, pixels);
            }
        }
    }
}

#include "BONSAI_NAKED"

/* Widens n int8 of four pixels to int16: two words hold the same int8 of all four pixels, 16
 * bytes from the next two, with four other pixels between them. Returns
 * the end. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) uint32_t *
sparse_columns_16(__attribute__((unused)) uint32_t *to, __attribute__((unused)) int32_t n,
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
            "str r12, [r0, #32]\n"
            "sxtb16 r12, r10\n"
            "sxtb16 lr, r11\n"
            "pkhbt r3, r12, lr, lsl #16\n"
            "pkhtb r12, lr, r12, asr #16\n"
            "str r12, [r0, #36]\n"
            "sxtb16 r8, r8, ror #8\n"
            "sxtb16 r9, r9, ror #8\n"
            "sxtb16 r10, r10, ror #8\n"
            "sxtb16 r11, r11, ror #8\n"
            "pkhtb r12, r9, r8, asr #16\n"
            "pkhtb lr, r11, r10, asr #16\n"
            "pkhbt r8, r8, r9, lsl #16\n"
            "pkhbt r9, r10, r11, lsl #16\n"
            "strd r12, lr, [r0, #48]\n"
            "strd r8, r9, [r0, #16]\n"
            "strd r2, r3, [r0], #64\n"
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
            "strd r8, r9, [r0], #16\n"
            "subs r1, r1, #1\n"
            "bne 3b\n"
            "4: pop {r4-r11, pc}\n");
}

#else

static uint32_t *sparse_columns_16(uint32_t *to, int32_t n, const int8_t *const pixels[4])
{
    for (int32_t i = 0; i < n; i++, to += 4) {
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
 * eight pixels
 * each, by the nonzero weights, one output channel after the other. Outputs are finished by
 * finish_twice.
 * A column is eight int16. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(sparse, weights, 0);
BONSAI_PLACE(sparse, end, 4);
BONSAI_PLACE(sparse, offset, 8);
BONSAI_PLACE(sparse, out_c, 12);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_sparse_eight_twice(__attribute__((unused)) int8_t *y,
                            __attribute__((unused)) const void *x,
                            __attribute__((unused)) const struct sparse *m,
                            __attribute__((unused)) int32_t pixels)
{
    /* r0: first entry, constant; r1: stream; lr: column; r2, r3: taps; r12: jump;
     * r4 to r11: sums. The frame: 0 y, 4 out_c, 8 what is
     * skipped of the stores, 16 x, 20 end, 24 offset. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "ldm r2, {r4-r7}\n"
            "strd r0, r7, [sp]\n"
            "strd r1, r5, [sp, #16]\n"
            "str r6, [sp, #24]\n"
            "rsb r3, r3, #8\n"
            "add r2, r7, r7, lsl #1\n"
            "lsl r3, r3, #2\n"
            "strd r2, r3, [sp, #8]\n"
            "mov r1, r4\n"
            "1:\n"
            "ldmia r1!, {r0, r11, r12}\n"
            "ldr lr, [sp, #16]\n"
            "add.w lr, lr, r0, lsr #16\n"
            "ldrd r2, r3, [lr]\n"
            "smlabb r4, r2, r0, r11\n"
            "smlatb r5, r2, r0, r11\n"
            "smlabb r6, r3, r0, r11\n"
            "smlatb r7, r3, r0, r11\n"
            "ldrd r2, r3, [lr, #8]\n"
            "smlabb r8, r2, r0, r11\n"
            "smlatb r9, r2, r0, r11\n"
            "smlabb r10, r3, r0, r11\n"
            "smlatb r11, r3, r0, r11\n"
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
            "ldrd r2, r3, [lr, #8]\n"
            "smlabb r8, r2, r0, r8\n"
            "smlatb r9, r2, r0, r9\n"
            "smlabb r10, r3, r0, r10\n"
            "smlatb r11, r3, r0, r11\n"
            "add.w lr, lr, r12, lsr #16\n"
            "ldrd r2, r3, [lr]\n"
            "smlabb r4, r2, r12, r4\n"
            "smlatb r5, r2, r12, r5\n"
            "smlabb r6, r3, r12, r6\n"
            "smlatb r7, r3, r12, r7\n"
            "ldrd r2, r3, [lr, #8]\n"
            "smlabb r8, r2, r12, r8\n"
            "smlatb r9, r2, r12, r9\n"
            "smlabb r10, r3, r12, r10\n"
            "smlatb r11, r3, r12, r11\n"
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
            "asr r8, r8, #7\n"
            "asr r9, r9, #7\n"
            "smmulr r8, r8, r0\n"
            "smmulr r9, r9, r0\n"
            "add r8, r8, r8, asr #31\n"
            "add r9, r9, r9, asr #31\n"
            "add r8, r8, r2\n"
            "add r9, r9, r2\n"
            "asr r8, r8, r3\n"
            "asr r9, r9, r3\n"
            "ssat r8, #8, r8\n"
            "ssat r9, #8, r9\n"
            "asr r10, r10, #7\n"
            "asr r11, r11, #7\n"
            "smmulr r10, r10, r0\n"
            "smmulr r11, r11, r0\n"
            "add r10, r10, r10, asr #31\n"
            "add r11, r11, r11, asr #31\n"
            "add r10, r10, r2\n"
            "add r11, r11, r2\n"
            "asr r10, r10, r3\n"
            "asr r11, r11, r3\n"
            "ssat r10, #8, r10\n"
            "ssat r11, #8, r11\n"
            "ldm sp, {r0, r2, r3, lr}\n"
            "add r12, r0, r2, lsl #2\n"
            /* Missing pixels are skipped; all stores have the same size. */
            "add pc, lr\n"
            "nop\n"
            "strb.w r11, [r12, r3]\n"
            "strb.w r10, [r12, r2, lsl #1]\n"
            "strb.w r9, [r12, r2]\n"
            "strb.w r8, [r12]\n"
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

static void multiply_sparse_eight_twice(int8_t *y, const void *x, const struct sparse *m,
                                        int32_t pixels)
{
    enum { words = 1, tile = 8 };
    enum { step_entries = 2, step_bytes = 92 };
    for (const int32_t *w = m->weights; w != m->end; y++) {
        int32_t sums[tile], jump = w[words + 1];
        for (int32_t i = 0; i < tile; i++)
            sums[i] = w[words];
        const int16_t *column = x;
        column += sparse_add(sums, column, w, 8);
        w += words + 2;
        for (int32_t left = 8 - jump / step_bytes;; left = (-jump - 8) / step_bytes) {
            for (left *= step_entries; left > 0; left--, w += words)
                column += sparse_add(sums, column, w, 8);
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

struct sparse_conv2d_s8_dsp_args {
    const int32_t *weights;
    uint16_t end;
    uint16_t columns_bytes;
    uint8_t out_c;
    uint8_t in_c;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t stride_h;
    uint8_t stride_w;
};

/* Eight output pixels at a time, in the order of memory: the inputs of their windows are widened to
 * int16 in scratch, the same tap of all pixels side by side, then multiplied by the nonzero
 * weights. The input's zero point is folded into the biases; a tap outside the image counts as the
 * zero point. */
static void sparse_conv2d_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch,
                                 const struct sparse_conv2d_s8_dsp_args *restrict args)
{
    const struct sparse sparse = {
        .weights = args->weights,
        .end = args->weights + args->end,
        .offset = 0,
        .out_c = args->out_c,
    };
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    const struct sparse_windows windows = {
        .in_h = args->in_h, .in_w = args->in_w, .in_c = args->in_c, .joins = 1,
        .kernel_h = 3, .kernel_w = 3,
        .stride_h = args->stride_h, .stride_w = args->stride_w,
        .dilation_h = 1, .dilation_w = 1,
        .pad_top = 1, .pad_left = 1,
        .out_h = 5, .out_w = 5,
    };
    struct sparse_window window = { in, 0, 0 };
    int8_t *const padding = scratch + args->columns_bytes;
    memset(padding, 3, (size_t)windows.in_c);
    for (int32_t pixels = 25; pixels > 0; pixels -= 8) {
        const int32_t count = pixels < 8 ? pixels : 8;
        sparse_windows(columns, 8, sparse_columns_16, count, &window, &windows, padding);
        const int32_t outputs = count * sparse.out_c;
        multiply_sparse_eight_twice(out, columns, &sparse, count);
        out += outputs;
    }
}

static const struct sparse_conv2d_s8_dsp_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .end = 280, .columns_bytes = 432, .out_c = 8, .in_c = 3,
    .in_h = 9, .in_w = 9, .stride_h = 2, .stride_w = 2,
};

static const struct sparse_conv2d_s8_dsp_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .end = 518, .columns_bytes = 1152, .out_c = 6, .in_c = 8,
    .in_h = 5, .in_w = 5, .stride_h = 1, .stride_w = 1,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * dsp/sparse_conv2d, 5400 MAC: test */
    case 0:
        sparse_conv2d_s8_dsp(arena + 0x0000, arena + 0x00f4, arena + 0x01bc, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,5,5,6]  3x3 pad 1,1,1,1
     * dsp/sparse_conv2d, 10800 MAC: test */
    case 1:
        sparse_conv2d_s8_dsp(arena + 0x00f4, arena + 0x0370, arena + 0x0408, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
