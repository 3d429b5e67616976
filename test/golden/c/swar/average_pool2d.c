#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The mean of `count` bytes with 128 added to each, rounded halves away from zero: n / count with
 * n < 2^16, by a 24-bit reciprocal that is exact for count <= 257. */
struct mean { int32_t count; uint32_t reciprocal; int32_t low, high; };

static inline int8_t mean_of(uint32_t biased, const struct mean *mean)
{
    const int32_t sum = (int32_t)biased - 128 * mean->count;
    const uint32_t size = (uint32_t)((sum < 0 ? -sum : sum) + mean->count / 2);
    const int32_t quotient = (int32_t)(size * mean->reciprocal >> 24);
    const int32_t value = sum < 0 ? -quotient : quotient;
    return (int8_t)(value < mean->low ? mean->low : value > mean->high ? mean->high : value);
}

struct average_pool2d_s8_swar_args {
    int32_t reciprocal;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t count;
};

/* Mean of windows that lie inside the image, four channels a word: the bytes of even and of odd
 * channels, plus 128 each, are summed in two halves of a word. */
static void average_pool2d_s8_swar(const int8_t *in, int8_t *out,
                                   const struct average_pool2d_s8_swar_args *restrict args)
{
    const int32_t in_h = args->in_h, in_w = args->in_w, channels = 8;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w;
    const struct mean mean = { args->count, (uint32_t)args->reciprocal, -128, 127 };
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            for (int32_t ox = 0; ox < args->out_w; ox++) {
                const int32_t y0 = oy, x0 = ox;
                const int8_t *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c += 4, pixel += 4, out += 4) {
                    uint32_t even = 0, odd = 0;
                    for (int32_t y = 0; y < kernel_h; y++) {
                        const int8_t *p = pixel + y * in_w * channels;
                        for (const int8_t *const end = p + kernel_w * channels; p != end;
                             p += channels) {
                            const uint32_t word = *(const uint32_t *)(const void *)p ^ 0x80808080u;
                            even += word & 0x00ff00ffu;
                            odd += word >> 8 & 0x00ff00ffu;
                        }
                    }
                    out[0] = mean_of(even & 0xffff, &mean);
                    out[1] = mean_of(odd & 0xffff, &mean);
                    out[2] = mean_of(even >> 16, &mean);
                    out[3] = mean_of(odd >> 16, &mean);
                }
            }
        }
    }
}

/* Mean of windows that lie inside the image, four channels a word: the bytes of even and of odd
 * channels, plus 128 each, are summed in two halves of a word. */
static void average_pool2d_s8_swar_ragged(const int8_t *in, int8_t *out)
{
    const int32_t in_h = 6, in_w = 6, channels = 7;
    const int32_t kernel_h = 3, kernel_w = 3;
    const struct mean mean = { 9, (uint32_t)1864136, -128, 127 };
    for (int32_t n = 0; n < 1; n++, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 4; oy++) {
            for (int32_t ox = 0; ox < 4; ox++) {
                const int32_t y0 = oy, x0 = ox;
                const int8_t *pixel = in + (y0 * in_w + x0) * channels;
                for (int32_t c = 0; c < channels; c += 4, pixel += 4, out += 4) {
                    /* The last four overlap channels that are already done. */
                    const int32_t back = c + 4 > channels ? c + 4 - channels : 0;
                    pixel -= back;
                    out -= back;
                    uint32_t even = 0, odd = 0;
                    for (int32_t y = 0; y < kernel_h; y++) {
                        const int8_t *p = pixel + y * in_w * channels;
                        for (const int8_t *const end = p + kernel_w * channels; p != end;
                             p += channels) {
                            const uint8_t *const b = (const uint8_t *)p;
                            const uint32_t high = (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16;
                            const uint32_t word =
                                (high | (uint32_t)b[1] << 8 | (uint32_t)b[0]) ^ 0x80808080u;
                            even += word & 0x00ff00ffu;
                            odd += word >> 8 & 0x00ff00ffu;
                        }
                    }
                    out[0] = mean_of(even & 0xffff, &mean);
                    out[1] = mean_of(odd & 0xffff, &mean);
                    out[2] = mean_of(even >> 16, &mean);
                    out[3] = mean_of(odd >> 16, &mean);
                }
            }
        }
    }
}

static const struct average_pool2d_s8_swar_args model_average_pool2d_0_args BONSAI_FLASH = {
    .reciprocal = 1864136, .in_h = 6, .in_w = 6, .out_h = 4, .out_w = 4, .kernel_h = 3,
    .kernel_w = 3, .count = 9,
};

static const struct average_pool2d_s8_swar_args model_average_pool2d_1_args BONSAI_FLASH = {
    .reciprocal = 1048576, .in_h = 4, .in_w = 4, .out_h = 1, .out_w = 1, .kernel_h = 4,
    .kernel_w = 4, .count = 16,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* average_pool2d_0: "average_pool2d_0"  s8 [1,6,6,8] -> [1,4,4,8]  3x3
     * swar/average_pool2d: test */
    case 0:
        average_pool2d_s8_swar(arena + 0x0000, arena + 0x021c, &model_average_pool2d_0_args);
        break;
    /* average_pool2d_1: "average_pool2d_1"  s8 [1,4,4,8] -> [1,1,1,8]  4x4
     * swar/average_pool2d: test */
    case 1:
        average_pool2d_s8_swar(arena + 0x021c, arena + 0x029c, &model_average_pool2d_1_args);
        break;
    /* average_pool2d_2: "average_pool2d_2"  s8 [1,6,6,7] -> [1,4,4,7]  3x3
     * swar/average_pool2d: test */
    case 2:
        average_pool2d_s8_swar_ragged(arena + 0x0120, arena + 0x02a4);
        break;
    default:
        break;
    }
}
