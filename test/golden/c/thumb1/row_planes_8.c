#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "model_fully_connected_0_routine"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "rescale_sums_started"
#include "row_s8_thumb1"

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * thumb1/row_planes_8, 640 MAC: test */
    case 0:
        row_s8_thumb1(arena + 0x0000, arena + 0x0040, arena + 0x004c);
        break;
    default:
        break;
    }
}
