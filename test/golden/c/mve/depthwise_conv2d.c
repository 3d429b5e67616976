#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_MVE"
#include "fill_bytes"
#include "copy_rows"

/* Rows of the image as taps read them: the first pixels, the last pixels, and the bytes from one
 * pixel to the next. A row outside the image is one pixel of zero points with `step` 0. */
struct rows { const int8_t *const *first, *const *last; const int32_t *step; };

/* Pointers to the pixels in column x of `count` rows. Up to three pointers after them may change.
 */
#if defined(BONSAI_MVE)
static inline void column_taps(const int8_t **taps, const struct rows *rows, int32_t count,
                               int32_t x, int32_t in_w, const int8_t *outside)
{
    for (int32_t i = 0; i < count; i += 4) {
        /* Vectors hold pointers as addresses, which C does not see. */
        if (x < 0 || x >= in_w)
            __asm__ volatile("vdup.32 q0, %[outside]\n\t"
                             "vstrw.32 q0, [%[taps]]"
                             :
                             : [taps] "r"(taps + i), [outside] "r"(outside)
                             : "q0", "memory");
        else if (x == in_w - 1)
            __asm__ volatile("vldrw.32 q0, [%[last]]\n\t"
                             "vstrw.32 q0, [%[taps]]"
                             :
                             : [taps] "r"(taps + i), [last] "r"(rows->last + i)
                             : "q0", "memory");
        else
            __asm__ volatile("vldrw.32 q0, [%[first]]\n\t"
                             "vldrw.32 q1, [%[step]]\n\t"
                             "vmla.s32 q0, q1, %[x]\n\t"
                             "vstrw.32 q0, [%[taps]]"
                             :
                             : [taps] "r"(taps + i), [first] "r"(rows->first + i),
                               [step] "r"(rows->step + i), [x] "r"(x)
                             : "q0", "q1", "memory");
    }
}
#else
static inline void column_taps(const int8_t **taps, const struct rows *rows, int32_t count,
                               int32_t x, int32_t in_w, const int8_t *outside)
{
    for (int32_t i = 0; i < count; i++)
        taps[i] = x < 0 || x >= in_w ? outside
                  : x == in_w - 1    ? rows->last[i]
                                     : rows->first[i] + x * rows->step[i];
}
#endif

#include "load_lanes"

/* Like add_taps for nine taps, the last of which has no partner. Widening loads can use only the
 * lower registers, which hold six taps at a time. */
#if defined(BONSAI_MVE)
static inline const int8_t *add_nine_taps(lanes4 *even, lanes4 *odd, const int8_t **taps,
                                          const int8_t *weights)
{
    lanes4 a = *even, b = *odd;
    __asm__("ldm %[taps], {r0, r2, r3, r4, r5, r6}\n"
            "vldrb.s16 q0, [r0], #8\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r2], #8\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r3], #8\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r4], #8\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r5], #8\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r6], #8\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "stm %[taps]!, {r0, r2, r3, r4, r5, r6}\n"
            "ldm %[taps], {r0, r2, r3}\n"
            "vldrb.s16 q0, [r0], #8\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r2], #8\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r3], #8\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "stm %[taps], {r0, r2, r3}"
            : [even] "+w"(a), [odd] "+w"(b), [taps] "+&r"(taps), [w] "+&l"(weights)
            :
            : "q0", "q1", "q2", "q3", "r0", "r2", "r3", "r4", "r5", "r6", "memory");
    *even = a;
    *odd = b;
    return weights;
}
#else
static inline const int8_t *add_nine_taps(lanes4 *even, lanes4 *odd, const int8_t **taps,
                                          const int8_t *weights)
{
    for (int32_t tap = 0; tap < 9; tap += 2) {
        for (int32_t i = 0; i < 8; i++, weights++) {
            int32_t sum = taps[tap][i] * weights[0];
            if (tap < 8)
                sum += taps[tap + 1][i] * weights[8];
            (i % 2 == 0 ? even : odd)->lane[i / 2] += (int16_t)sum;
        }
        weights += tap < 8 ? 8 : 0;
    }
    for (int32_t tap = 0; tap < 9; tap++)
        taps[tap] += 8;
    return weights;
}
#endif

