#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The constants of a sum. Shifts are negative: to the right. */
struct addends {
    int32_t a_zero_point, a_multiplier, a_shift;
    int32_t b_zero_point, b_multiplier, b_shift;
    int32_t out_zero_point, out_multiplier, out_shift, low, high;
};

#include "BONSAI_MVE"
#include "scale_operand"
#include "multiply_high"
#include "requantize"

/* n > 0 sums, as portable/add computes them, four at a time; the tail is predicated. */
#if defined(BONSAI_MVE)
static inline void add_run_none(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                                const struct addends *sum)
{
    const int32_t base = sum->out_zero_point;
    const int32x4_t least = vdupq_n_s32(sum->low - base), most = vdupq_n_s32(sum->high - base);
    const int32x4_t of_out = vdupq_n_s32(sum->out_multiplier);
    const int32x4_t of_a = vdupq_n_s32(sum->a_multiplier);
    const int32x4_t of_b = vdupq_n_s32(sum->b_multiplier);
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.s32 q0, [%[a]], #4\n\t"
                     "vsub.i32 q0, q0, %[a_zero]\n\t"
                     "vshl.i32 q0, q0, #20\n\t"
                     "vqrdmulh.s32 q0, q0, %q[of_a]\n\t"
                     "vshr.s32 q1, q0, #31\n\t"
                     "vadd.i32 q0, q0, q1\n\t"
                     "vrshl.s32 q0, %[a_shift]\n\t"
                     "vldrb.s32 q1, [%[b]], #4\n\t"
                     "vsub.i32 q1, q1, %[b_zero]\n\t"
                     "vshl.i32 q1, q1, #20\n\t"
                     "vqrdmulh.s32 q1, q1, %q[of_b]\n\t"
                     "vshr.s32 q2, q1, #31\n\t"
                     "vadd.i32 q1, q1, q2\n\t"
                     "vrshl.s32 q1, %[b_shift]\n\t"
                     "vadd.i32 q0, q0, q1\n\t"
                     "vqrdmulh.s32 q0, q0, %q[of_out]\n\t"
                     "vshr.s32 q1, q0, #31\n\t"
                     "vadd.i32 q0, q0, q1\n\t"
                     "vrshl.s32 q0, %[out_shift]\n\t"
                     "vmax.s32 q0, q0, %q[least]\n\t"
                     "vmin.s32 q0, q0, %q[most]\n\t"
                     "vadd.i32 q0, q0, %[base]\n\t"
                     "vstrb.32 q0, [%[to]], #4\n\t"
                     "letp lr, 1b"
                     : [to] "+&l"(to), [a] "+&l"(a), [b] "+&l"(b)
                     : [n] "r"(n), [out_shift] "r"(sum->out_shift), [base] "r"(base),
                       [a_zero] "r"(sum->a_zero_point), [a_shift] "r"(sum->a_shift),
                       [of_a] "w"(of_a),
                       [b_zero] "r"(sum->b_zero_point), [b_shift] "r"(sum->b_shift),
                       [of_b] "w"(of_b),
                       [of_out] "w"(of_out), [least] "w"(least), [most] "w"(most)
                     : "q0", "q1", "q2", "lr", "memory");
}
#else
static inline void add_run_none(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                                const struct addends *sum)
{
    for (int32_t i = 0; i < n; i++) {
        const int32_t x = scale_operand(a[i] - sum->a_zero_point, sum->a_multiplier, -sum->a_shift);
        const int32_t y = scale_operand(b[i] - sum->b_zero_point, sum->b_multiplier, -sum->b_shift);
        const int32_t z = requantize(x + y, sum->out_multiplier, sum->out_shift) +
            sum->out_zero_point;
        to[i] = (int8_t)(z < sum->low ? sum->low : z > sum->high ? sum->high : z);
    }
}
#endif

struct add_s8_mve_args {
    int8_t low;
};

/* out = a + b, as portable/add, four elements at a time. */
static void add_s8_mve(const int8_t *a, const int8_t *b, int8_t *out,
                       const struct add_s8_mve_args *restrict args)
{
    const struct addends sum = {
        3, 2147483647, -1, -7, 1073741824, -1,
        3, 1073741824, -18, args->low, 127,
    };
    const int32_t run_length = 3;
    const int32_t a_turn = 0, b_turn = -3;
    for (int32_t run = 0; run < 16; run++, out += run_length) {
        add_run_none(out, a, b, run_length, &sum);
        a += run_length;
        b += run_length;
        a += a_turn;
        b += b_turn;
    }
}

static const struct add_s8_mve_args model_add_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct add_s8_mve_args model_add_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_0: "add_0"  s8 [1,4,4,3], [3] -> [1,4,4,3]
     * mve/add: test */
    case 0:
        add_s8_mve(arena + 0x0000, arena + 0x0030, arena + 0x0034, &model_add_0_args);
        break;
    /* add_1: "add_1"  s8 [1,4,4,3], [3] -> [1,4,4,3]  relu
     * mve/add: test */
    case 1:
        add_s8_mve(arena + 0x0034, arena + 0x0030, arena + 0x0064, &model_add_1_args);
        break;
    default:
        break;
    }
}
