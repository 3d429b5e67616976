#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "state_words"
#include "dot4"
#include "multiply_high"
#include "requantize"

/* Saturates to int16. */
static inline int32_t to_int16(int32_t x)
{
    return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
}

/* sigmoid in Q0.15 of an int16 in Q3.12, by a table of its values at i / 24 and lines between
 * them. */
static inline int32_t sigmoid16(int32_t x, const uint16_t *table)
{
    const int32_t scaled = 3 * x;
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t at = magnitude >> 9;
    uint32_t value = 0x7fffu << 10;
    if (at < 255) {
        const uint32_t low = table[at];
        value = (low << 9) + (magnitude & 511u) * (table[at + 1] - low);
    }
    return (int32_t)((scaled < 0 ? (1u << 25) + 511u - value : value + 512u) >> 10);
}

/* tanh in Q0.15 of an int16: 2 sigmoid(2x) - 1 by the same table. (x * multiplier + half) >> shift
 * brings x to its steps. */
static inline int32_t tanh16(int32_t x, int32_t multiplier, int32_t shift, const uint16_t *table)
{
    const int32_t scaled = (x * multiplier + (shift > 0 ? 1 << (shift - 1) : 0)) >> shift;
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t at = magnitude >> 8;
    int32_t value = 0xffff << 8;
    if (at < 255) {
        const int32_t low = table[at];
        value = low * 256 + (int32_t)(magnitude & 255u) * (table[at + 1] - low);
    }
    return (scaled < 0 ? (1 << 23) + 127 - value : value - (1 << 23) + 128) >> 8;
}

/* acc[i] += sum of x[k] * lane i of w[k], k < n. A word of w holds one weight of each of four
 * output channels, lane 0 lowest. Products have 23 bits, their sums do not fit 32. */
