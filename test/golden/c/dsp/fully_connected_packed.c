#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "filters"
#include "load_word"
#include "widen_wide"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "smlad"
#include "multiply_sums"
#include "smmlar"
#include "saturate8"
#include "finish_twice"
#include "BONSAI_PLACE, another 2"

/* The input is widened to int16 in scratch, then multiplied by four filters at a time. Its zero
 * point is folded into the biases. */
static void fully_connected_s8_dsp_0(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = model_fully_connected_0_weights,
        .full = model_fully_connected_0_weights + 256,
        .end = model_fully_connected_0_weights + 384,
        .stage = model_fully_connected_0_stage,
        .steps = 32,
        .offset = 0,
        .back = 2,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;
    /* Taps are multiplied four at a time, so the last word may lie past them. */
    x[filters.steps - 1] = 0;
    widen_wide(x, 1, in, 64);
    multiply_row_twice(out, x, &filters);
}

/* The input is widened to int16 in scratch, then multiplied by four filters at a time. Its zero
 * point is folded into the biases. */
static void fully_connected_s8_dsp_1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = model_fully_connected_1_weights,
        .full = model_fully_connected_1_weights + 24,
        .end = model_fully_connected_1_weights + 48,
        .stage = model_fully_connected_1_stage,
        .steps = 6,
        .offset = 0,
        .back = 3,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;
    /* Taps are multiplied four at a time, so the last word may lie past them. */
    x[filters.steps - 1] = 0;
    widen_wide(x, 1, in, 10);
    multiply_row_twice(out, x, &filters);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * dsp/fully_connected_packed, 640 MAC: test */
    case 0:
        fully_connected_s8_dsp_0(arena + 0x0000, arena + 0x0040, arena + 0x004c);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * dsp/fully_connected_packed, 50 MAC: test */
    case 1:
        fully_connected_s8_dsp_1(arena + 0x0040, arena + 0x00cc, arena + 0x00d4);
        break;
    default:
        break;
    }
}
