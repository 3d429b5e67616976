#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"

/* float by float, each output a sum in the order of its taps: two roundings a product, as in the
 * reference. Taps outside the image add nothing. */
static void depthwise_conv2d_f32_f32(const float *in, float *out)
{
    const int32_t in_h = 6, in_w = 5, in_c = 3, out_c = 6;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    const float low = model_depthwise_conv2d_0_clamp[0], high = model_depthwise_conv2d_0_clamp[1];

    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < 5; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                for (int32_t c = 0; c < out_c; c++) {
                    const float *x = in + c / 2, *w = model_depthwise_conv2d_0_weights + c;
                    float sum = 0.0f;
                    for (int32_t ky = top; ky < bottom; ky++) {
                        for (int32_t kx = left; kx < right; kx++) {
                            const int32_t pixel = (y0 + ky * dilation_h) * in_w + x0 + kx *
                                dilation_w;
                            sum += x[pixel * in_c] * w[(ky * kernel_w + kx) * out_c];
                        }
                    }
                    float y = sum + model_depthwise_conv2d_0_biases[c];
                    y = y < low ? low : y;
                    *out++ = high < y ? high : y;
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  f32 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * portable/depthwise_conv2d_f32, 1620 MAC: test */
    case 0:
        depthwise_conv2d_f32_f32((float *)(void *)(arena + 0x0000),
                                 (float *)(void *)(arena + 0x0168));
        break;
    default:
        break;
    }
}
