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


/* Infinities become the greatest floats, as in TensorFlow Lite without an activation; NaN stays. */
static inline float finite(float x)
{
    const float y = x < -3.402823466e+38f ? -3.402823466e+38f : x;
    return 3.402823466e+38f < y ? 3.402823466e+38f : y;
}

/* e^r - 1 for |r| <= ln 2 / 2: the power series to r^11. */
static inline double exponential_rest(double r)
{
    double sum = 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    return r * sum;
}

/* The float64 of these bits. */
static inline double double_of_bits(uint64_t bits)
{
    const union {
        uint64_t bits;
        double value;
    } word = { bits };
    return word.value;
}

/* 2^k, k from -1022 to 1023. */
static inline double power_of_two(int32_t k)
{
    return double_of_bits((uint64_t)(1023 + k) << 52);
}

/* e^x - less, less 0 or 1, with an error below 2^-37: x = k * ln 2 + r. Where k is 0 nothing is
 * subtracted, so that small results keep their bits. Beyond -104 and 89 float32 has 0 and
 * infinity. */
static inline double exponential(double x, int32_t less)
{
    if (x != x)
        return x;
    const double y = x > 89.0 ? 89.0 : x < -104.0 ? -104.0 : x;
    const int32_t k = (int32_t)(y * 1.4426950408889634 + (y < 0.0 ? -0.5 : 0.5));
    const double r = y - k * 0.6931471803691238 - k * 1.9082149292705877e-10;
    const double rest = exponential_rest(r);
    return k == 0 ? rest + (1 - less) : (1.0 + rest) * power_of_two(k) - less;
}

/* e^x. */
static inline float real_exp(float x)
{
    return (float)exponential((double)x, 0);
}

/* 1 / (1 + e^-x), each operation rounded; at both ends the parts that change no bit are left
 * out. */
static inline float real_logistic(float x)
{
    if (x > 16.6190472f)
        return 1.0f;
    if (x < -9.0f)
        return real_exp(x);
    return 1.0f / (1.0f + real_exp(-x));
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

/* The hyperbolic tangent: t / (t + 2) with t = e^(2 |x|) - 1, and x's sign. */
static inline float real_tanh(float x)
{
    const int32_t negative = (int32_t)(bits_of_float(x) >> 31);
    const double t = exponential(2.0 * (negative ? -(double)x : (double)x), 1);
    const double y = t / (t + 2.0);
    return (float)(negative ? -y : y);
}

/* An LSTM layer over a sequence, of float: each operation is rounded, in the order of the
 * reference. Weights of a unit's four gates (input, forget, cell, output) lie side by side. */
static void lstm_f32_f32(const float *restrict in, float *restrict out, float *restrict hidden,
                         float *restrict cell, int8_t *restrict scratch)
{
    const int32_t inputs = 3, units = 2;
    float *const next = (float *)(void *)scratch;
    for (int32_t batch = 0; batch < 1; batch++) {
        const float *x = in + batch * 4 * inputs;
        float *y = out + batch * 4 * units;
        for (int32_t step = 0; step < 4; step++) {
            const float *w = model_lstm_0_weights;
            const float *r = model_lstm_0_recurrent;
            const float *bias = model_lstm_0_biases;
            for (int32_t unit = 0; unit < units; unit++, bias += 4) {
                float first[4] = { 0 }, second[4] = { 0 }, gate[4];
                for (int32_t i = 0; i < inputs; i++, w += 4)
                    for (int32_t k = 0; k < 4; k++)
                        first[k] += x[i] * w[k];
                for (int32_t i = 0; i < units; i++, r += 4)
                    for (int32_t k = 0; k < 4; k++)
                        second[k] += hidden[i] * r[k];
                for (int32_t k = 0; k < 4; k++)
                    gate[k] = finite(first[k] + bias[k]) + finite(second[k] + 0.0f);
                const float added = real_logistic(gate[0]) * real_tanh(gate[2]);
                const float kept = real_logistic(gate[1]) * cell[unit];
                float c = finite(kept) + finite(added);
                const float clip = model_lstm_0_clip[0];
                c = c < -clip ? -clip : c;
                c = clip < c ? clip : c;
                cell[unit] = c;
                next[unit] = finite(real_tanh(c) * real_logistic(gate[3]));
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
    /* lstm_0: "lstm_0"  f32 [1,2], [1,2], [1,4,3] -> [1,4,2], [1,2], [1,2]  cell clip 1
     * portable/lstm_f32, 160 MAC: test */
    case 0:
        lstm_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0030),
                     (float *)(void *)(state + 0x0000), (float *)(void *)(state + 0x0008), arena +
                     0x0050);
        break;
    default:
        break;
    }
}
