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

/* Adds n > 0 pixels, `step` bytes apart, to the sums of the first `left` of four channels, or of
 * all if `left` is larger. */
#if defined(BONSAI_MVE)
static inline lanes4 add_pixels(lanes4 sums, const int8_t *x, int32_t step, int32_t n, int32_t left)
{
    __asm__ volatile("vctp.32 %[left]\n\t"
                     "dls lr, %[n]\n"
                     "1:\n\t"
                     "vpst\n\t"
                     "vldrbt.s32 q0, [%[x]]\n\t"
                     "add %[x], %[step]\n\t"
                     "vadd.i32 %q[sums], %q[sums], q0\n\t"
                     "le lr, 1b"
                     : [sums] "+&w"(sums), [x] "+&l"(x)
                     : [step] "r"(step), [n] "r"(n), [left] "r"(left)
                     : "q0", "lr", "cc", "p0", "memory");
    return sums;
}
#else
static inline lanes4 add_pixels(lanes4 sums, const int8_t *x, int32_t step, int32_t n, int32_t left)
{
    for (; n > 0; n--, x += step) {
        for (int32_t i = 0; i < left && i < 4; i++)
            sums.lane[i] += x[i];
    }
    return sums;
}
#endif

/* floor((x * m + nudge * 2^16) / 2^31) for any int32 x, 0 <= m < 2^31, nudge <= 2^14, without a
 * 64-bit product. With x = xh * 2^16 + xl and m = mh * 2^16 + ml (xl, ml, mh >= 0), x * m / 2^16
 * is
 *     xh * mh * 2^16 + xh * ml + xl * mh + xl * ml / 2^16
 * The part that the last floor drops cannot carry, since the nudge is a multiple of 2^16. xh * ml
 * fits an int32, but its sum with xl * mh may not, so its upper part is taken first; the rest
 * stays below 65535 * 32767 + 65534 + 32767 + 2^14 < 2^32. (>> of a negative int32 is arithmetic.)
 */
static inline int32_t multiply_high(int32_t x, int32_t m, uint32_t nudge)
{
    const int32_t xh = x >> 16, xl = x & 0xffff;
    const int32_t mh = m >> 16, ml = m & 0xffff;
    const int32_t cross = xh * ml;
    const uint32_t low = (uint32_t)xl * (uint32_t)ml >> 16;
    const uint32_t middle = (uint32_t)(xl * mh) + low + ((uint32_t)cross & 0x7fffu) + nudge;
    return 2 * (xh * mh) + (cross >> 15) + (int32_t)(middle >> 15);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift, halves away from zero. A left shift wraps. */
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0)
        x = (int32_t)((uint32_t)x << shift);
    const int32_t y = multiply_high(x, multiplier, 1u << 14);
    /* y + half - (y < 0), with the halving last, so it cannot overflow; ~shift is the shift minus
     * one. */
    return shift < 0 ? (((y + (y >> 31)) >> ~shift) + 1) >> 1 : y;
}

/* Four sums in the output's scale, rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift by at least 1, halves away from zero (less 1
 * where it is negative, halves up). stage[0] to [3] are the multipliers, [4] to [7] the shifts. */
#if defined(BONSAI_MVE)
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    x = vqrdmulhq_s32(x, vldrwq_s32(stage));
    x = vaddq_s32(x, vshrq_n_s32(x, 31));
    return vrshlq_s32(x, vldrwq_s32(stage + 4));
}
#else
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    for (int32_t i = 0; i < 4; i++)
        x.lane[i] = requantize(x.lane[i], stage[i], stage[4 + i]);
    return x;
}
#endif

/* Stores the first `count` of four bytes, or all if `count` is larger. */
#if defined(BONSAI_MVE)
static inline void store_lanes(int8_t *y, lanes4 x, int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpst\n\t"
                     "vstrbt.32 %q[x], [%[y]]"
                     :
                     : [y] "l"(y), [x] "w"(x), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes(int8_t *y, lanes4 x, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++)
        y[i] = (int8_t)x.lane[i];
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

struct mean_s8_mve_args {
    const int32_t *stage;
    uint8_t kept_1;
    uint8_t kept_stride_1;
    uint8_t mean_2;
};

/* Mean over any dimensions but the last, which is kept: four of its elements at a time. The
 * multiplier includes 1 / (number of elements), so there is no division. */
static void mean_s8_mve(const int8_t *in, int8_t *out, const struct mean_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t *const stage = args->stage;
    const int32_t channels = 11;
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < args->kept_1; k1++, out += channels) {
            const int8_t *const first = in + k1 * args->kept_stride_1;
            for (int32_t c = 0; c < channels; c += 4) {
                lanes4 sums = load_lanes(stage);
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++)
                        sums = add_pixels(sums, first + c, 11, args->mean_2, channels - c);
                }
                sums = rescale_lanes(sums, stage + 4);
                store_lanes(out + c, clamp_lanes(sums, &output), channels - c);
            }
        }
    }
}

static const struct mean_s8_mve_args model_mean_0_args BONSAI_FLASH = {
    .stage = model_mean_0_stage, .kept_1 = 8, .kept_stride_1 = 55, .mean_2 = 5,
};

static const struct mean_s8_mve_args model_mean_1_args BONSAI_FLASH = {
    .stage = model_mean_1_stage, .kept_1 = 2, .kept_stride_1 = 44, .mean_2 = 4,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mean_0: "mean_0"  s8 [2,4,5,11] -> [2,4,11]  axes [2] algorithm general
     * mve/mean: test */
    case 0:
        mean_s8_mve(arena + 0x0000, arena + 0x01b8, &model_mean_0_args);
        break;
    /* mean_1: "mean_1"  s8 [2,4,11] -> [2,11]  axes [1] algorithm general
     * mve/mean: test */
    case 1:
        mean_s8_mve(arena + 0x01b8, arena + 0x0210, &model_mean_1_args);
        break;
    default:
        break;
    }
}
