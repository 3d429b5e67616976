#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The windows under a vector of outputs: rows are row_step bytes apart, pixels pixel_step. */
struct max_area { int32_t rows, columns, row_step, pixel_step, low, high; };

#include "BONSAI_MVE"

/* The maximum of each of the first `left` of sixteen channels, or of all if `left` is larger, over
 * `rows` rows of `columns` pixels, clamped. The rows are row_step bytes apart, pixels
 * pixel_step. */

#if defined(BONSAI_MVE)
static inline void max_lanes(int8_t *y, const int8_t *x, int32_t left,
                             const struct max_area *largest)
{
    int8x16_t result = vdupq_n_s8((int8_t)largest->low);
    const int32_t to_next_row = largest->row_step - largest->columns * largest->pixel_step;
    int32_t rows = largest->rows;
    __asm__("vctp.8 %[left]\n"
            "1:\n\t"
            "dls lr, %[columns]\n"
            "2:\n\t"
            "vpst\n\t"
            "vldrbt.8 q0, [%[x]]\n\t"
            "add %[x], %[pixel_step]\n\t"
            "vmax.s8 %q[result], %q[result], q0\n\t"
            "le lr, 2b\n\t"
            "add %[x], %[to_next_row]\n\t"
            "subs %[rows], #1\n\t"
            "bne 1b"
            : [result] "+w"(result), [x] "+&r"(x), [rows] "+&r"(rows)
            : [left] "r"(left), [columns] "r"(largest->columns),
              [pixel_step] "r"(largest->pixel_step), [to_next_row] "r"(to_next_row)
            : "q0", "lr", "cc", "p0", "memory");
    result = vminq_s8(result, vdupq_n_s8((int8_t)largest->high));
    vstrbq_p_s8(y, result, vctp8q((uint32_t)left));
}
#else
static inline void max_lanes(int8_t *y, const int8_t *x, int32_t left,
                             const struct max_area *largest)
{
    int8_t result[16];
    memset(result, largest->low, sizeof result);
    for (int32_t row = 0; row < largest->rows; row++) {
        const int8_t *p = x + row * largest->row_step;
        for (int32_t column = 0; column < largest->columns; column++, p += largest->pixel_step) {
            for (int32_t i = 0; i < left && i < 16; i++) {
                const int8_t value = p[i];
                result[i] = value > result[i] ? value : result[i];
            }
        }
    }
    for (int32_t i = 0; i < left && i < 16; i++)
        y[i] = (int8_t)(result[i] > largest->high ? largest->high : result[i]);
}
#endif

struct max_pool2d_s8_mve_args {
    uint8_t out_h;
    uint8_t out_w;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
};

/* Largest of each window's elements inside the image, clamped, sixteen channels at a time. */
static void max_pool2d_s8_mve(const int8_t *in, int8_t *out,
                              const struct max_pool2d_s8_mve_args *restrict args)
{
    const int32_t in_h = 6, in_w = 6, channels = 19;
    const int32_t row_bytes = in_w * channels;
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            const int32_t top = oy - args->pad_top, bottom = top + args->kernel_h;
            const int32_t y0 = top < 0 ? 0 : top, y1 = bottom > in_h ? in_h : bottom;
            for (int32_t ox = 0; ox < args->out_w; ox++, out += channels) {
                const int32_t left = ox - args->pad_left, right = left + args->kernel_w;
                const int32_t x0 = left < 0 ? 0 : left, x1 = right > in_w ? in_w : right;
                const int8_t *const first = in + y0 * row_bytes + x0 * channels;
                const struct max_area largest = {
                    y1 - y0, x1 - x0, row_bytes, channels, -128, 127
                };
                for (int32_t c = 0; c < channels; c += 16)
                    max_lanes(out + c, first + c, channels - c, &largest);
            }
        }
    }
}

static const struct max_pool2d_s8_mve_args model_max_pool2d_0_args BONSAI_FLASH = {
    .out_h = 6, .out_w = 6, .kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1,
};

static const struct max_pool2d_s8_mve_args model_max_pool2d_1_args BONSAI_FLASH = {
    .out_h = 5, .out_w = 5, .kernel_h = 2, .kernel_w = 2, .pad_top = 0, .pad_left = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* max_pool2d_0: "max_pool2d_0"  s8 [1,6,6,19] -> [1,6,6,19]  3x3 pad 1,1,1,1
     * mve/max_pool2d: test */
    case 0:
        max_pool2d_s8_mve(arena + 0x0000, arena + 0x02ac, &model_max_pool2d_0_args);
        break;
    /* max_pool2d_1: "max_pool2d_1"  s8 [1,6,6,19] -> [1,5,5,19]  2x2
     * mve/max_pool2d: test */
    case 1:
        max_pool2d_s8_mve(arena + 0x02ac, arena + 0x0558, &model_max_pool2d_1_args);
        break;
    default:
        break;
    }
}
