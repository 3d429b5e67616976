#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "dot4"
#include "output"
#include "output4"
#include "to_int8"
#include "multiply_high"
#include "requantize"
#include "store4"
#include "dot_few"

/* Multiplies rows of the input by rows of the weights: a fully connected layer, or a 1x1
 * convolution, whose rows are pixels.
 * Four output channels at once. If their number is not a multiple of four, the last four overlap
 * the four before.
 * The input's zero point is folded into the biases. A row is written before later rows are read,
 * so `out` may overlap `in` that far. */
static void fully_connected_s8(const int8_t *in, int8_t *out)
{
    const struct output4 output = { { -131, 124, 3 }, 4 };
    const int32_t depth = 64, out_c = 10;

    for (int32_t row = 1; row > 0; row--) {
        const uint32_t *weights = model_fully_connected_0_weights;
        const int32_t *stage = model_fully_connected_0_stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            const int32_t first = c + output.lanes > out_c ? out_c - output.lanes : c;
            int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
            dot4(acc, in, weights, depth);
            store4(out + first, acc, stage, &output);
            weights += depth;
            stage += 12;
        }
        in += depth;
        out += out_c;
    }
}

/* Multiplies rows of the input by rows of the weights: a fully connected layer, or a 1x1
 * convolution, whose rows are pixels.
 * Fewer than four output channels, each a row of bytes.
 * The input's zero point is folded into the biases. A row is written before later rows are read,
 * so `out` may overlap `in` that far. */
static void fully_connected_s8_few(const int8_t *in, int8_t *out)
{
    const struct output4 output = { { -131, 124, 3 }, 3 };
    const int32_t depth = 10, out_c = 3;

    for (int32_t row = 1; row > 0; row--) {
        const int8_t *weights = model_fully_connected_1_weights;
        const int32_t *stage = model_fully_connected_1_stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            const int32_t first = c + output.lanes > out_c ? out_c - output.lanes : c;
            int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
            dot_few(acc, in, weights, depth, depth, output.lanes);
            store4(out + first, acc, stage, &output);
            weights += depth;
            stage += 12;
        }
        in += depth;
        out += out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * portable/fully_connected, 640 MAC: test */
    case 0:
        fully_connected_s8(arena + 0x0000, arena + 0x0040);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,3]
     * portable/fully_connected, 30 MAC: test */
    case 1:
        fully_connected_s8_few(arena + 0x0040, arena + 0x004c);
        break;
    default:
        break;
    }
}
