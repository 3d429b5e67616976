#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "state_words"
#include "load_word"
#include "sxtb16"

/* Widens n int8 to int16, two in a word, words `step` apart: of each four, bytes 0 and 2, then 1
 * and 3; fewer than four in their order. */
static inline uint32_t *widen_packed(uint32_t *to, int32_t step, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, from += 4, to += 2 * step) {
        const uint32_t bytes = load_word(from);
        to[0] = sxtb16(bytes);
        to[step] = sxtb16(bytes >> 8);
    }
    for (; n > 0; n -= 2, from += 2, to += step) {
        const int8_t next = n > 1 ? from[1] : 0;
        *to = (uint16_t)from[0] | (uint32_t)next << 16;
    }
    return to;
}

#include "BONSAI_NAKED"
#include "smlad"
#include "dot_rows"

/* x saturated to int16. */
static inline int32_t saturate16(int32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #16, %0" : "+r"(x));
    return x;
#else
    return x < -32768 ? -32768 : x > 32767 ? 32767 : x;
#endif
}

/* The upper half of the 64-bit product, rounded: halves up. */
static inline int32_t smmulr(int32_t a, int32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    int32_t high;
    __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
    return high;
#else
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

/* Half of `twice` by a multiplier, rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift, halves away from zero. For a shift of 0
 * `below` and `half` are 0, otherwise -1 and half of what is shifted out. */
static inline int32_t scale_twice(int32_t twice, int32_t multiplier, int32_t shift, int32_t half,
                                  int32_t below)
{
    const int32_t y = smmulr(twice, multiplier);
    return (y + ((y & below) >> 31) + half) >> shift;
}

/* One gate of n units, four words apart: its argument in Q3.12, times 3, in place of its sum over
 * the inputs. `stage` has the constants of scale_twice for that sum and for the one over the hidden
 * state. */
static inline void lstm_gate(int32_t *sums, const int32_t *recurrent, int32_t n,
                             const int32_t *stage)
{
    const int32_t multiplier = stage[0], shift = stage[1], half = stage[2], below = stage[3];
    const int32_t multiplier1 = stage[4], shift1 = stage[5], half1 = stage[6], below1 = stage[7];
    for (int32_t *const end = sums + 4 * n; sums != end; sums += 4, recurrent += 4) {
        const int32_t a = saturate16(scale_twice(*sums, multiplier, shift, half, below));
        const int32_t b = saturate16(scale_twice(*recurrent, multiplier1, shift1, half1, below1));
        *sums = 3 * saturate16(a + b);
    }
}

/* sigmoid in Q0.15, by lines between nodes. `at` counts 512ths of their distance. A node is
 * sigmoid · 2^16 in the upper half and the difference to the next one in the lower, for negative
 * arguments as for positive ones. Halves round away from the middle. */
static inline int32_t curve16_sigmoid(int32_t at, const uint32_t *nodes)
{
    const uint32_t node = nodes[at >> 9];
    const int32_t value = (at & 511) * (int16_t)node + (int32_t)(node >> 16 << 9);
    return (value + (at >> 31) + 512) >> 10;
}

/* sigmoid in Q0.15, tanh = 2 sigmoid(2x) - 1, by lines between nodes. `at` counts 256ths of their
 * distance. A node is sigmoid · 2^16 in the upper half and the difference to the next one in the
 * lower, for negative arguments as for positive ones. Halves round away from the middle. */
static inline int32_t curve16_tanh(int32_t at, const uint32_t *nodes)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #17, %0" : "+r"(at));
#else
    at = at < -65536 ? -65536 : at > 65535 ? 65535 : at;
#endif
    const uint32_t node = nodes[at >> 8];
    const int32_t value = (at & 255) * (int16_t)node + (int32_t)(node >> 16 << 8);
    return (value + (at >> 31) + 128 - (1 << 23)) >> 8;
}

#include "saturate8"

