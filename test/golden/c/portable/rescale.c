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

/* out = in in out's scale, saturated; below 0 with the leak's own scale. Every product is rounded
 * where TensorFlow Lite rounds. `out` may be `in`. */
static void rescale_s16_leaky(const int16_t *in, int16_t *out)
{
    const int32_t in_zero_point = 0, out_zero_point = 0;
    const int32_t multiplier = 1073741824, shift = 1;
    const int32_t below_multiplier = 1073741824, below_shift = -1;
    const int32_t low = -32768, high = 32767, count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (int32_t)((uint32_t)in[i] - (uint32_t)in_zero_point);
        const int32_t scaled = x >= 0 ? requantize(x, multiplier, shift)
                                      : requantize(x, below_multiplier, below_shift);
        /* Saturates before the zero point is added, so that no sum overflows. */
        const int64_t y = (int64_t)scaled + out_zero_point;
        out[i] = (int16_t)(y < low ? low : y > high ? high : y);
    }
}

/* out = in in out's scale, saturated. Every product is rounded where
 * TensorFlow Lite rounds. `out` may be `in`. */
static void rescale_s8(const int16_t *in, int8_t *out)
{
    const int32_t in_zero_point = 0, out_zero_point = 3;
    const int32_t multiplier = 1342177260, shift = -8;
    const int32_t low = -128, high = 127, count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (int32_t)((uint32_t)in[i] - (uint32_t)in_zero_point);
        const int32_t scaled = requantize(x, multiplier, shift);
        /* Saturates before the zero point is added, so that no sum overflows. */
        const int64_t y = (int64_t)scaled + out_zero_point;
        out[i] = (int8_t)(y < low ? low : y > high ? high : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* leaky_relu_0: "leaky_relu_0"  s16 [1,40] -> [1,40]  alpha 0.25 algorithm magnitude
     * portable/rescale: test */
    case 0:
        rescale_s16_leaky((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    /* quantize_1: "quantize_1"  s16 to s8 [1,40] -> [1,40]  algorithm scalar
     * portable/rescale: test */
    case 1:
        rescale_s8((int16_t *)(void *)(arena + 0x0050), arena + 0x00a0);
        break;
    default:
        break;
    }
}
