#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_MVE"
#include "residual"
#include "add_residual"

/* n > 0 sums, as in add_residual, four at a time; the tail is predicated. */
#if defined(BONSAI_MVE)
static inline void add_bytes(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                             const struct residual *sum)
{
    const int32x4_t min = vdupq_n_s32(sum->min), max = vdupq_n_s32(sum->max);
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.s32 q0, [%[a]], #4\n\t"
                     "vldrb.s32 q1, [%[b]], #4\n\t"
                     "vadd.i32 q0, q0, %[middle]\n\t"
                     "vadd.i32 q1, q1, %[middle]\n\t"
                     "vldrw.u32 q2, [%[of_a], q0, uxtw #2]\n\t"
                     "vldrw.u32 q3, [%[of_b], q1, uxtw #2]\n\t"
                     "vadd.i32 q2, q2, q3\n\t"
                     "vshl.s32 q2, %[shift]\n\t"
                     "vmax.s32 q2, q2, %q[min]\n\t"
                     "vmin.s32 q2, q2, %q[max]\n\t"
                     "vstrb.32 q2, [%[to]], #4\n\t"
                     "letp lr, 1b"
                     : [to] "+&l"(to), [a] "+&l"(a), [b] "+&l"(b)
                     : [n] "r"(n), [middle] "r"(128), [of_a] "r"(sum->tables),
                       [of_b] "r"(sum->tables + 256), [shift] "r"(-sum->shift), [min] "w"(min),
                       [max] "w"(max)
                     : "q0", "q1", "q2", "q3", "lr", "memory");
}
#else
static inline void add_bytes(int8_t *to, const int8_t *a, const int8_t *b, int32_t n,
                             const struct residual *sum)
{
    for (int32_t i = 0; i < n; i++)
        to[i] = add_residual(a[i], b[i], sum);
}
#endif

struct add_table_s8_mve_args {
    const int32_t *tables;
    int8_t min;
};

/* out = a + b, four elements at a time. A table brings each operand to the output's scale. */
static void add_table_s8_mve(const int8_t *a, const int8_t *b, int8_t *out,
                             const struct add_table_s8_mve_args *restrict args)
{
    const struct residual sum = { args->tables, 23, args->min, 127 };
    add_bytes(out, a, b, 48, &sum);
}

static const struct add_table_s8_mve_args model_add_0_args BONSAI_FLASH = {
    .tables = model_add_0_tables, .min = -128,
};

static const struct add_table_s8_mve_args model_add_1_args BONSAI_FLASH = {
    .tables = model_add_1_tables, .min = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_0: "add_0"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]
     * mve/add_table: test */
    case 0:
        add_table_s8_mve(arena + 0x0000, arena + 0x0030, arena + 0x0060, &model_add_0_args);
        break;
    /* add_1: "add_1"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]  relu
     * mve/add_table: test */
    case 1:
        add_table_s8_mve(arena + 0x0060, arena + 0x0030, arena + 0x0090, &model_add_1_args);
        break;
    default:
        break;
    }
}
