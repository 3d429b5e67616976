#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* out = x where the condition holds, y elsewhere. Between runs an odometer of dimensions counts. */
static void select_f32(const uint8_t *condition, const float *x, const float *y, float *out)
{
    const int32_t run_length = 3, a_step = 0, b_step = 1, c_step = 1;
    int32_t index[6] = {0};
    for (int32_t run = 0; run < 8; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            *out++ = *condition != 0 ? *x : *y;
            condition += a_step;
            x += b_step;
            y += c_step;
        }
        for (int32_t d = 0; d < 2; d++) {
            condition += model_select_0_a_turns[d];
            x += model_select_0_b_turns[d];
            y += model_select_0_c_turns[d];
            if (++index[d] < model_select_0_extents[d])
                break;
            index[d] = 0;
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* select_0: "select_0"  bool to f32 [4,1], [2,4,3], [3] -> [2,4,3]
     * portable/select: test */
    case 0:
        select_f32((uint8_t *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0004),
                   (float *)(void *)(arena + 0x0064), (float *)(void *)(arena + 0x0070));
        break;
    default:
        break;
    }
}
