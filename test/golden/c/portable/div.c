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

/* out = a / b: a, shifted left until its sign has one bit, times the reciprocal of |b| with 31
 * bits, then in out's scale, clamped. */
static void pairs_s8_nested(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t *reciprocals = model_div_0_reciprocals;
    const int32_t multiplier = 1073741824, shift = 2;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    int32_t index[5] = {0};
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            int32_t x = *a - a_zero_point, y = *b - b_zero_point, right = -shift;
            if (y < 0) {
                x = -x;
                y = -y;
            }
            const int32_t reciprocal = reciprocals[y];
            for (; y > 1; y >>= 1)
                right++;
            for (x *= 1 << 22, right += 22; x != 0 && x < 1 << 30 && x >= -(1 << 30); x *= 2)
                right++;
            const int32_t quotient = requantize(x, reciprocal, 0);
            const int32_t z = (right > 31 ? 0 : requantize(quotient, multiplier, -right)) + 3;
            *out++ = (int8_t)(z < low ? low : z > high ? high : z);
            a += a_step;
            b += b_step;
        }
        for (int32_t d = 0; d < 2; d++) {
            a += model_div_0_a_turns[d];
            b += model_div_0_b_turns[d];
            if (++index[d] < model_div_0_extents[d])
                break;
            index[d] = 0;
        }
    }
}

/* out = a / b: a, shifted left until its sign has one bit, times the reciprocal of |b| with 31
 * bits, then in out's scale, clamped. */
static void pairs_s8_b_constant(const int8_t *a, int8_t *out)
{
    const int8_t *b = model_div_1_b_data;
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t *reciprocals = model_div_0_reciprocals;
    const int32_t multiplier = 1073741824, shift = 2;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 48, a_step = 1, b_step = 0;
    const int32_t a_turn = 0, b_turn = 0;
    for (int32_t run = 0; run < 1; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            int32_t x = *a - a_zero_point, y = *b - b_zero_point, right = -shift;
            if (y < 0) {
                x = -x;
                y = -y;
            }
            const int32_t reciprocal = reciprocals[y];
            for (; y > 1; y >>= 1)
                right++;
            for (x *= 1 << 22, right += 22; x != 0 && x < 1 << 30 && x >= -(1 << 30); x *= 2)
                right++;
            const int32_t quotient = requantize(x, reciprocal, 0);
            const int32_t z = (right > 31 ? 0 : requantize(quotient, multiplier, -right)) + 3;
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
    /* div_0: "div_0"  s8 [1,4,4,3], [4,1,3] -> [1,4,4,3]
     * portable/div: test */
    case 0:
        pairs_s8_nested(arena + 0x0000, arena + 0x0030, arena + 0x003c);
        break;
    /* div_1: "div_1"  s8 [1,4,4,3] -> [1,4,4,3]
     * portable/div: test */
    case 1:
        pairs_s8_b_constant(arena + 0x003c, arena + 0x006c);
        break;
    default:
        break;
    }
}
