#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* out = the nearest integer of in / scale, halves away from zero, plus the zero point, saturated.
 * NaN gives the least integer. */
static void quantize_s8(const float *in, int8_t *out)
{
    const int32_t low = -128, high = 127, out_zero_point = 3;
    const float scale = model_quantize_0_scale[0];
    for (int32_t i = 0; i < 40; i++) {
        const float steps = in[i] / scale;
        int32_t y = low;
        if (steps > -131072.0f && steps < 131072.0f) {
            /* Both differences are exact; steps + 0.5f would not be. */
            const int32_t whole = (int32_t)steps;
            const float rest = steps - (float)whole;
            y = whole + (rest >= 0.5f) - (rest <= -0.5f) + out_zero_point;
        } else if (steps > 0.0f) {
            y = high;
        }
        out[i] = (int8_t)(y < low ? low : y > high ? high : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* quantize_0: "quantize_0"  f32 to s8 [1,40] -> [1,40]  algorithm scalar
     * portable/quantize: test */
    case 0:
        quantize_s8((float *)(void *)(arena + 0x0000), arena + 0x00a0);
        break;
    default:
        break;
    }
}
