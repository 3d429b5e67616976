#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "multiply_high"
#include "requantize"

/* out = a where a >= 0, b * a below, each rescaled to out's scale and clamped. */
static void pairs_s8(const int8_t *a, int8_t *out)
{
    const int8_t *b = model_prelu_0_b_data;
    const int32_t a_zero_point = 3, b_zero_point = 0;
    const int32_t multiplier = 1073741824, shift = 1;
    const int32_t slope_multiplier = 1073741824, slope_shift = -6;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = -3;
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t x = *a - a_zero_point;
            const int32_t product = x < 0 ? x * (*b - b_zero_point) : x;
            const int32_t z = requantize(product, x < 0 ? slope_multiplier : multiplier, x < 0
                                         ? slope_shift : shift) + 3;
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
    /* prelu_0: "prelu_0"  s8 [1,4,4,3] -> [1,4,4,3]
     * portable/prelu: test */
    case 0:
        pairs_s8(arena + 0x0000, arena + 0x0030);
        break;
    default:
        break;
    }
}
