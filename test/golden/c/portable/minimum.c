#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* out = the lesser of a and b. */
static void pairs_s8(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t low = -128, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    int32_t index[5] = {0};
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t z = *a < *b ? *a : *b;
            *out++ = (int8_t)(z < low ? low : z > high ? high : z);
            a += a_step;
            b += b_step;
        }
        for (int32_t d = 0; d < 2; d++) {
            a += model_minimum_0_a_turns[d];
            b += model_minimum_0_b_turns[d];
            if (++index[d] < model_minimum_0_extents[d])
                break;
            index[d] = 0;
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* minimum_0: "minimum_0"  s8 [1,4,4,3], [1,4,1,3] -> [1,4,4,3]
     * portable/minimum: test */
    case 0:
        pairs_s8(arena + 0x0000, arena + 0x0030, arena + 0x003c);
        break;
    default:
        break;
    }
}
