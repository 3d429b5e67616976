#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "model_fully_connected_0_routine"

/* The routine, which is the nonzero weights as code, adds up each channel's products, and stores
 * its output. */
static void row_s8_thumb1(const int8_t *in, int8_t *out)
{
    model_fully_connected_0_routine(in, out, 0);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * thumb1/row, 640 MAC: test */
    case 0:
        row_s8_thumb1(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
