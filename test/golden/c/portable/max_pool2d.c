#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

struct max_pool2d_s8_args {
    uint8_t out_h;
    uint8_t out_w;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
};

/* Largest of each window's elements inside the image, clamped. */
static void max_pool2d_s8(const int8_t *in, int8_t *out,
                          const struct max_pool2d_s8_args *restrict args)
{
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t in_h = 6, in_w = 6, channels = 8;
    const int32_t low = -128, high = 127, row_bytes = in_w * channels;
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            const int32_t top = oy * stride_h - pad_top, bottom = top + args->kernel_h;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < args->out_w; ox++) {
                const int32_t left = ox * stride_w - pad_left, right = left + args->kernel_w;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int32_t width = (x1 - x0) * channels;
                const int8_t *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c++, pixel++) {
                    /* Starting at the lower bound clamps the result. */
                    int32_t largest = low;
                    const int8_t *row = pixel;
                    for (int32_t y = y0; y < y1; y++, row += row_bytes) {
                        for (int32_t x = 0; x < width; x += channels)
                            largest = row[x] > largest ? row[x] : largest;
                    }
                    *out++ = (int8_t)(largest > high ? high : largest);
                }
            }
        }
    }
}

static const struct max_pool2d_s8_args model_max_pool2d_0_args BONSAI_FLASH = {
    .out_h = 6, .out_w = 6, .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1,
};

static const struct max_pool2d_s8_args model_max_pool2d_1_args BONSAI_FLASH = {
    .out_h = 5, .out_w = 5, .kernel_h = 2, .kernel_w = 2, .pad_top = 0, .pad_left = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* max_pool2d_0: "max_pool2d_0"  s8 [1,6,6,8] -> [1,6,6,8]  3x3 pad 1,1,1,1
     * portable/max_pool2d: test */
    case 0:
        max_pool2d_s8(arena + 0x0000, arena + 0x0120, &model_max_pool2d_0_args);
        break;
    /* max_pool2d_1: "max_pool2d_1"  s8 [1,6,6,8] -> [1,5,5,8]  2x2
     * portable/max_pool2d: test */
    case 1:
        max_pool2d_s8(arena + 0x0120, arena + 0x0240, &model_max_pool2d_1_args);
        break;
    default:
        break;
    }
}
