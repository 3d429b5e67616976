#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "exponential_rest"
#include "double_of_bits"
#include "power_of_two"
#include "exponential"
#include "real_exp"
#include "float_of_bits"
#include "bits_of_double"
#include "normalize_double"
#include "logarithm_of_mantissa"
#include "real_log"

/* x - max - log of the sum of exp(x - max) along each row; the sum is taken in order. `out` may be
 * `in`. */
static void softmax_f32_f32(const float *in, float *out)
{
    const int32_t depth = 10;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++)
            sum += real_exp(in[c] - largest);
        const float logarithm = real_log(sum);
        for (int32_t c = 0; c < depth; c++)
            out[c] = in[c] - largest - logarithm;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* log_softmax_0: "log_softmax_0"  f32 [2,10] -> [2,10]  algorithm fixed
     * portable/log_softmax_f32: test */
    case 0:
        softmax_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
