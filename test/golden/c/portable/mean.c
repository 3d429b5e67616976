#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

struct mean_s8_args {
    int32_t multiplier;
    uint8_t sum_offset;
    int8_t shift;
    uint8_t kept_2;
    uint8_t kept_stride_2;
    uint8_t mean_2;
};

/* Mean over any dimensions. Neighbouring dimensions that are kept, or summed, are merged, which
 * leaves at most three of each kind.
 * The multiplier includes 1 / (number of elements), so there is no division.
 */
static void mean_s8(const int8_t *restrict in, int8_t *restrict out,
                    const struct mean_s8_args *restrict args)
{
    const int32_t multiplier = args->multiplier, shift = args->shift;
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < args->kept_2; k2++) {
                const int8_t *first = in + k2 * args->kept_stride_2;
                int32_t sum = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int8_t *p = first;
                        for (int32_t r2 = 0; r2 < args->mean_2; r2++, p += 1)
                            sum += *p;
                    }
                }
                const int32_t y = requantize(sum - args->sum_offset, multiplier, shift) + 3;
                *out++ = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
            }
        }
    }
}

static const struct mean_s8_args model_mean_0_args BONSAI_FLASH = {
    .multiplier = 1073741824, .sum_offset = 24, .shift = -2, .kept_2 = 36, .kept_stride_2 = 8,
    .mean_2 = 8,
};

static const struct mean_s8_args model_mean_1_args BONSAI_FLASH = {
    .multiplier = 954437176, .sum_offset = 108, .shift = -4, .kept_2 = 1, .kept_stride_2 = 0,
    .mean_2 = 36,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mean_0: "mean_0"  s8 [1,6,6,8] -> [1,6,6,1]  axes [3] keep dims algorithm general
     * portable/mean: test */
    case 0:
        mean_s8(arena + 0x0000, arena + 0x0120, &model_mean_0_args);
        break;
    /* mean_1: "mean_1"  s8 [1,6,6,1] -> [1,1,1,1]  axes [1,2] keep dims algorithm general
     * portable/mean: test */
    case 1:
        mean_s8(arena + 0x0120, arena + 0x0144, &model_mean_1_args);
        break;
    default:
        break;
    }
}