#include "multiply_high"
#include "requantize"
#include "rescale_lanes"
#include "output"
#include "to_int8"

/* Stores the first `count` channels, at most eight, alternately from `even` and `odd`, clamped
 * before the zero point is added. */
#if defined(BONSAI_MVE)
static inline void store_even_odd(int8_t *y, lanes4 even, lanes4 odd, int32_t count,
                                  const struct output *output)
{
    int16x8_t x = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
    x = vmaxq_s16(x, vdupq_n_s16((int16_t)output->min));
    x = vminq_s16(x, vdupq_n_s16((int16_t)output->max));
    x = vaddq_n_s16(x, (int16_t)output->zero_point);
    __asm__ volatile("vctp.16 %[count]\n\t"
                     "vpst\n\t"
                     "vstrbt.16 %q[x], [%[y]]"
                     :
                     : [y] "l"(y), [x] "w"(x), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_even_odd(int8_t *y, lanes4 even, lanes4 odd, int32_t count,
                                  const struct output *output)
{
    for (int32_t i = 0; i < count && i < 8; i++)
        y[i] = to_int8((i % 2 == 0 ? even : odd).lane[i / 2], output);
}
#endif

/* Like add_taps_spread for nine taps, the last of which has no partner. */
#if defined(BONSAI_MVE)
static inline const int8_t *add_nine_taps_spread(lanes4 *even, lanes4 *odd,
                                                 const int8_t *const *taps, const int8_t *weights,
                                                 const uint16_t *at)
{
    lanes4 a = *even, b = *odd;
    const uint16x8_t offsets = vldrhq_u16(at);
    __asm__("ldm %[taps]!, {r0, r2, r3, r4, r5, r6}\n"
            "vldrb.s16 q0, [r0, %q[offsets]]\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r2, %q[offsets]]\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r3, %q[offsets]]\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r4, %q[offsets]]\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r5, %q[offsets]]\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r6, %q[offsets]]\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "ldm %[taps], {r0, r2, r3}\n"
            "vldrb.s16 q0, [r0, %q[offsets]]\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vldrb.s16 q2, [r2, %q[offsets]]\n"
            "vldrb.s16 q3, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmul.i16 q2, q2, q3\n"
            "vadd.i16 q0, q0, q2\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0\n"
            "vldrb.s16 q0, [r3, %q[offsets]]\n"
            "vldrb.s16 q1, [%[w]], #8\n"
            "vmul.i16 q0, q0, q1\n"
            "vmovlb.s16 q1, q0\n"
            "vmovlt.s16 q0, q0\n"
            "vadd.i32 %q[even], %q[even], q1\n"
            "vadd.i32 %q[odd], %q[odd], q0"
            : [even] "+w"(a), [odd] "+w"(b), [taps] "+&r"(taps), [w] "+&l"(weights)
            : [offsets] "w"(offsets)
            : "q0", "q1", "q2", "q3", "r0", "r2", "r3", "r4", "r5", "r6", "memory");
    *even = a;
    *odd = b;
    return weights;
}
#else
static inline const int8_t *add_nine_taps_spread(lanes4 *even, lanes4 *odd,
                                                 const int8_t *const *taps, const int8_t *weights,
                                                 const uint16_t *at)
{
    for (int32_t tap = 0; tap < 9; tap += 2) {
        for (int32_t i = 0; i < 8; i++, weights++) {
            int32_t sum = taps[tap][at[i]] * weights[0];
            if (tap < 8)
                sum += taps[tap + 1][at[i]] * weights[8];
            (i % 2 == 0 ? even : odd)->lane[i / 2] += (int16_t)sum;
        }
        weights += tap < 8 ? 8 : 0;
    }
    return weights;
}
#endif

struct depthwise_conv2d_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t in_w;
    uint8_t stride_w;
};

/* A pixel at a time, its channels eight at a time. Taps outside the image read a pixel of zero
 * points in scratch. Rows of the input, except the one under the lowest taps, are copied to scratch
 * before the output overwrites them. Vectors may extend past a pixel, but not past the image: its
 * last pixel is copied to scratch. The input's zero point is folded into the biases. */
static void depthwise_conv2d_s8_mve(const int8_t *in, int8_t *out, int8_t *scratch,
                                    const struct depthwise_conv2d_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const int32_t in_h = 9, in_w = args->in_w, channels = 11;
    const int32_t kernel_h = 3, kernel_w = 3, dilation_w = 1;
    const int32_t out_w = 5, stride_w = args->stride_w, pad_left = 1;
    const int32_t row_bytes = in_w * channels;
    int8_t *const outside = scratch, *const last_pixel = outside + 16;
    int8_t *const copies = last_pixel + 16;
    const int8_t *taps[12];
    const int8_t *firsts[16], *lasts[16];
    int32_t steps[16];
    const struct rows rows = { firsts, lasts, steps };

    fill_bytes(outside, 3, channels);
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * row_bytes) {
        int32_t copied = 0;
        copy_rows(last_pixel, 0, in + in_h * row_bytes - channels, 0, 1, channels);
        for (int32_t oy = 0; oy < 9; oy++) {
            const int32_t top = oy - 1;
            const int32_t bottom = top + 2;
            for (; copied < bottom && copied < in_h; copied++)
                copy_rows(copies + copied % 2 * row_bytes, 0, in + copied * row_bytes, 0, 1,
                          row_bytes);
            for (int32_t ky = 0, y = top; ky < kernel_h; ky++, y += 1) {
                const int8_t *first = in + y * row_bytes;
                const int8_t *last = y < in_h - 1 ? first + row_bytes - channels : last_pixel;
                if (y < bottom) {
                    first = copies + y % 2 * row_bytes;
                    last = first + row_bytes - channels;
                }
                const int32_t inside = y >= 0 && y < in_h;
                firsts[ky] = inside ? first : outside;
                lasts[ky] = inside ? last : outside;
                steps[ky] = inside ? channels : 0;
            }
            for (int32_t ox = 0; ox < out_w; ox++, out += channels) {
                const int8_t *weights = args->weights;
                const int32_t *stage = args->stage;
                for (int32_t kx = 0, x = ox * stride_w - pad_left; kx < kernel_w; kx++,
                     x += dilation_w)
                    column_taps(taps + kx * kernel_h, &rows, kernel_h, x, in_w, outside);
                for (int32_t c = 0; c < channels; c += 8) {
                    lanes4 even = load_lanes(stage), odd = load_lanes(stage + 4);
                    weights = add_nine_taps(&even, &odd, taps, weights);
                    even = rescale_lanes(even, stage + 8);
                    odd = rescale_lanes(odd, stage + 16);
                    stage += 24;
                    store_even_odd(out + c, even, odd, channels - c, &output);
                }
            }
        }
    }
}

