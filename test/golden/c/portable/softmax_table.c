#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* exp(x - max) / sum along each row in float32, as desktop TensorFlow Lite computes it: a table of
 * the 256 possible exponentials, summed in order. Doubling is exact, so the last line rounds halves
 * up as round() does and no multiply-add can be fused into it. */
static void softmax_table_s8(const int8_t *restrict in, int8_t *restrict out)
{
    const float *exponentials = model_softmax_0_exponentials;
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += exponentials[largest - in[c]];
        const float scale = 1.0f / (sum * 0.00390625f);
        for (int32_t c = 0; c < depth; c++) {
            const int32_t twice = (int32_t)(exponentials[largest - in[c]] * scale * 2.0f);
            const int32_t y = ((twice + 1) >> 1) - 128;
            out[c] = (int8_t)(y > 127 ? 127 : y);
        }
    }
}

/* exp(x - max) / sum along each row in float32, as desktop TensorFlow Lite computes it: a table of
 * the 256 possible exponentials, summed in order. Doubling is exact, so the last line rounds halves
 * up as round() does and no multiply-add can be fused into it. */
static void softmax_table_s16_wide(const int8_t *restrict in, int16_t *restrict out)
{
    const float *exponentials = model_softmax_0_exponentials;
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += exponentials[largest - in[c]];
        const float scale = 1.0f / (sum * model_softmax_1_scale[0]);
        for (int32_t c = 0; c < depth; c++) {
            const int32_t twice = (int32_t)(exponentials[largest - in[c]] * scale * 2.0f);
            const int32_t y = ((twice + 1) >> 1) - 32768;
            out[c] = (int16_t)(y > 32767 ? 32767 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  s8 [1,10] -> [1,10]  beta 1 algorithm table
     * portable/softmax_table: test */
    case 0:
        softmax_table_s8(arena + 0x0000, arena + 0x000c);
        break;
    /* softmax_1: "softmax_1"  s8 to s16 [1,10] -> [1,10]  beta 1 algorithm table
     * portable/softmax_table: test */
    case 1:
        softmax_table_s16_wide(arena + 0x0000, (int16_t *)(void *)(arena + 0x0018));
        break;
    default:
        break;
    }
}
