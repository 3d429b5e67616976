#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* The greatest element over any dimensions. Neighbouring dimensions that are kept, or reduced, are
 * merged, which leaves at most three of each kind. */
static void extreme_s8_maximum(const int8_t *restrict in, int8_t *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 48; k2++) {
                const int8_t *first = in + k2;
                int8_t found = *first;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int8_t *p = first;
                        for (int32_t r2 = 0; r2 < 6; r2++, p += 48) {
                            if (*p > found)
                                found = *p;
                        }
                    }
                }
                *out++ = found;
            }
        }
    }
}

/* The greatest element over any dimensions. Neighbouring dimensions that are kept, or reduced, are
 * merged, which leaves at most three of each kind. */
static void extreme_f32_maximum_real(const float *restrict in, float *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const float *first = in + k2 * 4;
                float found = -3.402823466e+38f;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 2; r1++) {
                        const float *p = first + r1 * 12;
                        for (int32_t r2 = 0; r2 < 4; r2++, p += 1) {
                            if (*p > found)
                                found = *p;
                        }
                    }
                }
                *out++ = found;
            }
        }
    }
}

/* The least element over any dimensions. Neighbouring dimensions that are kept, or reduced, are
 * merged, which leaves at most three of each kind. */
static void extreme_s8(const int8_t *restrict in, int8_t *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 1; k2++) {
                const int8_t *first = in;
                int8_t found = *first;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const int8_t *p = first;
                        for (int32_t r2 = 0; r2 < 48; r2++, p += 1) {
                            if (*p < found)
                                found = *p;
                        }
                    }
                }
                *out++ = found;
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* reduce_max_0: "reduce_max_0"  s8 [1,6,6,8] -> [1,6,8]  axes [1]
     * portable/extreme: test */
    case 0:
        extreme_s8_maximum(arena + 0x0000, arena + 0x0180);
        break;
    /* reduce_max_1: "reduce_max_1"  f32 [2,3,4] -> [3]  axes [0,2]
     * portable/extreme: test */
    case 1:
        extreme_f32_maximum_real((float *)(void *)(arena + 0x0120),
                                 (float *)(void *)(arena + 0x01b0));
        break;
    /* reduce_min_2: "reduce_min_2"  s8 [1,6,8] -> [1,1,1]  axes [1,2] keep dims
     * portable/extreme: test */
    case 2:
        extreme_s8(arena + 0x0180, arena + 0x01bc);
        break;
    default:
        break;
    }
}
