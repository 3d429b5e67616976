#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

/* Sum over any dimensions. Neighbouring dimensions that are kept, or summed, are merged, which
 * leaves at most three of each kind.
 */
static void mean_s8_fixed(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t multiplier = 1073741824, shift = 1;
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const int8_t *first = in + k2;
                int32_t sum = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int8_t *p = first;
                        for (int32_t r2 = 0; r2 < 16; r2++, p += 3)
                            sum += *p;
                    }
                }
                const int32_t y = requantize(sum - 48, multiplier, shift) + 3;
                *out++ = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
            }
        }
    }
}

/* Sum over any dimensions. Neighbouring dimensions that are kept, or summed, are merged, which
 * leaves at most three of each kind.
 * Elements are added in their order, each sum rounded to float.
 */
static void mean_f32_real(const float *restrict in, float *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 2; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const float *first = in + k1 * 36 + k2;
                float sum = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const float *p = first;
                        for (int32_t r2 = 0; r2 < 12; r2++, p += 3)
                            sum += *p;
                    }
                }
                *out++ = sum;
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* reduce_sum_0: "reduce_sum_0"  s8 [1,4,4,3] -> [1,1,1,3]  axes [1,2] keep dims algorithm
     * fixed
     * portable/reduce_sum: test */
    case 0:
        mean_s8_fixed(arena + 0x0000, arena + 0x0150);
        break;
    /* reduce_sum_1: "reduce_sum_1"  f32 [2,3,4,3] -> [2,1,1,3]  axes [1,2] keep dims algorithm
     * fixed
     * portable/reduce_sum: test */
    case 1:
        mean_f32_real((float *)(void *)(arena + 0x0030), (float *)(void *)(arena + 0x0154));
        break;
    default:
        break;
    }
}
