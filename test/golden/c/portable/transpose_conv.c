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


/* Restricts the taps *first to *end - 1 of a window that begins at `origin` to those inside [0,
 * extent). */
static inline void clip_taps(int32_t origin, int32_t dilation, int32_t extent, int32_t *first,
                             int32_t *end)
{
    while (*first < *end && origin + *first * dilation < 0)
        ++*first;
    while (*first < *end && origin + (*end - 1) * dilation >= extent)
        --*end;
}

/* Like dot4, for taps outside the image, which all have the same value. */
BONSAI_SHARED void pad4(int32_t acc[4], int32_t value, const int32_t *w, int32_t n)
{
    for (; n > 0; n--) {
        const int32_t word = *w++;
        acc[0] += value * (int8_t)word;
        acc[1] += value * (int8_t)(word >> 8);
        acc[2] += value * (int8_t)(word >> 16);
        acc[3] += value * (word >> 24);
    }
}

/* acc[i] += sum of x[k] * lane i of w[k], k < n. A word of w holds one weight of each of four
 * output channels, lane 0 lowest. One load and six shifts give four signed bytes; separate signed
 * byte loads would take an index register and two cycles each. */
BONSAI_SHARED void dot4(int32_t acc[4], const int8_t *x, const int32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int8_t *const end = x + n; x != end; x++) {
        const int32_t value = *x;
        const int32_t word = *w++;
        acc0 += value * (int8_t)word;
        acc1 += value * (int8_t)(word >> 8);
        acc2 += value * (int8_t)(word >> 16);
        acc3 += value * (word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

/* The int8 output of a scaled accumulator. */
static inline int8_t to_int8(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

/* floor((x * m + nudge * 2^16) / 2^31) for any int32 x, 0 <= m < 2^31, nudge <= 2^14, without a
 * 64-bit product. With x = xh * 2^16 + xl and m = mh * 2^16 + ml (xl, ml, mh >= 0), x * m / 2^16
 * is
 *     xh * mh * 2^16 + xh * ml + xl * mh + xl * ml / 2^16
 * The part that the last floor drops cannot carry, since the nudge is a multiple of 2^16. xh * ml
 * fits an int32, but its sum with xl * mh may not, so its upper part is taken first; the rest
 * stays below 65535 * 32767 + 65534 + 32767 + 2^14 < 2^32. (>> of a negative int32 is arithmetic.)
 */
static inline int32_t multiply_high(int32_t x, int32_t m, uint32_t nudge)
{
    const int32_t xh = x >> 16, xl = x & 0xffff;
    const int32_t mh = m >> 16, ml = m & 0xffff;
    const int32_t cross = xh * ml;
    const uint32_t low = (uint32_t)xl * (uint32_t)ml >> 16;
    const uint32_t middle = (uint32_t)(xl * mh) + low + ((uint32_t)cross & 0x7fffu) + nudge;
    return 2 * (xh * mh) + (cross >> 15) + (int32_t)(middle >> 15);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift, halves away from zero. A left shift wraps. */
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0)
        x = (int32_t)((uint32_t)x << shift);
    const int32_t y = multiply_high(x, multiplier, 1u << 14);
    /* y + half - (y < 0), with the halving last, so it cannot overflow; ~shift is the shift minus
     * one. */
    return shift < 0 ? (((y + (y >> 31)) >> ~shift) + 1) >> 1 : y;
}

/* y[i] = acc[i] in the output's scale, for each stored lane. `stage` holds the bias, multiplier
 * and shift of each lane. */
BONSAI_SHARED void store4(int8_t *y, const int32_t acc[4], const int32_t *stage,
                          const struct output *output)
{
    for (int32_t i = 0; i < output->lanes; i++, stage += 3)
        y[i] = to_int8(requantize(acc[i], stage[1], stage[2]), output);
}

struct conv2d_s8_args {
    const int32_t *weights;
    const int32_t *stage;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_first;
};

/* Four output channels of a pixel at a time. If their number is not a multiple of four, the last
 * four overlap the four before.
 * The input's zero point is folded into the biases; a tap outside the image counts as the zero
 * point. A pixel is written before later pixels are read, so `out` may overlap `in` that far.
 * The pixels are one phase of a transposed convolution: they are spread over the output.
 * The taps of a row that lie inside the image are one contiguous segment. */
static void conv2d_s8(const int8_t *in, int8_t *out, const struct conv2d_s8_args *restrict args)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t in_h = 3, in_w = 4, in_c = 3, in_zp = 3;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, filter_c = 3;
    const int32_t out_h = 3, out_w = 4, channels = 5;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = 1;
    /* First channel of a group, in the input and in the output. */
    const int32_t in_first = 0, out_first = args->out_first;

    in += in_first;
    out += out_first;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t *w = args->weights;
                const int32_t *stage = args->stage;
                for (int32_t c = 0; c < channels; c += 4, stage += 12) {
                    const int32_t first = c + output.lanes > channels ? channels - output.lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = 0; ky < kernel_h; ky++, w += kernel_w * filter_c) {
                        /* Taps before the image, inside it and after it. */
                        const int32_t inside = ky < top || ky >= bottom ? 0 : right - left;
                        const int32_t before = inside > 0 ? left : kernel_w;
                        const int32_t behind = kernel_w - before - inside;
                        const int32_t iy = y0 + ky * dilation_h, ix = x0 + left * dilation_w;
                        if (before > 0)
                            pad4(acc, in_zp, w, before * filter_c);
                        if (inside > 0)
                            dot4(acc, in + (iy * in_w + ix) * in_c, w + before * filter_c, inside *
                                 filter_c);
                        if (behind > 0)
                            pad4(acc, in_zp, w + (before + inside) * filter_c, behind * filter_c);
                    }
                    store4(out + first, acc, stage, &output);
                }
                out += 10;
            }
            out += 40;
        }
        out += 0;
    }
}

static const struct conv2d_s8_args model_transpose_conv_0_0_args BONSAI_FLASH = {
    .weights = (const int32_t *)model_transpose_conv_0_0_weights,
    .stage = model_transpose_conv_0_0_stage, .kernel_h = 2, .kernel_w = 2, .pad_top = 1,
    .pad_left = 1, .out_first = 0,
};

static const struct conv2d_s8_args model_transpose_conv_0_1_args BONSAI_FLASH = {
    .weights = (const int32_t *)model_transpose_conv_0_1_weights,
    .stage = model_transpose_conv_0_1_stage, .kernel_h = 2, .kernel_w = 1, .pad_top = 1,
    .pad_left = 0, .out_first = 5,
};

static const struct conv2d_s8_args model_transpose_conv_0_2_args BONSAI_FLASH = {
    .weights = (const int32_t *)model_transpose_conv_0_2_weights,
    .stage = model_transpose_conv_0_2_stage, .kernel_h = 1, .kernel_w = 2, .pad_top = 0,
    .pad_left = 1, .out_first = 40,
};

static const struct conv2d_s8_args model_transpose_conv_0_3_args BONSAI_FLASH = {
    .weights = (const int32_t *)model_transpose_conv_0_3_weights,
    .stage = model_transpose_conv_0_3_stage, .kernel_h = 1, .kernel_w = 1, .pad_top = 0,
    .pad_left = 0, .out_first = 45,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* transpose_conv_0: "transpose_conv_0"  s8 [1,3,4,3] -> [1,6,8,5]  3x3 stride 2 pad 0,,0,
     * size [6,8]
     * portable/transpose_conv, 1320 MAC: test */
    case 0:
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_0_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_1_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_2_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_3_args);
        break;
    default:
        break;
    }
}
