/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif


/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

/* Restricts the taps *first to *end - 1 of a window that begins at `origin` to those inside [0,
 * extent). */
static inline void clip_taps(int32_t origin, int32_t dilation, int32_t extent, int32_t *first,
                             int32_t *end)
{
    while (*first < *end && origin + *first * dilation < 0)
        ++*first;
    while (*first < *end && origin + (*end - 1) * dilation >= extent)
        --*end;
}

/* Assembly for Helium, for GCC only: clang names its registers differently, and unoptimized code
 * leaves too few other registers. */
#if defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__) && !defined(__clang__)
#include <arm_mve.h>
#define BONSAI_MVE
#endif

/* Four int32 in a vector register, and four from memory. */
#if defined(BONSAI_MVE)
typedef int32x4_t lanes4;

static inline lanes4 load_lanes(const int32_t *p)
{
    return vldrwq_s32(p);
}
#else
typedef struct { int32_t lane[4]; } lanes4;

static inline lanes4 load_lanes(const int32_t *p)
{
    return (lanes4){ { p[0], p[1], p[2], p[3] } };
}
#endif

/* sums[i] += the products of `count` taps of channel i: int16 that lie `step` bytes apart at x, by
 * four int8 a tap at w. There are `channels` channels at x. */
#if defined(BONSAI_MVE)
static inline lanes4 add_channel_taps(lanes4 sums, const int16_t *x, int32_t step, const int8_t *w,
                                      int32_t count, int32_t channels)
{
    __asm__("vctp.32 %[channels]\n\t"
            "dls lr, %[count]\n"
            "1:\n\t"
            "vpst\n\t"
            "vldrht.s32 q0, [%[x]]\n\t"
            "vldrb.s32 q1, [%[w]], #4\n\t"
            "add %[x], %[step]\n\t"
            "vmul.i32 q0, q0, q1\n\t"
            "vadd.i32 %q[sums], %q[sums], q0\n\t"
            "le lr, 1b"
            : [sums] "+&w"(sums), [x] "+&l"(x), [w] "+&l"(w)
            : [step] "r"(step), [count] "r"(count), [channels] "r"(channels)
            : "q0", "q1", "lr", "cc", "p0", "memory");
    return sums;
}
#else
static inline lanes4 add_channel_taps(lanes4 sums, const int16_t *x, int32_t step, const int8_t *w,
                                      int32_t count, int32_t channels)
{
    for (; count > 0; count--, x += step / 2, w += 4) {
        for (int32_t i = 0; i < 4 && i < channels; i++)
            sums.lane[i] += x[i] * w[i];
    }
    return sums;
}
#endif

/* Four outputs: clamped before the zero point is added, so that the sum cannot overflow. */
#if defined(BONSAI_MVE)
static inline lanes4 clamp_lanes(lanes4 x, const struct output *output)
{
    x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(output->min)), vdupq_n_s32(output->max));
    return vaddq_n_s32(x, output->zero_point);
}
#else
static inline lanes4 clamp_lanes(lanes4 x, const struct output *output)
{
    for (int32_t i = 0; i < 4; i++) {
        const int32_t y = x.lane[i] < output->min ? output->min : x.lane[i];
        x.lane[i] = (y > output->max ? output->max : y) + output->zero_point;
    }
    return x;
}
#endif

/* (x * multiplier + half) >> (shift + 16), for a multiplier of 15 bits and 1 <= shift <= 30: the
 * rounding of TensorFlow Lite's 64-bit accumulators, here in 32 bits. With x = h * 2^16 + l the
 * product is h * multiplier * 2^16 + l * multiplier, and half is a multiple of 2^16, so the lower
 * 16 bits of the product change nothing. |h * multiplier| < 2^30, l * multiplier < 2^31. */
static inline int32_t requantize_reduced(int32_t x, int32_t multiplier, int32_t shift)
{
    const uint32_t low = ((uint32_t)x & 0xffff) * (uint32_t)multiplier;
    const int32_t upper = (x >> 16) * multiplier + (int32_t)(low >> 16);
    return (upper + (1 << (shift - 1))) >> shift;
}

/* Four sums in the output's scale, with the bits of requantize_reduced: stage[0] to [3] are the
 * multipliers times 2^16, [4] to [7] the shifts, negative. The upper half of a product by 2^16
 * times the multiplier is the product by the multiplier, shifted right by 16. */
#if defined(BONSAI_MVE)
static inline lanes4 rescale_lanes_reduced(lanes4 x, const int32_t *stage)
{
    return vrshlq_s32(vmulhq_s32(x, vldrwq_s32(stage)), vldrwq_s32(stage + 4));
}
#else
static inline lanes4 rescale_lanes_reduced(lanes4 x, const int32_t *stage)
{
    for (int32_t i = 0; i < 4; i++)
        x.lane[i] = requantize_reduced(x.lane[i], stage[i] / 65536, -stage[4 + i]);
    return x;
}
#endif

/* Stores the first `count` of four int16, or all if `count` is larger. */
#if defined(BONSAI_MVE)
static inline void store_lanes_int16(int16_t *y, lanes4 x, int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpst\n\t"
                     "vstrht.32 %q[x], [%[y]]"
                     :
                     : [y] "l"(y), [x] "w"(x), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes_int16(int16_t *y, lanes4 x, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++)
        y[i] = (int16_t)x.lane[i];
}
#endif

/* int16 inputs by int8 weights, four channels of a pixel at a time. Zero points are 0, so taps
 * outside the image add nothing. No sum leaves 32 bits, which the weights prove. */
static void depthwise_conv2d_16x8_s16_mve(const int16_t *in, int16_t *out)
{
    const struct output output = { -32768, 32767, 0, 4 };
    const int32_t in_h = 6, in_w = 5, channels = 6;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t dilation_h = 1, dilation_w = 1;

    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t y0 = oy - 1;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < 5; ox++, out += channels) {
                const int32_t x0 = ox - 1;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t first = ((y0 + top * dilation_h) * in_w + x0 + left * dilation_w) *
                    channels;
                const int8_t *weights = model_depthwise_conv2d_0_weights;
                const int32_t *stage = model_depthwise_conv2d_0_stage;
                for (int32_t c = 0; c < channels; c += 4, stage += 12) {
                    lanes4 sums = load_lanes(stage);
                    const int16_t *x = in + first + c;
                    const int8_t *w = weights + 4 * (top * kernel_w + left);
                    for (int32_t ky = top; ky < bottom && left < right; ky++) {
                        sums = add_channel_taps(sums, x, dilation_w * channels * 2, w, right - left,
                                                channels - c);
                        x += dilation_h * in_w * channels;
                        w += 4 * kernel_w;
                    }
                    sums = clamp_lanes(rescale_lanes_reduced(sums, stage + 4), &output);
                    store_lanes_int16(out + c, sums, channels - c);
                    weights += 4 * kernel_h * kernel_w;
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s16 [1,6,5,6] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * mve/depthwise_conv2d_16x8, 1620 MAC: test */
    case 0:
        depthwise_conv2d_16x8_s16_mve((int16_t *)(void *)(arena + 0x0000),
                                      (int16_t *)(void *)(arena + 0x0168));
        break;
    default:
        break;
    }
}
