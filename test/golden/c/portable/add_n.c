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

/* the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * first one. */
static void add_n_s8_first(const int8_t *in, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = x - 3;
        sums[i] = sum;
    }
}

/* the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * next one. */
static void add_n_s8(const int8_t *in, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = sums[i] + x;
        sums[i] = sum;
    }
}

/* out = the sum of all operands, each times 2^19, then in out's scale, saturated: its
 * next one. */
static void add_n_s8_last(const int8_t *in, int8_t *out, int8_t *scratch)
{
    int32_t *sums = (int32_t *)(void *)scratch;
    for (int32_t i = 0; i < 8; i++) {
        const int32_t x = in[i] - 3;
        const int32_t sum = sums[i] + x;
        const int32_t y = requantize((int32_t)((uint32_t)sum << 19), 1073741824, -18) + 3;
        out[i] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_n_0: "add_n_0"  s8 [8], [8], [8] -> [8]
     * portable/add_n: test */
    case 0:
        add_n_s8_first(arena + 0x0000, arena + 0x0020);
        add_n_s8(arena + 0x0008, arena + 0x0020);
        add_n_s8_last(arena + 0x0010, arena + 0x0018, arena + 0x0020);
        break;
    default:
        break;
    }
}
