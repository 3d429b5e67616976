#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "exponential_rest"
#include "double_of_bits"
#include "power_of_two"
#include "exponential"
#include "real_exp"

/* out = a function of each element, which stands for itself. `out` may be `in`. */
static void plain_f32_leaky_relu(const float *in, float *out)
{
    const int32_t count = 48;
    for (int32_t i = 0; i < count; i++) {
        const float x = in[i];
        out[i] = x > 0.0f ? x : x * 0.100000001f;
    }
}

/* out = a function of each element, which stands for itself. `out` may be `in`. */
static void plain_f32_exp(const float *in, float *out)
{
    const int32_t count = 48;
    for (int32_t i = 0; i < count; i++) {
        const float x = in[i];
        out[i] = real_exp(x);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* leaky_relu_0: "leaky_relu_0"  f32 [1,4,4,3] -> [1,4,4,3]  alpha 0.10000000149011612
     * algorithm magnitude
     * portable/plain: test */
    case 0:
        plain_f32_leaky_relu((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x00c0));
        break;
    /* exp_1: "exp_1"  f32 [1,4,4,3] -> [1,4,4,3]
     * portable/plain: test */
    case 1:
        plain_f32_exp((float *)(void *)(arena + 0x00c0), (float *)(void *)(arena + 0x0180));
        break;
    default:
        break;
    }
}
