#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "multiply_high"
#include "requantize"

/* out = a / b: a, shifted left until its sign has one bit, times the reciprocal of |b| with 31
 * bits, then in out's scale, clamped. */
static void pairs_s8_nested(const int8_t *a, const int8_t *b, int8_t *out)
{
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t *reciprocals = model_div_0_reciprocals;
    const int32_t multiplier = 1073741824, shift = 2;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    int32_t index[5] = {0};
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            int32_t x = *a - a_zero_point, y = *b - b_zero_point, right = -shift;
            if (y < 0) {
                x = -x;
                y = -y;
            }
            const int32_t reciprocal = reciprocals[y];
            for (; y > 1; y >>= 1)
                right++;
            for (x *= 1 << 22, right += 22; x != 0 && x < 1 << 30 && x >= -(1 << 30); x *= 2)
                right++;
            const int32_t quotient = requantize(x, reciprocal, 0);
            const int32_t z = (right > 31 ? 0 : requantize(quotient, multiplier, -right)) + 3;
            *out++ = (int8_t)(z < low ? low : z > high ? high : z);
            a += a_step;
            b += b_step;
        }
        for (int32_t d = 0; d < 2; d++) {
            a += model_div_0_a_turns[d];
            b += model_div_0_b_turns[d];
            if (++index[d] < model_div_0_extents[d])
                break;
            index[d] = 0;
        }
    }
}

/* out = a / b: a, shifted left until its sign has one bit, times the reciprocal of |b| with 31
 * bits, then in out's scale, clamped. */
static void pairs_s8_b_constant(const int8_t *a, int8_t *out)
{
    const int8_t *b = model_div_1_b_data;
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t *reciprocals = model_div_0_reciprocals;
    const int32_t multiplier = 1073741824, shift = 2;
    const int32_t low = -128, high = 127;
    const int32_t run_length = 48, a_step = 1, b_step = 0;
    const int32_t a_turn = 0, b_turn = 0;
    for (int32_t run = 0; run < 1; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            int32_t x = *a - a_zero_point, y = *b - b_zero_point, right = -shift;
            if (y < 0) {
                x = -x;
                y = -y;
            }
            const int32_t reciprocal = reciprocals[y];
            for (; y > 1; y >>= 1)
                right++;
            for (x *= 1 << 22, right += 22; x != 0 && x < 1 << 30 && x >= -(1 << 30); x *= 2)
                right++;
            const int32_t quotient = requantize(x, reciprocal, 0);
            const int32_t z = (right > 31 ? 0 : requantize(quotient, multiplier, -right)) + 3;
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
    /* div_0: "div_0"  s8 [1,4,4,3], [4,1,3] -> [1,4,4,3]
     * portable/div: test */
    case 0:
        pairs_s8_nested(arena + 0x0000, arena + 0x0030, arena + 0x003c);
        break;
    /* div_1: "div_1"  s8 [1,4,4,3] -> [1,4,4,3]
     * portable/div: test */
    case 1:
        pairs_s8_b_constant(arena + 0x003c, arena + 0x006c);
        break;
    default:
        break;
    }
}
