#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

struct mul_s8_args {
    int8_t low;
};

/* out = a * b. The product of two 9-bit differences is exact in 18 bits; it is then rescaled to
 * out's scale and clamped. */
static void mul_s8(const int8_t *a, const int8_t *b, int8_t *out,
                   const struct mul_s8_args *restrict args)
{
    const int32_t a_zero_point = 3, b_zero_point = -7;
    const int32_t multiplier = 1073741824, shift = -1;
    const int32_t low = args->low, high = 127;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = -3;
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const int32_t product = (*a - a_zero_point) * (*b - b_zero_point);
            const int32_t y = requantize(product, multiplier, shift) + 3;
            *out++ = (int8_t)(y < low ? low : y > high ? high : y);
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

static const struct mul_s8_args model_mul_0_args BONSAI_FLASH = {
    .low = -128,
};

static const struct mul_s8_args model_mul_1_args BONSAI_FLASH = {
    .low = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mul_0: "mul_0"  s8 [1,4,4,3], [1,1,1,3] -> [1,4,4,3]
     * portable/mul: test */
    case 0:
        mul_s8(arena + 0x0000, arena + 0x0030, arena + 0x0034, &model_mul_0_args);
        break;
    /* mul_1: "mul_1"  s8 [1,4,4,3], [1,1,1,3] -> [1,4,4,3]  relu
     * portable/mul: test */
    case 1:
        mul_s8(arena + 0x0034, arena + 0x0030, arena + 0x0064, &model_mul_1_args);
        break;
    default:
        break;
    }
}
