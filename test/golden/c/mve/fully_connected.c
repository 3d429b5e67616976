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
 * The filters are interleaved in groups of 16 values, the last one padded. x is not read past its
 * end, since the loop's tail is predicated. Advances *weights and *stage. */
#if defined(BONSAI_MVE)
static inline lanes4 dot_lanes(const int8_t *x, const int8_t **weights, const int32_t **stage,
                               int32_t n)
{
    lanes4 sums;
    const int8_t *w = *weights;
    const int32_t *biases = *stage;
    __asm__("ldm %[biases]!, {r0, r2, r4, r6}\n\t"
            "dlstp.8 lr, %[n]\n"
            "1:\n\t"
            "vldrb.8 q0, [%[x]], #16\n\t"
            "vldrb.8 q1, [%[w]], #16\n\t"
            "vldrb.8 q2, [%[w]], #16\n\t"
            "vmladava.s8 r0, q0, q1\n\t"
            "vldrb.8 q1, [%[w]], #16\n\t"
            "vmladava.s8 r2, q0, q2\n\t"
            "vldrb.8 q2, [%[w]], #16\n\t"
            "vmladava.s8 r4, q0, q1\n\t"
            "vmladava.s8 r6, q0, q2\n\t"
            "letp lr, 1b\n\t"
            "vmov %q[sums][2], %q[sums][0], r0, r4\n\t"
            "vmov %q[sums][3], %q[sums][1], r2, r6"
            : [sums] "=&w"(sums), [x] "+&r"(x), [w] "+&r"(w), [biases] "+&r"(biases)
            : [n] "r"(n)
            : "q0", "q1", "q2", "r0", "r2", "r4", "r6", "lr", "memory");
    *weights = w;
    *stage = biases;
    return sums;
}
#else
static inline lanes4 dot_lanes(const int8_t *x, const int8_t **weights, const int32_t **stage,
                               int32_t n)
{
    lanes4 sums = load_lanes(*stage);
    *stage += 4;
    for (; n > 0; n -= 16, x += 16) {
        for (int32_t i = 0; i < 4; i++, *weights += 16) {
            for (int32_t k = 0; k < 16 && k < n; k++)
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

struct fully_connected_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t vectors;
    uint8_t depth;
    uint8_t out_c;
};

/* Multiplies rows of the input by all filters, four at a time. The input's zero point is folded
 * into the biases. */
static void fully_connected_s8_mve(const int8_t *in, int8_t *out,
                                   const struct fully_connected_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t depth = args->depth, out_c = args->out_c;

    for (int32_t row = 1; row > 0; row--, in += depth) {
        const int8_t *weights = args->weights;
        const int32_t *stage = args->stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            lanes4 sums = dot_lanes(in, &weights, &stage, depth);
            sums = clamp_lanes(rescale_lanes(sums, stage), &output);
            stage += 8;
            store_lanes(out + c, sums, out_c - c);
        }
        out += out_c;
    }
}

static const struct fully_connected_s8_mve_args model_fully_connected_0_args BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .stage = model_fully_connected_0_stage,
    .vectors = 4, .depth = 64, .out_c = 10,
};

static const struct fully_connected_s8_mve_args model_fully_connected_1_args BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .stage = model_fully_connected_1_stage,
    .vectors = 1, .depth = 10, .out_c = 5,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * mve/fully_connected, 640 MAC: test */
    case 0:
        fully_connected_s8_mve(arena + 0x0000, arena + 0x0040, &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * mve/fully_connected, 50 MAC: test */
    case 1:
        fully_connected_s8_mve(arena + 0x0040, arena + 0x004c, &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
