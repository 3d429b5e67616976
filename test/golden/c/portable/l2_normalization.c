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

/* The float32 of these bits: 0x7f800000 is infinity, 0x7fc00000 is no number. */
static inline float float_of_bits(uint32_t bits)
{
    const union {
        uint32_t bits;
        float value;
    } word = { bits };
    return word.value;
}

/* The bits of a float32. */
static inline uint32_t bits_of_float(float value)
{
    const union {
        float value;
        uint32_t bits;
    } word = { value };
    return word.bits;
}

/* The square root, rounded once: 25 bits of the root of an integer, bit by bit. No root of 24 bits
 * lies in the middle of two float32, as its square would have an odd number of bits below. */
static inline float real_sqrt(float x)
{
    if (x == 0.0f || x == float_of_bits(0x7f800000))
        return x;
    if (!(x > 0.0f))
        return float_of_bits(0x7fc00000);
    const uint32_t bits = bits_of_float(x);
    int32_t e = (int32_t)(bits >> 23);
    uint32_t m = bits & 0x7fffff;
    if (e == 0) {
        for (e = 1; m < 0x800000; e--)
            m *= 2;
    } else {
        m |= 0x800000;
    }
    /* x = m * 2^(e - 150); the power of what is left has to be even. */
    const uint64_t square = (uint64_t)m << (e % 2 == 0 ? 26 : 25);
    uint32_t root = 0;
    for (uint32_t bit = 1u << 24; bit != 0; bit >>= 1) {
        const uint32_t longer = root | bit;
        if ((uint64_t)longer * longer <= square)
            root = longer;
    }
    const int32_t power = (e - 150 - (e % 2 == 0 ? 26 : 25)) / 2 + 1;
    return float_of_bits(((uint32_t)(power + 149) << 23) + ((root + 1) >> 1));
}

/* x / sqrt(sum of x^2) along each row, in steps of 1/128. `out` may
 * be `in`. */
static void l2_normalization_s8(const int8_t *in, int8_t *out)
{
    const int32_t depth = 9;
    const int32_t zero_point = 3;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        int32_t sum = 0, shift;
        for (int32_t c = 0; c < depth; c++)
            sum += (in[c] - zero_point) * (in[c] - zero_point);
        const int32_t inverse = inverse_sqrt(sum, &shift);
        for (int32_t c = 0; c < depth; c++) {
            const int32_t y = requantize(in[c] - zero_point, inverse, shift + 7);
            out[c] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
        }
    }
}

/* x / sqrt(sum of x^2) along each row; the sum is taken in order, each product and sum rounded.
 * `out` may be `in`. */
static void l2_normalization_f32_real(const float *in, float *out)
{
    const int32_t depth = 7;
    for (int32_t row = 0; row < 3; row++, in += depth, out += depth) {
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += in[c] * in[c];
        const float root = real_sqrt(sum);
        const float norm = root < 1e-6f ? 1e-6f : root;
        for (int32_t c = 0; c < depth; c++)
            out[c] = in[c] / norm;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* l2_normalization_0: "l2_normalization_0"  s8 [2,9] -> [2,9]
     * portable/l2_normalization: test */
    case 0:
        l2_normalization_s8(arena + 0x0054, arena + 0x0068);
        break;
    /* l2_normalization_1: "l2_normalization_1"  f32 [3,7] -> [3,7]
     * portable/l2_normalization: test */
    case 1:
        l2_normalization_f32_real((float *)(void *)(arena + 0x0000),
                                  (float *)(void *)(arena + 0x007c));
        break;
    default:
        break;
    }
}
