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

/* acc[i] += sum of (x[k * step + i] - x_zp) * lane i of w[k], k < n, for four neighbouring
 * channels. */
static inline void mac4(int32_t acc[4], const int8_t *x, int32_t x_zp, int32_t step,
                        const int32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int32_t *const end = w + n; w != end; x += step) {
        const int32_t word = *w++;
        acc0 += (x[0] - x_zp) * (int8_t)word;
        acc1 += (x[1] - x_zp) * (int8_t)(word >> 8);
        acc2 += (x[2] - x_zp) * (int8_t)(word >> 16);
        acc3 += (x[3] - x_zp) * (word >> 24);
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

/* acc[i] += sum of (x[k * step + at[i]] - x_zp) * lane i of w[k], k < n: like mac4, for channels
 * that are not neighbours. */
BONSAI_SHARED void mac4_spread(int32_t acc[4], const int8_t *x, int32_t x_zp, int32_t step,
                               const int32_t *w, int32_t n, const int32_t at[4])
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    const int8_t *x0 = x + at[0], *x1 = x + at[1], *x2 = x + at[2], *x3 = x + at[3];
    int32_t i = 0;
    for (const int32_t *const end = w + n; w != end; i += step) {
        const int32_t word = *w++;
        acc0 += (x0[i] - x_zp) * (int8_t)word;
        acc1 += (x1[i] - x_zp) * (int8_t)(word >> 8);
        acc2 += (x2[i] - x_zp) * (int8_t)(word >> 16);
        acc3 += (x3[i] - x_zp) * (word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Four neighbouring channels at once. If their number is not a
 * multiple of four, the last four overlap the four before. All channels of a pixel share the part
 * of the window inside the image; padded taps are the zero point and add nothing. */
static void depthwise_conv2d_by4_s8(const int8_t *in, int8_t *out)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t in_h = 9, in_w = 9, in_c = 8, in_zp = 3;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_h = 5, out_w = 5;
    const int32_t stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t *weights = (const int32_t *)model_depthwise_conv2d_0_weights;
                const int32_t *stage = model_depthwise_conv2d_0_stage;
                for (int32_t c = 0; c < in_c; c += 4) {
                    const int32_t first = c + 4 > in_c ? in_c - 4 : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = top; ky < bottom; ky++) {
                        const int32_t line = (y0 + ky * dilation_h) * in_w + x0;
                        mac4(acc, in + (line + left * dilation_w) * in_c + first, in_zp,
                             dilation_w * in_c, weights + ky * kernel_w + left, right - left);
                    }
                    store4(out + first, acc, stage, &output);
                    weights += kernel_h * kernel_w;
                    stage += 12;
                }
                out += in_c;
            }
        }
        in += in_h * in_w * in_c;
    }
}

/* Four neighbouring channels of the output at once. If their number is not a
 * multiple of four, the last four overlap the four before. All channels of a pixel share the part
 * of the window inside the image; padded taps are the zero point and add nothing. */
static void depthwise_conv2d_by4_s8_spread(const int8_t *in, int8_t *out)
{
    const struct output output = { 0, 12, 3, 4 };
    const int32_t in_h = 5, in_w = 5, in_c = 8, in_zp = 3;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_c = 16, multiplier = 2;
    const int32_t out_h = 3, out_w = 3;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 0, pad_left = 0;
    const int32_t dilation_h = 1, dilation_w = 1;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t *weights = (const int32_t *)model_depthwise_conv2d_1_weights;
                const int32_t *stage = model_depthwise_conv2d_1_stage;
                for (int32_t c = 0; c < out_c; c += 4) {
                    const int32_t first = c + 4 > out_c ? out_c - 4 : c;
                    const int32_t at[4] = { first / multiplier, (first + 1) / multiplier,
                                           (first + 2) / multiplier, (first + 3) / multiplier };
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = top; ky < bottom; ky++) {
                        const int32_t line = (y0 + ky * dilation_h) * in_w + x0;
                        mac4_spread(acc, in + (line + left * dilation_w) * in_c, in_zp, dilation_w *
                                    in_c, weights + ky * kernel_w + left, right - left, at);
                    }
                    store4(out + first, acc, stage, &output);
                    weights += kernel_h * kernel_w;
                    stage += 12;
                }
                out += out_c;
            }
        }
        in += in_h * in_w * in_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,8] -> [1,5,5,8]  3x3 stride 2 pad
     * 1,1,1,1
     * portable/depthwise_conv2d_by4, 1800 MAC: test */
    case 0:
        depthwise_conv2d_by4_s8(arena + 0x0000, arena + 0x0288);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,8] -> [1,3,3,16]  3x3 relu6
     * portable/depthwise_conv2d_by4, 1296 MAC: test */
    case 1:
        depthwise_conv2d_by4_s8_spread(arena + 0x0288, arena + 0x0350);
        break;
    default:
        break;
    }
}