/* A pixel at a time, its channels eight at a time, gathered from those of the input.
 *  Taps outside the image read a pixel of zero points in scratch.
 * Rows of the input, except the one under the lowest taps, are copied to scratch before the output
 * overwrites them.
 * The input's zero point is folded into the biases. */
static void depthwise_conv2d_s8_mve_spread(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct output output = { -131, 124, 3 };
    const int32_t in_h = 9, in_w = 5, channels = 11;
    const int32_t out_c = 22;
    const int32_t kernel_h = 3, kernel_w = 3, dilation_w = 1;
    const int32_t out_w = 3, stride_w = 1, pad_left = 0;
    const int32_t row_bytes = in_w * channels;
    int8_t *const outside = scratch, *const last_pixel = outside + 16;
    int8_t *const copies = last_pixel + 16;
    const int8_t *taps[12];
    const int8_t *firsts[16], *lasts[16];
    int32_t steps[16];
    const struct rows rows = { firsts, lasts, steps };

    fill_bytes(outside, 3, channels);
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * row_bytes) {
        int32_t copied = 0;
        copy_rows(last_pixel, 0, in + in_h * row_bytes - channels, 0, 1, channels);
        for (int32_t oy = 0; oy < 7; oy++) {
            const int32_t top = oy;
            const int32_t bottom = top + 2;
            for (; copied < bottom && copied < in_h; copied++)
                copy_rows(copies + copied % 2 * row_bytes, 0, in + copied * row_bytes, 0, 1,
                          row_bytes);
            for (int32_t ky = 0, y = top; ky < kernel_h; ky++, y += 1) {
                const int8_t *first = in + y * row_bytes;
                const int8_t *last = y < in_h - 1 ? first + row_bytes - channels : last_pixel;
                if (y < bottom) {
                    first = copies + y % 2 * row_bytes;
                    last = first + row_bytes - channels;
                }
                const int32_t inside = y >= 0 && y < in_h;
                firsts[ky] = inside ? first : outside;
                lasts[ky] = inside ? last : outside;
                steps[ky] = inside ? channels : 0;
            }
            for (int32_t ox = 0; ox < out_w; ox++, out += out_c) {
                const int8_t *weights = model_depthwise_conv2d_2_weights;
                const int32_t *stage = model_depthwise_conv2d_2_stage;
                for (int32_t kx = 0, x = ox * stride_w - pad_left; kx < kernel_w; kx++,
                     x += dilation_w)
                    column_taps(taps + kx * kernel_h, &rows, kernel_h, x, in_w, outside);
                const uint16_t *at = model_depthwise_conv2d_2_offsets;
                for (int32_t c = 0; c < out_c; c += 8, at += 8) {
                    lanes4 even = load_lanes(stage), odd = load_lanes(stage + 4);
                    weights = add_nine_taps_spread(&even, &odd, taps, weights, at);
                    even = rescale_lanes(even, stage + 8);
                    odd = rescale_lanes(odd, stage + 16);
                    stage += 24;
                    store_even_odd(out + c, even, odd, out_c - c, &output);
                }
            }
        }
    }
}

