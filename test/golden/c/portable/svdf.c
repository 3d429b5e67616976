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

/* What the model remembers from one run to the next. */
static int32_t state_words[MODEL_STATE_BYTES / 4];
static int8_t *const state = (int8_t *)state_words;


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

/* One run of an SVDF layer. Each filter writes the feature of this run over its oldest one, at
 * `place` of its ring, and sums those that it remembers. The weights over time lie twice in a row:
 * from memory - 1 - place on they are in the order of the ring. */
static void svdf_s8(const int8_t *restrict in, int8_t *restrict out, int16_t *restrict ring,
                    int32_t *restrict place)
{
    const int32_t memory = 3;
    const int32_t newest = *place;
    const int8_t *feature = model_svdf_0_features;
    const int16_t *time = model_svdf_0_times + (memory - 1 - newest);
    const int32_t *offset = model_svdf_0_offsets;
    for (int32_t unit = 0; unit < 2; unit++) {
        /* Sums wrap, as those of the runtime do. */
        uint32_t sum = (uint32_t)(model_svdf_0_biases)[unit];
        for (int32_t filter = 0; filter < 2; filter++) {
            int32_t dot = *offset++;
            const int8_t *const end = in + 5;
            for (const int8_t *x = in; x != end; x++)
                dot += *x * *feature++;
            dot = requantize(dot, 1073741824, 1);
            dot = dot < -32768 ? -32768 : dot > 32767 ? 32767 : dot;
            ring[newest] = (int16_t)(dot);
            for (int32_t k = 0; k < memory; k++)
                sum += (uint32_t)(time[k] * ring[k]);
            time += 2 * memory;
            ring += memory;
        }
        const int32_t scaled =
            requantize((int32_t)sum, 1759218560, -12) + 3;
        *out++ = (int8_t)(scaled < -128 ? -128 : scaled > 127 ? 127 : scaled);
    }
    *place = newest + 1 < memory ? newest + 1 : 0;
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* svdf_0: "svdf_0"  s16 to s8 [1,12], [1], [1,5] -> [1,2], [1,12], [1]  rank 2
     * portable/svdf, 32 MAC: test */
    case 0:
        svdf_s8(arena + 0x0000, arena + 0x0008, (int16_t *)(void *)(state + 0x0000),
                (int32_t *)(void *)(state + 0x0018));
        break;
    default:
        break;
    }
}
