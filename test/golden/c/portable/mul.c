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

struct mul_s8_args {
    int8_t low;
};

/* out = a * b. The product of two 9-bit differences is exact in 18 bits; it is then rescaled to
 * out's scale and clamped. */
static void mul_s8(const int8_t *a, const int8_t *b, int8_t *out,
                   const struct mul_s8_args *restrict args)
{
    const int32_t a_zero_point = 3, b_zero_point = -7;
    const int32_t multiplier = 1073741824, shift = -1;
    const int32_t low = args->low, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = -3;
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t product = (*a - a_zero_point) * (*b - b_zero_point);
            const int32_t y = requantize(product, multiplier, shift) + 3;
            *out++ = (int8_t)(y < low ? low : y > high ? high : y);
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

static const struct mul_s8_args model_mul_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct mul_s8_args model_mul_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mul_0: "mul_0"  s8 [1,4,4,3], [1,1,1,3] -> [1,4,4,3]
     * portable/mul: test */
    case 0:
        mul_s8(arena + 0x0000, arena + 0x0030, arena + 0x0034, &model_mul_0_args);
        break;
    /* mul_1: "mul_1"  s8 [1,4,4,3], [1,1,1,3] -> [1,4,4,3]  relu
     * portable/mul: test */
    case 1:
        mul_s8(arena + 0x0034, arena + 0x0030, arena + 0x0064, &model_mul_1_args);
        break;
    default:
        break;
    }
}
