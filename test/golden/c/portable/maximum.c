#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"

/* out = the greater of a and b. */
static void pairs_s8(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t low = -128, high = 127;
    const int32_t run_length = 48, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = 0;
    for (int32_t run = 0; run < 1; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t z = *a > *b ? *a : *b;
            *out++ = (int8_t)(z < low ? low : z > high ? high : z);
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* maximum_0: "maximum_0"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]
     * portable/maximum: test */
    case 0:
        pairs_s8(arena + 0x0000, arena + 0x0030, arena + 0x0060);
        break;
    default:
        break;
    }
}
