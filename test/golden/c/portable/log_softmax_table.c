#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "float_of_bits"
#include "bits_of_double"
#include "double_of_bits"
#include "normalize_double"
#include "logarithm_of_mantissa"
#include "real_log"

/* The greatest whole number that is not above x. */
static inline float real_floor(float x)
{
    /* From 2^23 on all numbers are whole; zeros keep their sign. */
    if (!(x < 8388608.0f && x > -8388608.0f) || x == 0.0f)
        return x;
    const float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

/* The nearest whole number, halves to the even one. */
static inline float real_round(float x)
{
    const float below = real_floor(x);
    const float rest = x - below;
    if (rest < 0.5f || (rest == 0.5f && (int32_t)below % 2 == 0))
        return below;
    return below + 1.0f;
}

/* x - log of the sum of exp(x) along each row in float, as desktop TensorFlow Lite computes it: a
 * table of the 256 possible exponentials, summed in order. `out` may be `in`. */
static void log_softmax_table_s8(const int8_t *in, int8_t *out)
{
    const float *const exponentials = model_log_softmax_0_exponentials;
    const float scale = model_log_softmax_0_scales[0], steps = model_log_softmax_0_scales[1];
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += exponentials[largest - in[c]];
        const float most = scale * (float)largest;
        const float offset = (most + real_log(sum)) * 16.0f;
        for (int32_t c = 0; c < depth; c++) {
            const float product = steps * (float)in[c];
            const float value = product - offset;
            out[c] = (int8_t)(value > -255.0f ? (int32_t)real_round(value) + 127 : -128);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* log_softmax_0: "log_softmax_0"  s8 [1,10] -> [1,10]  algorithm table
     * portable/log_softmax_table: test */
    case 0:
        log_softmax_table_s8(arena + 0x0000, arena + 0x000c);
        break;
    default:
        break;
    }
}
