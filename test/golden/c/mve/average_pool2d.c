#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The windows under a vector of outputs: rows are row_step bytes apart, pixels pixel_step. */
struct mean_area { int32_t rows, columns, row_step, pixel_step, factor, shift, low, high; };

#include "BONSAI_MVE"

/* The mean of the first `left` of eight channels, or of all if `left` is larger, over `rows` rows
 * of `columns` pixels, at most 255 in total: rounded halves away from zero, clamped. The rows are
 * row_step bytes apart, pixels pixel_step.
 *
 * Sums plus half the count fit 16 bits. For n < 2^15 and 2^k <= count < 2^(k + 1) the quotient is
 * n * ceil(2^(16 + k) / count) >> (16 + k): rounding the factor up adds less than n * (count - 1)
 * / count to the product, not even 2^(16 + k) / count. The factor is 2^16 where count is 2^k. */

#if defined(BONSAI_MVE)
static inline void mean_lanes(int8_t *y, const int8_t *x, int32_t left,
                              const struct mean_area *mean)
{
    int16x8_t sums;
    const int32_t to_next_row = mean->row_step - mean->columns * mean->pixel_step;
    int32_t rows = mean->rows;
    __asm__("vmov.i16 %q[sums], #0\n\t"
            "vctp.16 %[left]\n"
            "1:\n\t"
            "dls lr, %[columns]\n"
            "2:\n\t"
            "vpst\n\t"
            "vldrbt.s16 q0, [%[x]]\n\t"
            "add %[x], %[pixel_step]\n\t"
            "vadd.i16 %q[sums], %q[sums], q0\n\t"
            "le lr, 2b\n\t"
            "add %[x], %[to_next_row]\n\t"
            "subs %[rows], #1\n\t"
            "bne 1b"
            : [sums] "=&w"(sums), [x] "+&l"(x), [rows] "+&r"(rows)
            : [left] "r"(left), [columns] "r"(mean->columns), [pixel_step] "r"(mean->pixel_step),
              [to_next_row] "r"(to_next_row)
            : "q0", "lr", "cc", "p0", "memory");
    const uint16x8_t sizes = vreinterpretq_u16_s16(vabsq_s16(sums));
    uint16x8_t means = vaddq_n_u16(sizes, (uint16_t)(mean->rows * mean->columns / 2));
    if (mean->factor < 65536)
        means = vmulhq_u16(means, vdupq_n_u16((uint16_t)mean->factor));
    const int16x8_t shifted = vreinterpretq_s16_u16(vshlq_r_u16(means, -mean->shift));
    const int16x8_t signs = vshrq_n_s16(sums, 15);
    int16x8_t result = vsubq_s16(veorq_s16(shifted, signs), signs);
    result = vmaxq_s16(result, vdupq_n_s16((int16_t)mean->low));
    result = vminq_s16(result, vdupq_n_s16((int16_t)mean->high));
    vstrbq_p_s16(y, result, vctp16q((uint32_t)left));
}
#else
static inline void mean_lanes(int8_t *y, const int8_t *x, int32_t left,
                              const struct mean_area *mean)
{
    const int32_t half = mean->rows * mean->columns / 2;
    int16_t sums[8] = {0};
    for (int32_t row = 0; row < mean->rows; row++) {
        const int8_t *p = x + row * mean->row_step;
        for (int32_t column = 0; column < mean->columns; column++, p += mean->pixel_step) {
            for (int32_t i = 0; i < left && i < 8; i++)
                sums[i] = (int16_t)(sums[i] + p[i]);
        }
    }
    for (int32_t i = 0; i < left && i < 8; i++) {
        const uint16_t size = (uint16_t)((sums[i] < 0 ? -sums[i] : sums[i]) + half);
        const int32_t quotient = (int32_t)(size * (uint32_t)mean->factor >> 16 >> mean->shift);
        const int32_t result = sums[i] < 0 ? -quotient : quotient;
        y[i] = (int8_t)(result < mean->low ? mean->low : result > mean->high ? mean->high : result);
    }
}
#endif

struct average_pool2d_s8_mve_args {
    uint8_t out_h;
    uint8_t out_w;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
};

/* Mean of each window's elements inside the image, rounded halves away from zero, eight channels
 * at a time. */
static void average_pool2d_s8_mve(const int8_t *in, int8_t *out,
                                  const struct average_pool2d_s8_mve_args *restrict args)
{
    const int32_t in_h = 6, in_w = 6, channels = 11;
    const int32_t row_bytes = in_w * channels;
    struct mean_area mean = {
        .row_step = row_bytes, .pixel_step = channels, .low = -128, .high = 127,
    };
    int32_t count = 0;
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            const int32_t top = oy - args->pad_top, bottom = top + args->kernel_h;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < args->out_w; ox++, out += channels) {
                const int32_t left = ox - args->pad_left, right = left + args->kernel_w;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int8_t *const first = in + y0 * row_bytes + x0 * channels;
                mean.rows = y1 - y0;
                mean.columns = x1 - x0;
                if (mean.rows * mean.columns != count) {
                    count = mean.rows * mean.columns;
                    mean.shift = 0;
                    while (2 << mean.shift <= count)
                        mean.shift++;
                    mean.factor = ((65536 << mean.shift) + count - 1) / count;
                }
                for (int32_t c = 0; c < channels; c += 8)
                    mean_lanes(out + c, first + c, channels - c, &mean);
            }
        }
    }
}

static const struct average_pool2d_s8_mve_args model_average_pool2d_0_args BONSAI_FLASH = {
    .out_h = 6, .out_w = 6, .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1,
};

static const struct average_pool2d_s8_mve_args model_average_pool2d_1_args BONSAI_FLASH = {
    .out_h = 1, .out_w = 1, .kernel_h = 6, .kernel_w = 6, .pad_top = 0, .pad_left = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* average_pool2d_0: "average_pool2d_0"  s8 [1,6,6,11] -> [1,6,6,11]  3x3 pad 1,1,1,1
     * mve/average_pool2d: test */
    case 0:
        average_pool2d_s8_mve(arena + 0x0000, arena + 0x018c, &model_average_pool2d_0_args);
        break;
    /* average_pool2d_1: "average_pool2d_1"  s8 [1,6,6,11] -> [1,1,1,11]  6x6
     * mve/average_pool2d: test */
    case 1:
        average_pool2d_s8_mve(arena + 0x018c, arena + 0x0318, &model_average_pool2d_1_args);
        break;
    default:
        break;
    }
}