/* One gate of n units, four words apart: its argument in Q3.12, times 3, in place of its sum over
 * the inputs. `stage` has a factor, times 2^32, for that sum and for the one over the hidden state.
 * */
static inline void lstm_gate_int16(int32_t *sums, const int32_t *recurrent, int32_t n,
                                   const int32_t *stage)
{
    const int32_t factor = stage[0], factor1 = stage[1];
    for (int32_t *const end = sums + 4 * n; sums != end; sums += 4, recurrent += 4) {
        const int32_t a = saturate16(smmulr(*sums, factor));
        const int32_t b = saturate16(smmulr(*recurrent, factor1));
        *sums = 3 * saturate16(a + b);
    }
}

/* An LSTM layer over a sequence. The rows of a group are a unit's four gates (input, forget, cell,
 * output), whose weights are multiplied two at a time; the sums of `block` units are kept, then
 * gate after gate is computed for all of them. */
static void lstm_s8_dsp(const int8_t *restrict in, int8_t *restrict out, int8_t *restrict hidden,
                        int16_t *restrict cell, int8_t *restrict scratch)
{
    enum { block = 8 };
    const int32_t inputs = 3, units = 2;
    const int32_t input_steps = 1, hidden_steps = 1;
    const uint32_t *const nodes = model_lstm_0_nodes + 256;
    uint32_t *const x = (uint32_t *)(void *)scratch, *const h = x + 2 * input_steps;
    int32_t sums[4 * block], recurrent[4 * block];

    /* Elements are multiplied four at a time, so the last words may lie past them. */
    x[2 * input_steps - 1] = 0;
    h[2 * hidden_steps - 1] = 0;
    for (int32_t batch = 0; batch < 1; batch++) {
        const int8_t *from = in + batch * 4 * inputs;
        int8_t *to = out + batch * 4 * units;
        for (int32_t step = 0; step < 4; step++) {
            widen_packed(x, 1, from, inputs);
            widen_packed(h, 1, hidden, units);
            const int32_t *w = model_lstm_0_weights, *r = model_lstm_0_recurrent;
            for (int32_t first = 0; first < units; first += block) {
                const int32_t n = units - first < block ? units - first : block;
                w = dot_rows(sums, x, w, n, input_steps);
                r = dot_rows(recurrent, h, r, n, hidden_steps);
                lstm_gate(sums, recurrent, n, model_lstm_0_stages);
                lstm_gate(sums + 1, recurrent + 1, n, model_lstm_0_stages + 8);
                lstm_gate(sums + 2, recurrent + 2, n, model_lstm_0_stages + 2 * 8);
                lstm_gate(sums + 3, recurrent + 3, n, model_lstm_0_stages + 3 * 8);
                for (int32_t i = 0; i < n; i++) {
                    const int32_t *const gate = &sums[4 * i];
                    const int32_t added = curve16_sigmoid(gate[0], nodes) *
                        curve16_tanh(gate[2], nodes);
                    const int32_t kept = curve16_sigmoid(gate[1], nodes) * cell[first + i];
                    int32_t c = saturate16(scale_twice(2 * kept, 1073741824, 14, 8192, -1));
                    c += saturate16(scale_twice(2 * added, 1073741824, 17, 65536, -1));
                    c = saturate16(c);
                    cell[first + i] = (int16_t)c;
                    c = curve16_tanh((c * 3), nodes);
                    c *= curve16_sigmoid(gate[3], nodes);
                    c = scale_twice(2 * c, 1073741824, 22, 2097152, -1);
                    hidden[first + i] = saturate8(c);
                }
            }
            memcpy(to, hidden, (size_t)units * sizeof *hidden);
            from += inputs;
            to += units;
        }
        hidden += units;
        cell += units;
    }
}

/* An LSTM layer over a sequence. The rows of a group are a unit's four gates (input, forget, cell,
 * output), whose weights are multiplied two at a time; the sums of `block` units are kept, then
 * gate after gate is computed for all of them. */
