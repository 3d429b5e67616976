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

/* Sum over any dimensions. Neighbouring dimensions that are kept, or summed, are merged, which
 * leaves at most three of each kind.
 */
static void mean_s8_fixed(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t multiplier = 1073741824, shift = 1;
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const int8_t *first = in + k2;
                int32_t sum = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int8_t *p = first;
                        for (int32_t r2 = 0; r2 < 16; r2++, p += 3)
                            sum += *p;
                    }
                }
                const int32_t y = requantize(sum - 48, multiplier, shift) + 3;
                *out++ = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
            }
        }
    }
}

/* Sum over any dimensions. Neighbouring dimensions that are kept, or summed, are merged, which
 * leaves at most three of each kind.
 * Elements are added in their order, each sum rounded to float.
 */
static void mean_f32_real(const float *restrict in, float *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 2; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const float *first = in + k1 * 36 + k2;
                float sum = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const float *p = first;
                        for (int32_t r2 = 0; r2 < 12; r2++, p += 3)
                            sum += *p;
                    }
                }
                *out++ = sum;
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* reduce_sum_0: "reduce_sum_0"  s8 [1,4,4,3] -> [1,1,1,3]  axes [1,2] keep dims algorithm
     * fixed
     * portable/reduce_sum: test */
    case 0:
        mean_s8_fixed(arena + 0x0000, arena + 0x0150);
        break;
    /* reduce_sum_1: "reduce_sum_1"  f32 [2,3,4,3] -> [2,1,1,3]  axes [1,2] keep dims algorithm
     * fixed
     * portable/reduce_sum: test */
    case 1:
        mean_f32_real((float *)(void *)(arena + 0x0030), (float *)(void *)(arena + 0x0154));
        break;
    default:
        break;
    }
}
