#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "model_fully_connected_0_routine"
#include "high_stage"
#include "read_stage"
#include "high_output"
#include "sum_output"

/* The routine, which is the nonzero weights as code, adds up each channel's products. */
static void row_s8_rv32(const int8_t *in, int8_t *out)
{
    const int32_t channels = 10;
    const int32_t *constants = model_fully_connected_0_stage;
    int32_t sums[72];

    model_fully_connected_0_routine(in, sums, 0);
    for (int32_t i = 0; i < channels; i++)
        *out++ = sum_output((uint32_t)sums[i], &constants);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * rv32/row, 640 MAC: test */
    case 0:
        row_s8_rv32(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
