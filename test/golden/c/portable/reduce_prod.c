#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The product of the elements, over any dimensions. Neighbouring dimensions that are
 * kept, or reduced, are merged, which leaves at most three of each kind. */
static void folding_f32(const float *restrict in, float *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 2; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const float *first = in + k1 * 15 + k2;
                float result = 1;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const float *p = first;
                        for (int32_t r2 = 0; r2 < 5; r2++, p += 3)
                            result *= *p;
                    }
                }
                *out++ = result;
            }
        }
    }
}

/* The product of the elements, over any dimensions. Neighbouring dimensions that are
 * kept, or reduced, are merged, which leaves at most three of each kind. */
static void folding_s32_whole(const int32_t *restrict in, int32_t *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 2; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const int32_t *first = in + k1 * 15 + k2;
                int32_t result = 1;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int32_t *p = first;
                        for (int32_t r2 = 0; r2 < 5; r2++, p += 3)
                            result = (int32_t)((uint32_t)result * (uint32_t)*p);
                    }
                }
                *out++ = result;
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* reduce_prod_0: "reduce_prod_0"  f32 [2,5,3] -> [2,1,3]  axes [1] keep dims
     * portable/reduce_prod: test */
    case 0:
        folding_f32((float *)(void *)(arena + 0x0078), (float *)(void *)(arena + 0x00f0));
        break;
    /* reduce_prod_1: "reduce_prod_1"  s32 [2,5,3] -> [2,1,3]  axes [1] keep dims
     * portable/reduce_prod: test */
    case 1:
        folding_s32_whole((int32_t *)(void *)(arena + 0x0000), (int32_t *)(void *)(arena + 0x0108));
        break;
    default:
        break;
    }
}
