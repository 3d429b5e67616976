#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "inverse_sqrt"
#include "requantize"
#include "float_of_bits"
#include "bits_of_float"
#include "real_sqrt"

/* x / sqrt(sum of x^2) along each row, in steps of 1/128. `out` may
 * be `in`. */
static void l2_normalization_s8(const int8_t *in, int8_t *out)
{
    const int32_t depth = 9;
    const int32_t zero_point = 3;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        int32_t sum = 0, shift;
        for (int32_t c = 0; c < depth; c++)
            sum += (in[c] - zero_point) * (in[c] - zero_point);
        const int32_t inverse = inverse_sqrt(sum, &shift);
        for (int32_t c = 0; c < depth; c++) {
            const int32_t y = requantize(in[c] - zero_point, inverse, shift + 7);
            out[c] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
        }
    }
}

/* x / sqrt(sum of x^2) along each row; the sum is taken in order, each product and sum rounded.
 * `out` may be `in`. */
static void l2_normalization_f32_real(const float *in, float *out)
{
    const int32_t depth = 7;
    for (int32_t row = 0; row < 3; row++, in += depth, out += depth) {
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += in[c] * in[c];
        const float root = real_sqrt(sum);
        const float norm = root < 1e-6f ? 1e-6f : root;
        for (int32_t c = 0; c < depth; c++)
            out[c] = in[c] / norm;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* l2_normalization_0: "l2_normalization_0"  s8 [2,9] -> [2,9]
     * portable/l2_normalization: test */
    case 0:
        l2_normalization_s8(arena + 0x0054, arena + 0x0068);
        break;
    /* l2_normalization_1: "l2_normalization_1"  f32 [3,7] -> [3,7]
     * portable/l2_normalization: test */
    case 1:
        l2_normalization_f32_real((float *)(void *)(arena + 0x0000),
                                  (float *)(void *)(arena + 0x007c));
        break;
    default:
        break;
    }
}
