#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "scale_operand"
#include "multiply_high"
#include "requantize"

struct add_s8_args {
    int8_t low;
};

/* out = a + b, both in a common scale (twice the larger one, with
 * 20 more bits), then in out's scale, clamped. Every product is exact and rounded where TensorFlow
 * Lite rounds. */
static void add_s8(const int8_t *a, const int8_t *b, int8_t *out,
                   const struct add_s8_args *restrict args)
{
    const int32_t a_zero_point = 3, a_multiplier = 1073741824, a_shift = 0;
    const int32_t b_zero_point = -7, b_multiplier = 1073741824, b_shift = 1;
    const int32_t out_multiplier = 1073741824, out_shift = -18;
    const int32_t low = args->low, high = 127;
    for (int32_t i = 0; i < 48; i++) {
        const int32_t x = scale_operand(a[i] - a_zero_point, a_multiplier, a_shift);
        const int32_t y = scale_operand(b[i] - b_zero_point, b_multiplier, b_shift);
        const int32_t sum = requantize(x + y, out_multiplier, out_shift) + 3;
        out[i] = (int8_t)(sum < low ? low : sum > high ? high : sum);
    }
}

static const struct add_s8_args model_add_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct add_s8_args model_add_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_0: "add_0"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]
     * portable/add: test */
    case 0:
        add_s8(arena + 0x0000, arena + 0x0030, arena + 0x0060, &model_add_0_args);
        break;
    /* add_1: "add_1"  s8 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]  relu
     * portable/add: test */
    case 1:
        add_s8(arena + 0x0060, arena + 0x0030, arena + 0x0090, &model_add_1_args);
        break;
    default:
        break;
    }
}
