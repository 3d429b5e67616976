#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The index of the greatest element along a dimension whose elements are `inner` apart; the first
 * of equal ones. */
static void arg_extreme_s32_maximum(const int8_t *restrict in, int32_t *restrict out)
{
    const int32_t extent = 9, inner = 1;
    for (int32_t o = 0; o < 4; o++, in += extent * inner) {
        for (int32_t i = 0; i < inner; i++) {
            const int8_t *p = in + i;
            int8_t found = *p;
            int32_t place = 0;
            for (int32_t k = 1; k < extent; k++) {
                p += inner;
                if (*p > found) {
                    found = *p;
                    place = k;
                }
            }
            *out++ = place;
        }
    }
}

/* The index of the least element along a dimension whose elements are `inner` apart; the first of
 * equal ones. */
static void arg_extreme_s32(const float *restrict in, int32_t *restrict out)
{
    const int32_t extent = 7, inner = 2;
    for (int32_t o = 0; o < 3; o++, in += extent * inner) {
        for (int32_t i = 0; i < inner; i++) {
            const float *p = in + i;
            float found = *p;
            int32_t place = 0;
            for (int32_t k = 1; k < extent; k++) {
                p += inner;
                if (*p < found) {
                    found = *p;
                    place = k;
                }
            }
            *out++ = place;
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* arg_extreme_0: "arg_extreme_0"  s8 to s32 [4,9] -> [4]  axis 1 function max
     * portable/arg_extreme: test */
    case 0:
        arg_extreme_s32_maximum(arena + 0x0000, (int32_t *)(void *)(arena + 0x00cc));
        break;
    /* arg_extreme_1: "arg_extreme_1"  f32 to s32 [3,7,2] -> [3,2]  axis 1 function min
     * portable/arg_extreme: test */
    case 1:
        arg_extreme_s32((float *)(void *)(arena + 0x0024), (int32_t *)(void *)(arena + 0x00dc));
        break;
    default:
        break;
    }
}
