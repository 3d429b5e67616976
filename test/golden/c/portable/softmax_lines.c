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

/* The value at x of the lines between 513 entries. */
static inline int32_t line_at(int32_t x, const int16_t *table)
{
    const int32_t base = table[256 + (x >> 7)];
    const int32_t slope = (int16_t)(table[257 + (x >> 7)] - base);
    return (int16_t)(base + ((slope * (x & 127) + 64) >> 7));
}

/* Probabilities of each row, by lines between the entries of two tables: exp(x) and 1 / (1 + x).
 * The output holds the exponentials until their sum is known; it may be the input. */
static void softmax_lines_s16(const int16_t *in, int16_t *out)
{
    const int16_t *const exponentials = model_softmax_0_exponentials;
    const int32_t multiplier = 1717960704, shift = 1, depth = 10;
    for (int32_t row = 2; row > 0; row--, in += depth, out += depth) {
        int32_t largest = -32768;
        for (int32_t i = 0; i < depth; i++)
            largest = in[i] > largest ? in[i] : largest;
        int32_t total = 0;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t x = requantize(in[i] - largest, multiplier, shift) + 32767;
            out[i] = (int16_t)line_at(x < -32768 ? -32768 : x > 32767 ? 32767 : x, exponentials);
            total += out[i];
        }
        const uint32_t sum = (uint32_t)total;
        /* The sum from 1 to 2 as 16 fractional bits, less their middle. */
        int32_t zeros = 1;
        while (sum << zeros < 0x80000000u)
            zeros++;
        int32_t x = (int32_t)(((sum << (zeros - 1)) + (1u << 13)) >> 14) - (1 << 15) - (1 << 16);
        x = x < -32768 ? -32768 : x > 32767 ? 32767 : x;
        const int32_t reciprocal = line_at(x, model_softmax_0_reciprocals), right = 31 - zeros;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t y = (out[i] * reciprocal + (1 << (right - 1))) >> right;
            out[i] = (int16_t)(y < 0 ? 0 : y > 32767 ? 32767 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  s16 [2,10] -> [2,10]  beta 1 algorithm fixed
     * portable/softmax_lines: test */
    case 0:
        softmax_lines_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0028));
        break;
    default:
        break;
    }
}
