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

/* 1 / (2 * half) in Q0.31, half from 1/2 to 1 in Q0.31, by three steps of Newton and Raphson: q ->
 * 1 / half in Q2.29. Every product has a nonnegative factor. */
static inline int32_t reciprocal(int32_t half)
{
    int32_t q = 1515870810 + multiply_high(-1010580540, half, 1u << 14);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - multiply_high(half, q, 1u << 14);
        q += 4 * multiply_high(error, q, 1u << 14);
    }
    return q < 1 << 30 ? 2 * q : INT32_MAX;
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

/* exp(x - max) / sum along each row in fixed point, as TensorFlow Lite Micro computes it. A table
 * holds the exponentials (Q0.31) of the 256 possible differences; their sum is Q12.19, and three
 * Newton-Raphson steps give its reciprocal. */
static void softmax_s8(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t *exponentials = model_softmax_0_exponentials;
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        uint32_t sum = 0;
        for (int32_t c = 0; c < depth; c++)
            sum += ((uint32_t)exponentials[largest - in[c]] + 2048u) >> 12;
        /* sum = s * 2^(bits + 19) with 1 <= s < 2; its top bit moves to bit 31. */
        int32_t bits = 12;
        while (sum < 0x80000000u) {
            sum <<= 1;
            bits--;
        }
        int32_t share = reciprocal((int32_t)(sum >> 1));
        if (bits > 8) {
            /* Every probability is below 1/512 and rounds to 0 (TensorFlow Lite Micro aborts). */
            bits = 8;
            share = 0;
        }
        for (int32_t c = 0; c < depth; c++) {
            const int32_t e = exponentials[largest - in[c]];
            const int32_t y = requantize(e, share, -23 - bits) - 128;
            out[c] = (int8_t)(y > 127 ? 127 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  s8 [1,10] -> [1,10]  beta 1 algorithm fixed
     * portable/softmax: test */
    case 0:
        softmax_s8(arena + 0x0000, arena + 0x000c);
        break;
    default:
        break;
    }
}
