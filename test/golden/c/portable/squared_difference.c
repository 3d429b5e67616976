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

/* out = (a - b)^2: both in a common scale (twice the larger one, with 7 more bits), then their
 * squared difference in out's scale, clamped. |a - b| <= 255 * 2^7, so the square is an int32. */
static void pairs_s8(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t a_multiplier = 1073741824, a_shift = 0;
    const int32_t b_multiplier = 1073741824, b_shift = 0;
    const int32_t out_multiplier = 1145324612, out_shift = -19;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 8, a_step = 1, b_step = 0;
    const int32_t a_turn = 0, b_turn = 1;
    for (int32_t run = 0; run < 4; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t x = requantize((*a - a_zero_point) * 128, a_multiplier, a_shift);
            const int32_t y = requantize((*b - b_zero_point) * 128, b_multiplier, b_shift);
            const int32_t z = requantize((x - y) * (x - y), out_multiplier, out_shift) + -128;
            *out++ = (int8_t)(z < low ? low : z > high ? high : z);
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* squared_difference_0: "squared_difference_0"  s8 [1,4,8], [1,4,1] -> [1,4,8]
     * portable/squared_difference: test */
    case 0:
        pairs_s8(arena + 0x0000, arena + 0x0020, arena + 0x0024);
        break;
    default:
        break;
    }
}
