#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* Whether any element is true, over any dimensions. Neighbouring dimensions that are
 * kept, or reduced, are merged, which leaves at most three of each kind. */
static void folding_bool(const uint8_t *restrict in, uint8_t *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 1; k1++) {
            for (int32_t k2 = 0; k2 < 10; k2++) {
                const uint8_t *first = in + k2 * 3;
                uint8_t result = 0;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const uint8_t *p = first;
                        for (int32_t r2 = 0; r2 < 3; r2++, p += 1)
                            result = *p != 0 ? 1 : result;
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
    /* reduce_any_0: "reduce_any_0"  bool [2,5,3] -> [2,5,1]  axes [2] keep dims
     * portable/reduce_any: test */
    case 0:
        folding_bool((uint8_t *)(void *)(arena + 0x0000), (uint8_t *)(void *)(arena + 0x0020));
        break;
    default:
        break;
    }
}
