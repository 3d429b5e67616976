#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* For each index a vector of values[0], with values[1] at the index. */
static void one_hot_s8(const int32_t *indices, int8_t *restrict out)
{
    const int32_t *index = indices;
    const int8_t *const values = model_one_hot_0_values;
    const int32_t depth = 4, inner = 3;
    for (int32_t block = 0; block < 2; block++) {
        for (int32_t d = 0; d < depth; d++) {
            for (int32_t i = 0; i < inner; i++)
                *out++ = values[index[i] == d];
        }
        index += inner;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* one_hot_0: "one_hot_0"  s32 to s8 [2,3] -> [2,4,3]  axis 1 depth 4 on 127 off -128
     * portable/one_hot: test */
    case 0:
        one_hot_s8((int32_t *)(void *)(arena + 0x0000), arena + 0x0018);
        break;
    default:
        break;
    }
}