static void lstm_s16_dsp_int16(const int16_t *restrict in, int16_t *restrict out,
                               int16_t *restrict hidden, int16_t *restrict cell,
                               int8_t *restrict scratch)
{
    enum { block = 8 };
    const int32_t inputs = 3, units = 2;
    const int32_t input_steps = 1, hidden_steps = 1;
    const uint32_t *const nodes = model_lstm_0_nodes + 256;
    uint32_t *const x = (uint32_t *)(void *)scratch, *const h = x + 2 * input_steps;
    int32_t sums[4 * block], recurrent[4 * block];

    /* Elements are multiplied four at a time, so the last words may lie past them. */
    x[2 * input_steps - 2] = x[2 * input_steps - 1] = 0;
    h[2 * hidden_steps - 2] = h[2 * hidden_steps - 1] = 0;
    for (int32_t batch = 0; batch < 1; batch++) {
        const int16_t *from = in + batch * 4 * inputs;
        int16_t *to = out + batch * 4 * units;
        for (int32_t step = 0; step < 4; step++) {
            memcpy(x, from, (size_t)inputs * sizeof *from);
            memcpy(h, hidden, (size_t)units * sizeof *hidden);
            const int32_t *w = model_lstm_1_weights, *r = model_lstm_1_recurrent;
            for (int32_t first = 0; first < units; first += block) {
                const int32_t n = units - first < block ? units - first : block;
                w = dot_rows(sums, x, w, n, input_steps);
                r = dot_rows(recurrent, h, r, n, hidden_steps);
                lstm_gate_int16(sums, recurrent, n, model_lstm_1_stages);
                lstm_gate_int16(sums + 1, recurrent + 1, n, model_lstm_1_stages + 2);
                lstm_gate_int16(sums + 2, recurrent + 2, n, model_lstm_1_stages + 2 * 2);
                lstm_gate_int16(sums + 3, recurrent + 3, n, model_lstm_1_stages + 3 * 2);
                for (int32_t i = 0; i < n; i++) {
                    const int32_t *const gate = &sums[4 * i];
                    const int32_t added = curve16_sigmoid(gate[0], nodes) *
                        curve16_tanh(gate[2], nodes);
                    const int32_t kept = curve16_sigmoid(gate[1], nodes) * cell[first + i];
                    int32_t c = saturate16(scale_twice(2 * kept, 1073741824, 14, 8192, -1));
                    c += saturate16(scale_twice(2 * added, 1073741824, 17, 65536, -1));
                    c = saturate16(c);
                    cell[first + i] = (int16_t)c;
                    c = curve16_tanh((c * 3), nodes);
                    c *= curve16_sigmoid(gate[3], nodes);
                    c = scale_twice(2 * c, 1073741824, 14, 8192, -1);
                    hidden[first + i] = (int16_t)saturate16(c);
                }
            }
            memcpy(to, hidden, (size_t)units * sizeof *hidden);
            from += inputs;
            to += units;
        }
        hidden += units;
        cell += units;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* lstm_0: "lstm_0"  s8 [1,2], [1,2], [1,4,3] -> [1,4,2], [1,2], [1,2]  cell clip 0
     * dsp/lstm, 160 MAC: test */
    case 0:
        lstm_s8_dsp(arena + 0x0000, arena + 0x0024, state + 0x0000,
                    (int16_t *)(void *)(state + 0x0004), arena + 0x002c);
        break;
    /* lstm_1: "lstm_1"  s16 [1,2], [1,2], [1,4,3] -> [1,4,2], [1,2], [1,2]  cell clip 0
     * dsp/lstm, 160 MAC: test */
    case 1:
        lstm_s16_dsp_int16((int16_t *)(void *)(arena + 0x000c), (int16_t *)(void *)(arena + 0x003c),
                           (int16_t *)(void *)(state + 0x0008), (int16_t *)(void *)(state + 0x000c),
                           arena + 0x004c);
        break;
    default:
        break;
    }
}
