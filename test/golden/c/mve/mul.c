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

/* The constants of a product. The shift is negative: to the right. */
struct factors {
    int32_t a_zero_point, b_zero_point, out_zero_point, multiplier, shift, low, high;
};

/* Assembly for Helium, for GCC only: clang names its registers differently, and unoptimized code
 * leaves too few other registers. */
#if defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__) && !defined(__clang__)
#include <arm_mve.h>
#define BONSAI_MVE
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

/* n > 0 products, as portable/mul computes them, four at a time; the tail is predicated. One
 * element of b for all. */
#if defined(BONSAI_MVE)
static inline void multiply_run_b(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                                  const struct factors *product)
{
    const int32_t base = product->out_zero_point;
    const int32x4_t least = vdupq_n_s32(product->low - base), most =
        vdupq_n_s32(product->high - base);
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.s32 q0, [%[a]], #4\n\t"
                     "vsub.i32 q0, q0, %[a_zero]\n\t"
                     "vmul.i32 q0, q0, %[same]\n\t"
                     "vqrdmulh.s32 q0, q0, %[multiplier]\n\t"
                     "vshr.s32 q1, q0, #31\n\t"
                     "vadd.i32 q0, q0, q1\n\t"
                     "vrshl.s32 q0, %[shift]\n\t"
                     "vmax.s32 q0, q0, %q[least]\n\t"
                     "vmin.s32 q0, q0, %q[most]\n\t"
                     "vadd.i32 q0, q0, %[base]\n\t"
                     "vstrb.32 q0, [%[to]], #4\n\t"
                     "letp lr, 1b"
                     : [to] "+&l"(to), [a] "+&l"(a), [b] "+&l"(b)
                     : [n] "r"(n), [multiplier] "r"(product->multiplier),
                       [shift] "r"(product->shift),
                       [base] "r"(base),
                       [a_zero] "r"(product->a_zero_point),
                       [same] "r"(*b - product->b_zero_point),
                       [least] "w"(least), [most] "w"(most)
                     : "q0", "q1", "lr", "memory");
}
#else
static inline void multiply_run_b(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                                  const struct factors *product)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t x = a[i] - product->a_zero_point;
        const int32_t y = b[0] - product->b_zero_point;
        const int32_t z = requantize(x * y, product->multiplier, product->shift) +
            product->out_zero_point;
        to[i] = (int8_t)(z < product->low ? product->low : z > product->high ? product->high : z);
    }
}
#endif

struct mul_s8_mve_args {
    int8_t low;
};

/* out = a * b, as portable/mul, four elements at a time. */
static void mul_s8_mve(const int8_t *a, const int8_t *b, int8_t *out,
                       const struct mul_s8_mve_args *restrict args)
{
    const struct factors product = {
        3, -7, 3, 1073741824, -1, args->low, 127,
    };
    const int32_t run_length = 3;
    const int32_t a_turn = 0, b_turn = 1;
    for (int32_t run = 0; run < 16; run++, out += run_length) {
        multiply_run_b(out, a, b, run_length, &product);
        a += run_length;
        a += a_turn;
        b += b_turn;
    }
}

static const struct mul_s8_mve_args model_mul_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct mul_s8_mve_args model_mul_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mul_0: "mul_0"  s8 [1,4,4,3], [1,4,4,1] -> [1,4,4,3]
     * mve/mul: test */
    case 0:
        mul_s8_mve(arena + 0x0000, arena + 0x0030, arena + 0x0040, &model_mul_0_args);
        break;
    /* mul_1: "mul_1"  s8 [1,4,4,3], [1,4,4,1] -> [1,4,4,3]  relu
     * mve/mul: test */
    case 1:
        mul_s8_mve(arena + 0x0040, arena + 0x0030, arena + 0x0070, &model_mul_1_args);
        break;
    default:
        break;
    }
}
