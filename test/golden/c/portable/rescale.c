#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

/* out = in in out's scale, saturated; below 0 with the leak's own scale. Every product is rounded
 * where TensorFlow Lite rounds. `out` may be `in`. */
static void rescale_s16_leaky(const int16_t *in, int16_t *out)
{
    const int32_t in_zero_point = 0, out_zero_point = 0;
    const int32_t multiplier = 1073741824, shift = 1;
    const int32_t below_multiplier = 1073741824, below_shift = -1;
    const int32_t low = -32768, high = 32767, count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (int32_t)((uint32_t)in[i] - (uint32_t)in_zero_point);
        const int32_t scaled = x >= 0 ? requantize(x, multiplier, shift)
                                      : requantize(x, below_multiplier, below_shift);
        /* Saturates before the zero point is added, so that no sum overflows. */
        const int64_t y = (int64_t)scaled + out_zero_point;
        out[i] = (int16_t)(y < low ? low : y > high ? high : y);
    }
}

/* out = in in out's scale, saturated. Every product is rounded where
 * TensorFlow Lite rounds. `out` may be `in`. */
static void rescale_s8(const int16_t *in, int8_t *out)
{
    const int32_t in_zero_point = 0, out_zero_point = 3;
    const int32_t multiplier = 1342177260, shift = -8;
    const int32_t low = -128, high = 127, count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (int32_t)((uint32_t)in[i] - (uint32_t)in_zero_point);
        const int32_t scaled = requantize(x, multiplier, shift);
        /* Saturates before the zero point is added, so that no sum overflows. */
        const int64_t y = (int64_t)scaled + out_zero_point;
        out[i] = (int8_t)(y < low ? low : y > high ? high : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* leaky_relu_0: "leaky_relu_0"  s16 [1,40] -> [1,40]  alpha 0.25 algorithm magnitude
     * portable/rescale: test */
    case 0:
        rescale_s16_leaky((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    /* quantize_1: "quantize_1"  s16 to s8 [1,40] -> [1,40]  algorithm scalar
     * portable/rescale: test */
    case 1:
        rescale_s8((int16_t *)(void *)(arena + 0x0050), arena + 0x00a0);
        break;
    default:
        break;
    }
}
