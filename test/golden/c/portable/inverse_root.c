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

/* 1 / sqrt(x) of an integer x >= 0, where 0 counts as 1: the result times 2^(shift - 31), as
 * TensorFlow Lite Micro computes it. x is taken to [1/4, 1) by pairs of bits; Newton and Raphson's
 * steps begin at 1 and come near 2 at most, whose cube is the one product that saturates. */
static inline int32_t inverse_sqrt(int32_t x, int32_t *shift)
{
    *shift = 0;
    if (x <= 1)
        return INT32_MAX;
    int32_t right = 11;
    for (; x >= 1 << 29; right++)
        x >>= 2;
    for (; x < 1 << 27; right--)
        x <<= 2;
    const int32_t half = ((x >> 1) + 1) >> 1;
    int32_t root = 1 << 28;
    for (int32_t step = 0; step < 5; step++) {
        const int32_t square = multiply_high(root, root, 1u << 14);
        const int32_t cube = multiply_high(square, root, 1u << 14);
        const int32_t long_cube = cube >= 1 << 25 ? INT32_MAX : cube << 6;
        root = (multiply_high(root, (1 << 28) + (1 << 27), 1u << 14) -
                multiply_high(half, long_cube, 1u << 14)) << 3;
    }
    root = multiply_high(root, 1518500250, 1u << 14);
    if (right < 0)
        return root << -right;
    *shift = -right;
    return root;
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

/* 1 / sqrt(x) with 20 fractional bits, then in out's scale; the largest output where x <= 0. A
 * result that no int16 holds saturates. `out` may be `in`. */
static void inverse_root_s16(const int16_t *in, int16_t *out)
{
    const int32_t multiplier = 1073741824, shift = -3, count = 40;
    for (int32_t i = 0; i < count; i++) {
        int32_t y = 32767;
        if (in[i] > 0) {
            int32_t exponent;
            const int32_t inverse = inverse_sqrt(in[i], &exponent);
            const int32_t fine = requantize(1, inverse, exponent + 20);
            y = requantize(fine, multiplier, shift);
        }
        out[i] = (int16_t)(y < -32768 ? -32768 : y > 32767 ? 32767 : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* rsqrt_0: "rsqrt_0"  s16 [1,40] -> [1,40]
     * portable/inverse_root: test */
    case 0:
        inverse_root_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