BONSAI_SHARED void dot4_s16_wide(int64_t acc[4], const int16_t *x, const uint32_t *w, int32_t n)
{
    int64_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int16_t *const end = x + n; x != end; x++) {
        const int32_t value = *x;
        const uint32_t word = *w++;
        acc0 += value * (int8_t)word;
        acc1 += value * (int8_t)(word >> 8);
        acc2 += value * (int8_t)(word >> 16);
        acc3 += value * (int8_t)(word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

#include "requantize_wide"

/* An LSTM layer over a sequence. A word of weights has those of a unit's four gates (input, forget,
 * cell, output), so each pass over the inputs or the hidden state computes all of them.
 */
static void lstm_s8(const int8_t *restrict in, int8_t *restrict out, int8_t *restrict hidden,
                    int16_t *restrict cell, int8_t *restrict scratch)
{
    const int32_t inputs = 3, units = 2;
    const int32_t *const stages = model_lstm_0_stages;
    const uint16_t *const table = model_lstm_0_sigmoid;
    int8_t *const next = (int8_t *)(void *)scratch;
    for (int32_t batch = 0; batch < 1; batch++) {
        const int8_t *x = in + batch * 4 * inputs;
        int8_t *y = out + batch * 4 * units;
        for (int32_t step = 0; step < 4; step++) {
            const uint32_t *weights = model_lstm_0_weights;
            const uint32_t *recurrent = model_lstm_0_recurrent;
            const int32_t *offsets = model_lstm_0_offsets;
            const int32_t *recurrent_offsets = model_lstm_0_recurrent_offsets;
            for (int32_t unit = 0; unit < units; unit++) {
                int32_t first[4], second[4];
                int32_t gate[4];
                for (int32_t k = 0; k < 4; k++) {
                    first[k] = *offsets++;
                    second[k] = *recurrent_offsets++;
                }
                dot4(first, x, weights, inputs);
                dot4(second, hidden, recurrent, units);
                weights += inputs;
                recurrent += units;
                for (int32_t k = 0; k < 4; k++) {
                    const int32_t *const s = &stages[4 * k];
                    const int32_t a = requantize(first[k], s[0], s[1]);
                    const int32_t b = requantize(second[k], s[2], s[3]);
                    gate[k] = to_int16(to_int16(a) + to_int16(b));
                }
                const int32_t added =
                    sigmoid16(gate[0], table) * tanh16(gate[2], 3, 0, table);
                const int32_t kept = sigmoid16(gate[1], table) * cell[unit];
                int32_t c = to_int16(requantize(kept, 1073741824, -14));
                c += to_int16(requantize(added, 1073741824, -17));
                c = to_int16(c);
                cell[unit] = (int16_t)c;
                const int32_t h = sigmoid16(gate[3], table) *
                                  tanh16(c, 3, 0, table);
                const int32_t z = requantize(h, 1073741824, -22);
                next[unit] = (int8_t)(z < -128 ? -128 : z > 127 ? 127 : z);
            }
            memcpy(hidden, next, (size_t)units * sizeof *next);
            memcpy(y, next, (size_t)units * sizeof *next);
            x += inputs;
            y += units;
        }
        hidden += units;
        cell += units;
    }
}

/* An LSTM layer over a sequence. A word of weights has those of a unit's four gates (input, forget,
 * cell, output), so each pass over the inputs or the hidden state computes all of them.
 * Sums have 64 bits.
 */
static void lstm_s16_int16_wide(const int16_t *restrict in, int16_t *restrict out,
                                int16_t *restrict hidden, int16_t *restrict cell,
                                int8_t *restrict scratch)
{
    const int32_t inputs = 3, units = 2;
    const int32_t *const stages = model_lstm_1_stages;
    const uint16_t *const table = model_lstm_0_sigmoid;
    int16_t *const next = (int16_t *)(void *)scratch;
    for (int32_t batch = 0; batch < 1; batch++) {
        const int16_t *x = in + batch * 4 * inputs;
        int16_t *y = out + batch * 4 * units;
        for (int32_t step = 0; step < 4; step++) {
            const uint32_t *weights = model_lstm_0_weights;
            const uint32_t *recurrent = model_lstm_0_recurrent;
            const int64_t *offsets = model_lstm_1_offsets;
            const int64_t *recurrent_offsets = model_lstm_1_recurrent_offsets;
            for (int32_t unit = 0; unit < units; unit++) {
                int64_t first[4], second[4];
                int32_t gate[4];
                for (int32_t k = 0; k < 4; k++) {
                    first[k] = *offsets++;
                    second[k] = *recurrent_offsets++;
                }
                dot4_s16_wide(first, x, weights, inputs);
                dot4_s16_wide(second, hidden, recurrent, units);
                weights += inputs;
                recurrent += units;
                for (int32_t k = 0; k < 4; k++) {
                    const int32_t *const s = &stages[4 * k];
                    const int32_t a = requantize_wide(first[k], s[0], s[1]);
                    const int32_t b = requantize_wide(second[k], s[2], s[3]);
                    gate[k] = to_int16(to_int16(a) + to_int16(b));
                }
                const int32_t added =
                    sigmoid16(gate[0], table) * tanh16(gate[2], 3, 0, table);
                const int32_t kept = sigmoid16(gate[1], table) * cell[unit];
                int32_t c = to_int16(requantize(kept, 1073741824, -14));
                c += to_int16(requantize(added, 1073741824, -17));
                c = to_int16(c);
                cell[unit] = (int16_t)c;
                const int32_t h = sigmoid16(gate[3], table) *
                                  tanh16(c, 3, 0, table);
                const int32_t z = requantize(h, 1073741824, -14);
                next[unit] = (int16_t)(z < -32768 ? -32768 : z > 32767 ? 32767 : z);
            }
            memcpy(hidden, next, (size_t)units * sizeof *next);
            memcpy(y, next, (size_t)units * sizeof *next);
            x += inputs;
            y += units;
        }
        hidden += units;
        cell += units;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* lstm_0: "lstm_0"  s8 [1,2], [1,2], [1,4,3] -> [1,4,2], [1,2], [1,2]  cell clip 0
     * portable/lstm, 160 MAC: test */
    case 0:
        lstm_s8(arena + 0x0000, arena + 0x0024, state + 0x0000, (int16_t *)(void *)(state + 0x0004),
                arena + 0x002c);
        break;
    /* lstm_1: "lstm_1"  s16 [1,2], [1,2], [1,4,3] -> [1,4,2], [1,2], [1,2]  cell clip 0
     * portable/lstm, 160 MAC: test */
    case 1:
        lstm_s16_int16_wide((int16_t *)(void *)(arena + 0x000c),
                            (int16_t *)(void *)(arena + 0x0030),
                            (int16_t *)(void *)(state + 0x0008),
                            (int16_t *)(void *)(state + 0x000c), arena + 0x0040);
        break;
    default:
        break;
    }
}
