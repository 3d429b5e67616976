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

/* Along each line the sums of the elements up to each. The runtime begins them
 * with an element 0, whatever the zero point, and lets them wrap. */
static void cumsum_s8_scaled(const int8_t *in, int8_t *out)
{
    const int32_t zero_point = 3;
    const int32_t multiplier = 1073741824, shift = -18;
    const int32_t depth = 5, inner = 3;
    for (int32_t block = 0; block < 2; block++) {
        for (int32_t i = 0; i < inner; i++) {
            uint32_t sum = (uint32_t)(-zero_point * 524288);
            int32_t at = i;
            for (int32_t left = depth; left > 0; left--) {
                sum += (uint32_t)((in[at] - zero_point) * 524288);
                const int32_t y = requantize((int32_t)sum, multiplier, shift) + 3;
                out[at] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
                at += inner;
            }
        }
        in += depth * inner;
        out += depth * inner;
    }
}

/* Along each line the sums of the elements before each. */
static void cumsum_f32_exclusive_real(const float *in, float *out)
{
    const int32_t depth = 4, inner = 1;
    for (int32_t block = 0; block < 2; block++) {
        for (int32_t i = 0; i < inner; i++) {
            float sum = 0;
            int32_t at = i;
            for (int32_t left = depth; left > 0; left--) {
                const float before = sum;
                sum += in[at];
                out[at] = before;
                at += inner;
            }
        }
        in += depth * inner;
        out += depth * inner;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* cumsum_0: "cumsum_0"  s8 [2,5,3] -> [2,5,3]  axis 1
     * portable/cumsum: test */
    case 0:
        cumsum_s8_scaled(arena + 0x0000, arena + 0x0040);
        break;
    /* cumsum_1: "cumsum_1"  f32 [2,4] -> [2,4]  axis 1 exclusive
     * portable/cumsum: test */
    case 1:
        cumsum_f32_exclusive_real((float *)(void *)(arena + 0x0020),
                                  (float *)(void *)(arena + 0x0060));
        break;
    default:
        break;
    }
}