static const struct depthwise_conv2d_s8_mve_args model_depthwise_conv2d_0_args BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_0_weights, .stage = model_depthwise_conv2d_0_stage, .in_w = 9,
    .stride_w = 2,
};

static const struct depthwise_conv2d_s8_mve_args model_depthwise_conv2d_1_args BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage, .in_w = 5,
    .stride_w = 1,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,11] -> [1,9,5,11]  3x3 stride 1x2 pad
     * 1,1,1,1
     * mve/depthwise_conv2d, 4455 MAC: test */
    case 0:
        depthwise_conv2d_s8_mve(arena + 0x0000, arena + 0x037c, arena + 0x056c,
                                &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,9,5,11] -> [1,9,5,11]  3x3 pad 1,1,1,1
     * mve/depthwise_conv2d, 4455 MAC: test */
    case 1:
        depthwise_conv2d_s8_mve(arena + 0x037c, arena + 0x0658, arena + 0x0848,
                                &model_depthwise_conv2d_1_args);
        break;
    /* depthwise_conv2d_2: "depthwise_conv2d_2"  s8 [1,9,5,11] -> [1,7,3,22]  3x3
     * mve/depthwise_conv2d, 4158 MAC: test */
    case 2:
        depthwise_conv2d_s8_mve_spread(arena + 0x0658, arena + 0x08dc, arena + 0x0aac);
        break;
    default:
        break;
    }
}
