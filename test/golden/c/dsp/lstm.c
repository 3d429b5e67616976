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


/* Four bytes from any address, little-endian. */
static inline uint32_t load_word(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Bytes 0 and 2 as two int16. */
static inline uint32_t sxtb16(uint32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t lanes;
    __asm__("sxtb16 %0, %1" : "=r"(lanes) : "r"(x));
    return lanes;
#else
    return (uint32_t)(uint16_t)(int8_t)x | (uint32_t)(uint16_t)(int8_t)(x >> 16) << 16;
#endif
}

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

/* A function of assembly alone. GCC would copy one for calls with constant arguments, and pass the
 * copy fewer of them. */
#if defined(__clang__)
#define BONSAI_NAKED static __attribute__((naked, noinline))
#else
#define BONSAI_NAKED static __attribute__((naked, noinline, noclone))
#endif

/* sum + both products of the 16-bit halves of a and b. The sum wraps. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int32_t low = (int16_t)a * (int16_t)b, high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}

/* The sums of `groups` of four rows over one vector x of int16, two in a word. Of each group `w`
 * has the four values from which its sums begin, then for each of `steps` steps of four elements
 * the weights as int16: two words of the first two elements for each row, then those of the others.
 * x begins at a word. Returns the end of the groups. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) const int32_t *
dot_rows(__attribute__((unused)) int32_t *sums, __attribute__((unused)) const void *x,
         __attribute__((unused)) const int32_t *w, __attribute__((unused)) int32_t groups,
         __attribute__((unused)) int32_t steps)
{
    /* r0: x; r1: w; r2 and r3: four elements; r4 to r7: sums; r8 to r11: weights.
     * The frame: 0 sums, 4 x, 8 its end, 12 where the first round begins, 16 groups. */
    __asm__("push {r4-r11, lr}\n"
            "ldr r4, [sp, #36]\n"
            "sub sp, sp, #20\n"
            "strd r0, r1, [sp]\n"
            "add r5, r1, r4, lsl #3\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r4, r4, #0\n"
            "and r4, r4, #15\n"
            "mov r6, #44\n"
            "adr r7, 2f + 1\n"
            "mla r6, r4, r6, r7\n"
            "strd r5, r6, [sp, #8]\n"
            "str r3, [sp, #16]\n"
            "mov r0, r1\n"
            "mov r1, r2\n"
            "1: ldmia r1!, {r4-r7}\n"
            "ldr pc, [sp, #12]\n"
            ".balign 4\n"
            "2:\n"
            ".rept 16\n"
            "ldrd r2, r3, [r0], #8\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r2, r4\n"
            "smlad r5, r9, r2, r5\n"
            "smlad r6, r10, r2, r6\n"
            "smlad r7, r11, r2, r7\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r3, r4\n"
            "smlad r5, r9, r3, r5\n"
            "smlad r6, r10, r3, r6\n"
            "smlad r7, r11, r3, r7\n"
            ".endr\n"
            "ldr r12, [sp, #8]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldrd r2, r0, [sp]\n"
            "stmia r2!, {r4-r7}\n"
            "ldr r12, [sp, #16]\n"
            "str r2, [sp]\n"
            "subs r12, r12, #1\n"
            "str r12, [sp, #16]\n"
            "bne 1b\n"
            "mov r0, r1\n"
            "add sp, sp, #20\n"
            "pop {r4-r11, pc}\n");
}

#else

static const int32_t *dot_rows(int32_t *sums, const void *x, const int32_t *w, int32_t groups,
                               int32_t steps)
{
    for (; groups > 0; groups--, sums += 4) {
        const uint32_t *words = x;
        for (int32_t i = 0; i < 4; i++)
            sums[i] = *w++;
        for (int32_t left = 2 * steps; left > 0; left--, words++) {
            for (int32_t i = 0; i < 4; i++)
                sums[i] = smlad((uint32_t)*w++, *words, sums[i]);
        }
    }
    return w;
}

#endif

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

/* x saturated to int8. */
static inline int8_t saturate8(int32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

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
    const uint32_t *const nodes = (const uint32_t *)model_lstm_0_nodes + 256;
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
            const int32_t *w = (const int32_t *)model_lstm_0_weights, *r =
                (const int32_t *)model_lstm_0_recurrent;
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
    const uint32_t *const nodes = (const uint32_t *)model_lstm_0_nodes + 256;
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
            const int32_t *w = (const int32_t *)model_lstm_1_weights, *r =
                (const int32_t *)model_lstm_1_recurrent;
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
