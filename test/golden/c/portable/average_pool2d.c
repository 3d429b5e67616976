#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* Mean of each window's elements inside the image, rounded halves away from zero. The quotient is
 * at most 128, so eight steps of long division replace the library's division. */
static void average_pool2d_s8(const int8_t *in, int8_t *out)
{
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t in_h = 6, in_w = 6, channels = 8;
    const int32_t low = -128, high = 127, row_bytes = in_w * channels;
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t top = oy * stride_h - pad_top, bottom = top + 3;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < 6; ox++) {
                const int32_t left = ox * stride_w - pad_left, right = left + 3;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int32_t count = (y1 - y0) * (x1 - x0), width = (x1 - x0) * channels;
                const int8_t *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c++, pixel++) {
                    int32_t sum = 0;
                    const int8_t *row = pixel;
                    for (int32_t y = y0; y < y1; y++, row += row_bytes) {
                        for (int32_t x = 0; x < width; x += channels)
                            sum += row[x];
                    }
                    int32_t rest = (sum < 0 ? -sum : sum) + count / 2;
                    int32_t mean = 0;
                    for (int32_t bit = 7; bit >= 0; bit--) {
                        if (rest >= count << bit) {
                            rest -= count << bit;
                            mean += 1 << bit;
                        }
                    }
                    mean = sum < 0 ? -mean : mean;
                    *out++ = (int8_t)(mean < low ? low : mean > high ? high : mean);
                }
            }
        }
    }
}

/* Mean of each window's elements, rounded halves away from zero. All windows lie inside the image.
 * The dividend is less than 2^16, for which the 24-bit reciprocal is exact. */
static void average_pool2d_s8_quick(const int8_t *in, int8_t *out)
{
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = 0, pad_left = 0;
    const int32_t in_h = 6, in_w = 6, channels = 8;
    const int32_t low = -128, high = 127, row_bytes = in_w * channels;
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 1; oy++) {
            const int32_t top = oy * stride_h - pad_top, bottom = top + 6;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < 1; ox++) {
                const int32_t left = ox * stride_w - pad_left, right = left + 6;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int32_t count = (y1 - y0) * (x1 - x0), width = (x1 - x0) * channels;
                const int8_t *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c++, pixel++) {
                    int32_t sum = 0;
                    const int8_t *row = pixel;
                    for (int32_t y = y0; y < y1; y++, row += row_bytes) {
                        for (int32_t x = 0; x < width; x += channels)
                            sum += row[x];
                    }
                    const uint32_t rest = (uint32_t)((sum < 0 ? -sum : sum) + count / 2);
                    int32_t mean = (int32_t)(rest * (uint32_t)466034 >> 24);
                    mean = sum < 0 ? -mean : mean;
                    *out++ = (int8_t)(mean < low ? low : mean > high ? high : mean);
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* average_pool2d_0: "average_pool2d_0"  s8 [1,6,6,8] -> [1,6,6,8]  3x3 pad 1,1,1,1
     * portable/average_pool2d: test */
    case 0:
        average_pool2d_s8(arena + 0x0000, arena + 0x0120);
        break;
    /* average_pool2d_1: "average_pool2d_1"  s8 [1,6,6,8] -> [1,1,1,8]  6x6
     * portable/average_pool2d: test */
    case 1:
        average_pool2d_s8_quick(arena + 0x0120, arena + 0x0240);
        break;
    default:
        break;
    }
}
