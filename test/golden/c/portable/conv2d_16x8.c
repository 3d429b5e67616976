#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "dot4_s16"
#include "requantize_reduced"

/* int16 inputs by int8 weights, four output channels of a pixel at a time. If their number is not a
 * multiple of four, the last four overlap the four before; with fewer, the other lanes are zero.
 * Zero points are 0, so taps outside the image add nothing.
 * No sum leaves 32 bits, which the weights prove.
 * A pixel is written before later pixels are read, so `out` may overlap `in` that far. */
static void conv2d_16x8_s16(const int16_t *in, int16_t *out)
{
    const int32_t in_h = 6, in_w = 5, in_c = 3;
    const int32_t kernel_h = 3, kernel_w = 3, filter_c = 3;
    const int32_t out_h = 6, out_w = 5, channels = 6, lanes = 4;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int32_t low = -32768, high = 32767;

    /* First channel of a group, in the input and in the output. */
    in += 0;
    out += 0;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++, out += 6) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const uint32_t *w = model_conv2d_0_weights;
                const int32_t *stage = model_conv2d_0_stage;
                for (int32_t c = 0; c < channels; c += 4, w += kernel_h * kernel_w * filter_c) {
                    const int32_t first = c + lanes > channels ? channels - lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = top; ky < bottom && left < right; ky++) {
                        const int32_t pixel = (y0 + ky * dilation_h) * in_w + x0 + left *
                            dilation_w;
                        const uint32_t *taps = w + (ky * kernel_w + left) * filter_c;
                        dot4_s16(acc, in + pixel * in_c, taps, (right - left) * filter_c);
                    }
                    for (int32_t lane = 0; lane < 4; lane++, stage += 3) {
                        const int32_t y = requantize_reduced(acc[lane], stage[1], stage[2]);
                        if (lane < lanes)
                            out[first + lane] = (int16_t)(y < low ? low : y > high ? high : y);
                    }
                }
            }
        }
    }
}

/* int16 inputs by int8 weights, four output channels of a pixel at a time. If their number is not a
 * multiple of four, the last four overlap the four before; with fewer, the other lanes are zero.
 * Zero points are 0, so taps outside the image add nothing.
 * No sum leaves 32 bits, which the weights prove.
 * A pixel is written before later pixels are read, so `out` may overlap `in` that far. */
static void conv2d_16x8_s16_by_tap(const int16_t *in, int16_t *out)
{
    const int32_t in_h = 6, in_w = 5, in_c = 6;
    const int32_t kernel_h = 1, kernel_w = 2, filter_c = 6;
    const int32_t out_h = 6, out_w = 3, channels = 2, lanes = 2;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 0, pad_left = 0;
    const int32_t dilation_h = 1, dilation_w = 2;
    const int32_t low = -32768, high = 32767;

    /* First channel of a group, in the input and in the output. */
    in += 0;
    out += 0;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++, out += 2) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const uint32_t *w = model_conv2d_1_weights;
                const int32_t *stage = model_conv2d_1_stage;
                for (int32_t c = 0; c < channels; c += 4, w += kernel_h * kernel_w * filter_c) {
                    const int32_t first = c + lanes > channels ? channels - lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = top; ky < bottom && left < right; ky++) {
                        const int32_t pixel = (y0 + ky * dilation_h) * in_w + x0 + left *
                            dilation_w;
                        const uint32_t *taps = w + (ky * kernel_w + left) * filter_c;
                        for (int32_t kx = left; kx < right; kx++, taps += filter_c) {
                            const int32_t at = pixel + (kx - left) * dilation_w;
                            dot4_s16(acc, in + at * in_c, taps, filter_c);
                        }
                    }
                    for (int32_t lane = 0; lane < 4; lane++, stage += 3) {
                        const int32_t y = requantize_reduced(acc[lane], stage[1], stage[2]);
                        if (lane < lanes)
                            out[first + lane] = (int16_t)(y < low ? low : y > high ? high : y);
                    }
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * portable/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x00b4));
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * portable/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_16x8_s16_by_tap((int16_t *)(void *)(arena + 0x00b4),
                               (int16_t *)(void *)(arena + 0x021c));
        break;
    default:
        break;
    }
}
