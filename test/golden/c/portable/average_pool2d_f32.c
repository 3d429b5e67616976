#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Mean of each window's elements inside the image, added row by row; clamped. */
static void pool_f32_f32(const float *in, float *out)
{
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t in_h = 6, in_w = 6, channels = 3;
    const float low = model_average_pool2d_0_clamp[0], high = model_average_pool2d_0_clamp[1];
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t top = oy * stride_h - pad_top, bottom = top + 3;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < 6; ox++) {
                const int32_t left = ox * stride_w - pad_left, right = left + 3;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const float *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c++, pixel++) {
                    float y = 0.0f;
                    for (int32_t row = 0; row < y1 - y0; row++) {
                        const float *x = pixel + row * in_w * channels;
                        for (int32_t column = 0; column < x1 - x0; column++, x += channels)
                            y += *x;
                    }
                    y = y / (float)((y1 - y0) * (x1 - x0));
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
    /* average_pool2d_0: "average_pool2d_0"  f32 [1,6,6,3] -> [1,6,6,3]  3x3 pad 1,1,1,1
     * portable/average_pool2d_f32: test */
    case 0:
        pool_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x01b0));
        break;
    default:
        break;
    }
}
