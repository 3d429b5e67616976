#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The constants of a product. The shift is negative: to the right. */
struct factors {
    int32_t a_zero_point, b_zero_point, out_zero_point, multiplier, shift, low, high;
};

#include "BONSAI_MVE"
#include "multiply_high"
#include "requantize"

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
