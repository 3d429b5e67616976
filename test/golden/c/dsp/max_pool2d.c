#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "max_bytes"
#include "load_word"

/* The smaller of each pair of signed bytes. */
static inline uint32_t min_bytes(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t least;
    /* SSUB8 notes for each byte whether a - b, before it wraps, is 0 or more; SEL takes b there. */
    __asm__("ssub8 %0, %1, %2\n\t"
            "sel %0, %2, %1"
            : "=&r"(least)
            : "r"(a), "r"(b)
            : "cc");
    return least;
#else
    uint32_t least = 0;
    for (int32_t bit = 0; bit < 32; bit += 8) {
        const uint32_t from = (int8_t)(a >> bit) < (int8_t)(b >> bit) ? a : b;
        least |= from & (uint32_t)0xff << bit;
    }
    return least;
#endif
}

struct max_pool2d_s8_dsp_args {
    uint8_t out_h;
    uint8_t out_w;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
};

/* Largest of each window's elements inside the image, clamped, four channels at a time; channels
 * that are left over one by one. */
static void max_pool2d_s8_dsp(const int8_t *in, int8_t *out,
                              const struct max_pool2d_s8_dsp_args *restrict args)
{
    const int32_t in_h = 6, in_w = 6, channels = 10;
    const int32_t row_bytes = in_w * channels;
    const int32_t low = -128, high = 127;
    const uint32_t each = 0x01010101;
    const uint32_t lows = (uint8_t)low * each, highs = (uint8_t)high * each;
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            const int32_t top = oy - args->pad_top, bottom = top + args->kernel_h;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < args->out_w; ox++) {
                const int32_t left = ox - args->pad_left, right = left + args->kernel_w;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int32_t width = (x1 - x0) * channels;
                const int8_t *pixel = in + y0 * row_bytes + x0 * channels;
                const int8_t *const end = pixel + (y1 - y0) * row_bytes;
                int32_t left_over = channels;
                /* Starting at the lower bound clamps the result. */
                for (; left_over >= 4; left_over -= 4, pixel += 4, out += 4) {
                    uint32_t largest = lows;
                    for (const int8_t *row = pixel; row < end; row += row_bytes) {
                        for (int32_t x = 0; x < width; x += channels)
                            largest = max_bytes(largest, load_word(row + x));
                    }
                    largest = min_bytes(largest, highs);
                    memcpy(out, &largest, sizeof largest);
                }
                for (; left_over > 0; left_over--, pixel++) {
                    int32_t largest = low;
                    for (const int8_t *row = pixel; row < end; row += row_bytes) {
                        for (int32_t x = 0; x < width; x += channels)
                            largest = row[x] > largest ? row[x] : largest;
                    }
                    *out++ = (int8_t)(largest > high ? high : largest);
                }
            }
        }
    }
}

static const struct max_pool2d_s8_dsp_args model_max_pool2d_0_args BONSAI_FLASH = {
    .out_h = 6, .out_w = 6, .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1,
};

static const struct max_pool2d_s8_dsp_args model_max_pool2d_1_args BONSAI_FLASH = {
    .out_h = 5, .out_w = 5, .kernel_h = 2, .kernel_w = 2, .pad_top = 0, .pad_left = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* max_pool2d_0: "max_pool2d_0"  s8 [1,6,6,10] -> [1,6,6,10]  3x3 pad 1,1,1,1
     * dsp/max_pool2d: test */
    case 0:
        max_pool2d_s8_dsp(arena + 0x0000, arena + 0x0168, &model_max_pool2d_0_args);
        break;
    /* max_pool2d_1: "max_pool2d_1"  s8 [1,6,6,10] -> [1,5,5,10]  2x2
     * dsp/max_pool2d: test */
    case 1:
        max_pool2d_s8_dsp(arena + 0x0168, arena + 0x02d0, &model_max_pool2d_1_args);
        break;
    default:
        break;
    }
}
