#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* out = the real value of in: scale * (in - zero point), rounded once. */
static void dequantize_f32(const int8_t *in, float *out)
{
    const int32_t in_zero_point = 3;
    const float scale = model_dequantize_0_scale[0];
    for (int32_t i = 0; i < 40; i++)
        out[i] = scale * (float)(in[i] - in_zero_point);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* dequantize_0: "dequantize_0"  s8 to f32 [1,40] -> [1,40]
     * portable/dequantize: test */
    case 0:
        dequantize_f32(arena + 0x0000, (float *)(void *)(arena + 0x0028));
        break;
    default:
        break;
    }
}
