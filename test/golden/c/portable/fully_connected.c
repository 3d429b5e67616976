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


/* acc[i] += sum of x[k] * lane i of w[k], k < n. A word of w holds one weight of each of four
 * output channels, lane 0 lowest. One load and six shifts give four signed bytes; separate signed
 * byte loads would take an index register and two cycles each. */
BONSAI_SHARED void dot4(int32_t acc[4], const int8_t *x, const int32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int8_t *const end = x + n; x != end; x++) {
        const int32_t value = *x;
        const int32_t word = *w++;
        acc0 += value * (int8_t)word;
        acc1 += value * (int8_t)(word >> 8);
        acc2 += value * (int8_t)(word >> 16);
        acc3 += value * (word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

/* The int8 output of a scaled accumulator. */
static inline int8_t to_int8(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

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

/* y[i] = acc[i] in the output's scale, for each stored lane. `stage` holds the bias, multiplier
 * and shift of each lane. */
BONSAI_SHARED void store4(int8_t *y, const int32_t acc[4], const int32_t *stage,
                          const struct output *output)
{
    for (int32_t i = 0; i < output->lanes; i++, stage += 3)
        y[i] = to_int8(requantize(acc[i], stage[1], stage[2]), output);
}

/* acc[i] += sum of x[k] * w[i * depth + k], k < n, i < count. */
BONSAI_SHARED void dot_few(int32_t *acc, const int8_t *x, const int8_t *w, int32_t n, int32_t depth,
                           int32_t count)
{
    for (const int32_t *const end = acc + count; acc != end; acc++, w += depth) {
        const int8_t *const x_end = x + n, *const w_end = w + n;
        int32_t sum = *acc, i = -n;
#if defined(__thumb__) && !defined(__thumb2__) && !defined(__OPTIMIZE_SIZE__)
        for (; (i & 3) != 0; i++)
            sum += x_end[i] * w_end[i];
        /* Four at a time take 7.5 cycles each; the compiler's loop takes 10. */
        if (i != 0) {
            int32_t a, b;
            __asm__(".syntax unified\n"
                    "1:\n"
                    ".rept 4\n"
                    "ldrsb %[a], [%[x], %[i]]\n ldrsb %[b], [%[w], %[i]]\n"
                    "muls %[a], %[b]\n adds %[sum], %[sum], %[a]\n adds %[i], %[i], #1\n"
                    ".endr\n"
                    "bne 1b\n"
                    : [sum] "+l"(sum), [i] "+l"(i), [a] "=&l"(a), [b] "=&l"(b)
                    : [x] "l"(x_end), [w] "l"(w_end)
                    : "cc", "memory");
        }
#else
        for (; i != 0; i++)
            sum += x_end[i] * w_end[i];
#endif
        *acc = sum;
    }
}

/* Multiplies rows of the input by rows of the weights: a fully connected layer, or a 1x1
 * convolution, whose rows are pixels.
 * Four output channels at once. If their number is not a multiple of four, the last four overlap
 * the four before.
 * The input's zero point is folded into the biases. A row is written before later rows are read,
 * so `out` may overlap `in` that far. */
static void fully_connected_s8(const int8_t *in, int8_t *out)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t depth = 64, out_c = 10;

    for (int32_t row = 1; row > 0; row--) {
        const int32_t *weights = (const int32_t *)model_fully_connected_0_weights;
        const int32_t *stage = model_fully_connected_0_stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            const int32_t first = c + output.lanes > out_c ? out_c - output.lanes : c;
            int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
            dot4(acc, in, weights, depth);
            store4(out + first, acc, stage, &output);
            weights += depth;
            stage += 12;
        }
        in += depth;
        out += out_c;
    }
}

/* Multiplies rows of the input by rows of the weights: a fully connected layer, or a 1x1
 * convolution, whose rows are pixels.
 * Fewer than four output channels, each a row of bytes.
 * The input's zero point is folded into the biases. A row is written before later rows are read,
 * so `out` may overlap `in` that far. */
static void fully_connected_s8_few(const int8_t *in, int8_t *out)
{
    const struct output output = { -131, 124, 3, 3 };
    const int32_t depth = 10, out_c = 3;

    for (int32_t row = 1; row > 0; row--) {
        const int8_t *weights = model_fully_connected_1_weights;
        const int32_t *stage = model_fully_connected_1_stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            const int32_t first = c + output.lanes > out_c ? out_c - output.lanes : c;
            int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
            dot_few(acc, in, weights, depth, depth, output.lanes);
            store4(out + first, acc, stage, &output);
            weights += depth;
            stage += 12;
        }
        in += depth;
        out += out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * portable/fully_connected, 640 MAC: test */
    case 0:
        fully_connected_s8(arena + 0x0000, arena + 0x0040);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,3]
     * portable/fully_connected, 30 MAC: test */
    case 1:
        fully_connected_s8_few(arena + 0x0040, arena + 0x004c);
        break;
    default:
        break;
    }
}
