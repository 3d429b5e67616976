#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"

/* acc[i] += sum of (x[k * step + i] - x_zp) * lane i of w[k], k < n, for four neighbouring
 * channels. */
static inline void mac4(int32_t acc[4], const int8_t *x, int32_t x_zp, int32_t step,
                        const uint32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const uint32_t *const end = w + n; w != end; x += step) {
        const int32_t word = (int32_t)*w++;
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

#include "output"
#include "output4"
#include "to_int8"
#include "multiply_high"
#include "requantize"
#include "store4"

/* acc[i] += sum of (x[k * step + at[i]] - x_zp) * lane i of w[k], k < n: like mac4, for channels
 * that are not neighbours. */
BONSAI_SHARED void mac4_spread(int32_t acc[4], const int8_t *x, int32_t x_zp, int32_t step,
                               const uint32_t *w, int32_t n, const int32_t at[4])
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    const int8_t *x0 = x + at[0], *x1 = x + at[1], *x2 = x + at[2], *x3 = x + at[3];
    int32_t i = 0;
    for (const uint32_t *const end = w + n; w != end; i += step) {
        const int32_t word = (int32_t)*w++;
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
    const struct output4 output = { { -131, 124, 3 }, 4 };
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
                const uint32_t *weights = model_depthwise_conv2d_0_weights;
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
    const struct output4 output = { { 0, 12, 3 }, 4 };
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
                const uint32_t *weights = model_depthwise_conv2d_1_weights;
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
