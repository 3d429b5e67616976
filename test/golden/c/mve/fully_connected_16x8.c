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

/* Four filters by one row: lane i is bias i plus the sum of x[k] * weight k of filter i, k < n.
 * The filters are interleaved in groups of 8 values, the last one padded. x is not read past its
 * end, since the loop's tail is predicated. Advances *weights and *stage. */
#if defined(BONSAI_MVE)
static inline lanes4 dot_lanes_int16(const int16_t *x, const int8_t **weights,
                                     const int32_t **stage, int32_t n)
{
    lanes4 sums;
    const int8_t *w = *weights;
    const int32_t *biases = *stage;
    __asm__("ldm %[biases]!, {r0, r2, r4, r6}\n\t"
            "dlstp.16 lr, %[n]\n"
            "1:\n\t"
            "vldrh.16 q0, [%[x]], #16\n\t"
            "vldrb.s16 q1, [%[w]], #8\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r0, q0, q1\n\t"
            "vldrb.s16 q1, [%[w]], #8\n\t"
            "vmladava.s16 r2, q0, q2\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r4, q0, q1\n\t"
            "vmladava.s16 r6, q0, q2\n\t"
            "letp lr, 1b\n\t"
            "vmov %q[sums][2], %q[sums][0], r0, r4\n\t"
            "vmov %q[sums][3], %q[sums][1], r2, r6"
            : [sums] "=&w"(sums), [x] "+&r"(x), [w] "+&l"(w), [biases] "+&r"(biases)
            : [n] "r"(n)
            : "q0", "q1", "q2", "r0", "r2", "r4", "r6", "lr", "memory");
    *weights = w;
    *stage = biases;
    return sums;
}
#else
static inline lanes4 dot_lanes_int16(const int16_t *x, const int8_t **weights,
                                     const int32_t **stage, int32_t n)
{
    lanes4 sums = load_lanes(*stage);
    *stage += 4;
    for (; n > 0; n -= 8, x += 8) {
        for (int32_t i = 0; i < 4; i++, *weights += 8) {
            for (int32_t k = 0; k < 8 && k < n; k++)
                sums.lane[i] += x[k] * (*weights)[k];
        }
    }
    return sums;
}
#endif

/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

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

struct fully_connected_s16_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t vectors;
    uint8_t depth;
    uint8_t out_c;
};

/* Multiplies rows of the input by all filters, four at a time. The input's zero point is folded
 * into the biases. */
static void fully_connected_s16_mve(const int16_t *in, int16_t *out,
                                    const struct fully_connected_s16_mve_args *restrict args)
{
    const struct output output = { -32768, 32767, 0, 4 };
    const int32_t depth = args->depth, out_c = args->out_c;

    for (int32_t row = 1; row > 0; row--, in += depth) {
        const int8_t *weights = args->weights;
        const int32_t *stage = args->stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            lanes4 sums = dot_lanes_int16(in, &weights, &stage, depth);
            sums = clamp_lanes(rescale_lanes_reduced(sums, stage), &output);
            stage += 8;
            store_lanes_int16(out + c, sums, out_c - c);
        }
        out += out_c;
    }
}

static const struct fully_connected_s16_mve_args model_fully_connected_0_args BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .stage = model_fully_connected_0_stage,
    .vectors = 3, .depth = 19, .out_c = 6,
};

static const struct fully_connected_s16_mve_args model_fully_connected_1_args BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .stage = model_fully_connected_1_stage,
    .vectors = 1, .depth = 6, .out_c = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s16 [1,19] -> [1,6]  19xundefined
     * mve/fully_connected_16x8, 114 MAC: test */
    case 0:
        fully_connected_s16_mve((int16_t *)(void *)(arena + 0x0000),
                                (int16_t *)(void *)(arena + 0x0028), &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s16 [1,6] -> [1,3]  6xundefined
     * mve/fully_connected_16x8, 18 MAC: test */
    case 1:
        fully_connected_s16_mve((int16_t *)(void *)(arena + 0x0028),
                                (int16_t *)(void *)(arena + 0x0034), &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
