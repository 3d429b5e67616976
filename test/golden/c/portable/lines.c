#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "line_at"

/* A function by straight lines between 513 of its values. `out` may be `in`. */
static void lines_s16(const int16_t *in, int16_t *out)
{
    const int16_t *const table = model_exp_0_table;
    const int32_t count = 40;
    for (int32_t i = 0; i < count; i++)
        out[i] = (int16_t)line_at(in[i], table);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* exp_0: "exp_0"  s16 [1,40] -> [1,40]
     * portable/lines: test */
    case 0:
        lines_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
