#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "state_words"

/* Infinities become the greatest floats, as in TensorFlow Lite without an activation; NaN stays. */
static inline float finite(float x)
{
    const float y = x < -3.402823466e+38f ? -3.402823466e+38f : x;
    return 3.402823466e+38f < y ? 3.402823466e+38f : y;
}

#include "exponential_rest"
#include "double_of_bits"
#include "power_of_two"
#include "exponential"
#include "real_exp"

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

#include "bits_of_float"

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
