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

/* x * 2^20 * multiplier * 2^(-shift - 31), rounded twice as TensorFlow Lite does, for |x| <= 255
 * and 0 <= shift < 32. The first rounding is floor((x * multiplier + 2^10) / 2^11), computed here
 * with the two halves of the multiplier: |x| * 2^15 * 2^5 < 2^28, so no 64-bit product is needed.
 * The second rounding rounds halves away from zero. (>> of a negative int32 is arithmetic.) */
static inline int32_t scale_operand(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t high = x * (multiplier >> 16) * 32;
    const int32_t y = high + ((x * (multiplier & 0xffff) + 1024) >> 11);
    return shift == 0 ? y : (((y + (y >> 31)) >> (shift - 1)) + 1) >> 1;
}

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

struct add_s8_args {
    int8_t low;
};

/* out = a + b, both in a common scale (twice the larger one, with
 * 20 more bits), then in out's scale, clamped. Every product is exact and rounded where TensorFlow
 * Lite rounds. */
static void add_s8(const int8_t *a, const int8_t *b, int8_t *out,
                   const struct add_s8_args *restrict args)
{
    const int32_t a_zero_point = 3, a_multiplier = 1073741824, a_shift = 0;
    const int32_t b_zero_point = -7, b_multiplier = 1073741824, b_shift = 1;
    const int32_t out_multiplier = 1073741824, out_shift = -18;
    const int32_t low = args->low, high = 127;
    for (int32_t i = 0; i < 48; i++) {
        const int32_t x = scale_operand(a[i] - a_zero_point, a_multiplier, a_shift);
        const int32_t y = scale_operand(b[i] - b_zero_point, b_multiplier, b_shift);
        const int32_t sum = requantize(x + y, out_multiplier, out_shift) + 3;
        out[i] = (int8_t)(sum < low ? low : sum > high ? high : sum);
    }
}

static const struct add_s8_args model_add_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct add_s8_args model_add_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_0: "add_0"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]
     * portable/add: test */
    case 0:
        add_s8(arena + 0x0000, arena + 0x0030, arena + 0x0060, &model_add_0_args);
        break;
    /* add_1: "add_1"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]  relu
     * portable/add: test */
    case 1:
        add_s8(arena + 0x0060, arena + 0x0030, arena + 0x0090, &model_add_1_args);
        break;
    default:
        break;
    }
}
