#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

/* out = (a - b)^2: both in a common scale (twice the larger one, with 7 more bits), then their
 * squared difference in out's scale, clamped. |a - b| <= 255 * 2^7, so the square is an int32. */
static void pairs_s8(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t a_multiplier = 1073741824, a_shift = 0;
    const int32_t b_multiplier = 1073741824, b_shift = 0;
    const int32_t out_multiplier = 1145324612, out_shift = -19;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 8, a_step = 1, b_step = 0;
    const int32_t a_turn = 0, b_turn = 1;
    for (int32_t run = 0; run < 4; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t x = requantize((*a - a_zero_point) * 128, a_multiplier, a_shift);
            const int32_t y = requantize((*b - b_zero_point) * 128, b_multiplier, b_shift);
            const int32_t z = requantize((x - y) * (x - y), out_multiplier, out_shift) + -128;
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
    /* squared_difference_0: "squared_difference_0"  s8 [1,4,8], [1,4,1] -> [1,4,8]
     * portable/squared_difference: test */
    case 0:
        pairs_s8(arena + 0x0000, arena + 0x0020, arena + 0x0024);
        break;
    default:
        break;
    }
}
