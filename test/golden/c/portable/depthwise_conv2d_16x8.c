#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "requantize_reduced"

/* int16 inputs by int8 weights, one output channel at a time, for any depth multiplier. Zero points
 * are 0, so taps outside the image add nothing.
 * No sum leaves 32 bits, which the weights prove. */
static void depthwise_conv2d_16x8_s16(const int16_t *in, int16_t *out)
{
    const int32_t in_h = 6, in_w = 5, in_c = 3;
    const int32_t kernel_h = 3, kernel_w = 3, out_c = 6;
    const int32_t out_h = 6, out_w = 5, depth_multiplier = 2;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int32_t low = -32768, high = 32767;
    const int8_t *weights = model_depthwise_conv2d_0_weights;

    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t *stage = model_depthwise_conv2d_0_stage;
                for (int32_t c = 0, sibling = 0, first = 0; c < out_c; c++, stage += 3) {
                    int32_t acc = stage[0];
                    for (int32_t ky = top; ky < bottom; ky++) {
                        const int32_t line = (y0 + ky * dilation_h) * in_w + x0;
                        for (int32_t kx = left; kx < right; kx++) {
                            const int32_t value = in[(line + kx * dilation_w) * in_c + first];
                            acc += value * weights[(ky * kernel_w + kx) * out_c + c];
                        }
                    }
                    const int32_t y = requantize_reduced(acc, stage[1], stage[2]);
                    *out++ = (int16_t)(y < low ? low : y > high ? high : y);
                    if (++sibling == depth_multiplier) {
                        sibling = 0;
                        first++;
                    }
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * portable/depthwise_conv2d_16x8, 1620 MAC: test */
    case 0:
        depthwise_conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000),
                                  (int16_t *)(void *)(arena + 0x00b4));
        break;
    default:
        break;
    }
}
