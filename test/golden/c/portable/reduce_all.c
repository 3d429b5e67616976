#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* Whether all elements are true, over any dimensions. Neighbouring dimensions that are
 * kept, or reduced, are merged, which leaves at most three of each kind. */
static void folding_bool(const uint8_t *restrict in, uint8_t *restrict out)
{
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < 2; k1++) {
            for (int32_t k2 = 0; k2 < 3; k2++) {
                const uint8_t *first = in + k1 * 15 + k2;
                uint8_t result = 1;
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++) {
                        const uint8_t *p = first;
                        for (int32_t r2 = 0; r2 < 5; r2++, p += 3)
                            result = *p != 0 ? result : 0;
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
    /* reduce_all_0: "reduce_all_0"  bool [2,5,3] -> [2,3]  axes [1]
     * portable/reduce_all: test */
    case 0:
        folding_bool((uint8_t *)(void *)(arena + 0x0000), (uint8_t *)(void *)(arena + 0x0020));
        break;
    default:
        break;
    }
}
