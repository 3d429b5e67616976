#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "exponential_rest"
#include "double_of_bits"
#include "power_of_two"
#include "exponential"
#include "real_exp"

/* exp(x - max) / sum along each row; the sum is taken in order. The output holds the
 * exponentials until their sum is known. `out` may be `in`. */
static void softmax_f32_f32(const float *in, float *out)
{
    const int32_t depth = 10;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++) {
            out[c] = real_exp(in[c] - largest);
            sum += out[c];
        }
        for (int32_t c = 0; c < depth; c++)
            out[c] = out[c] / sum;
    }
}

/* exp(beta * (x - max)) / sum along each row; the sum is taken in order. The output holds the
 * exponentials until their sum is known. `out` may be `in`. */
static void softmax_f32_f32_scaled(const float *in, float *out)
{
    const int32_t depth = 10;
    const float beta = model_softmax_1_beta[0];
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++) {
            out[c] = real_exp((in[c] - largest) * beta);
            sum += out[c];
        }
        for (int32_t c = 0; c < depth; c++)
            out[c] = out[c] / sum;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  f32 [2,10] -> [2,10]  beta 1 algorithm fixed
     * portable/softmax_f32: test */
    case 0:
        softmax_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0050));
        break;
    /* softmax_1: "softmax_1"  f32 [2,10] -> [2,10]  beta 0.5 algorithm fixed
     * portable/softmax_f32: test */
    case 1:
        softmax_f32_f32_scaled((float *)(void *)(arena + 0x0050),
                               (float *)(void *)(arena + 0x00a0));
        break;
    default:
        break;
    }
}
