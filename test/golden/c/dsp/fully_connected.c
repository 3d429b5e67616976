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

struct fully_connected_s8_dsp_args {
    const uint32_t *weights;
    const int32_t *stage;
    uint16_t full;
    uint16_t end;
    uint8_t steps;
    uint8_t back;
    uint8_t depth;
};

/* The input is widened to int16 in scratch, then multiplied by four filters at a time. Its zero
 * point is folded into the biases. */
static void fully_connected_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch,
                                   const struct fully_connected_s8_dsp_args *restrict args)
{
    const struct filters filters = {
        .weights = args->weights,
        .full = args->weights + args->full,
        .end = args->weights + args->end,
        .stage = args->stage,
        .steps = args->steps,
        .offset = 0,
        .back = args->back,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;
    /* Taps are multiplied four at a time, so the last word may lie past them. */
    x[filters.steps - 1] = 0;
    widen_wide(x, 1, in, args->depth);
    multiply_row_twice(out, x, &filters);
}

static const struct fully_connected_s8_dsp_args model_fully_connected_0_args BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .stage = model_fully_connected_0_stage, .full = 256,
    .end = 384, .steps = 32, .back = 2, .depth = 64,
};

static const struct fully_connected_s8_dsp_args model_fully_connected_1_args BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .stage = model_fully_connected_1_stage, .full = 24,
    .end = 48, .steps = 6, .back = 3, .depth = 10,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * dsp/fully_connected, 640 MAC: test */
    case 0:
        fully_connected_s8_dsp(arena + 0x0000, arena + 0x0040, arena + 0x004c,
                               &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * dsp/fully_connected, 50 MAC: test */
    case 1:
        fully_connected_s8_dsp(arena + 0x0040, arena + 0x00cc, arena + 0x00d4,
                               &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
