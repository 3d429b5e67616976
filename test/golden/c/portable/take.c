#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Copies the parts of a table that indices name. An index outside takes the nearest part. */
static void take_s8_constant(const int8_t *indices, int8_t *restrict out)
{
    const int8_t *in = (const int8_t *)(const void *)model_take_0_table;
    const int32_t *index = (const int32_t *)(const void *)indices;
    const int32_t last = 9, count = 6, blocks = 1;
    const int32_t bytes = 4;
    for (int32_t batch = 0; batch < 1; batch++) {
        for (int32_t block = 0; block < blocks; block++) {
            for (int32_t i = 0; i < count; i++) {
                const int32_t part = index[i] < 0 ? 0 : index[i] > last ? last : index[i];
                memcpy(out, in + part * bytes, (size_t)bytes);
                out += bytes;
            }
            in += 40;
        }
        index += count;
    }
}

/* Copies the parts of `in` that indices name. An index outside takes the nearest part. */
static void take_s8_single(const int8_t *in, const int8_t *indices, int8_t *restrict out)
{
    const int32_t *index = (const int32_t *)(const void *)indices;
    const int32_t last = 3, count = 3, blocks = 6;
    for (int32_t batch = 0; batch < 1; batch++) {
        for (int32_t block = 0; block < blocks; block++) {
            for (int32_t i = 0; i < count; i++) {
                const int32_t part = index[i] < 0 ? 0 : index[i] > last ? last : index[i];
                *out++ = in[part];
            }
            in += 4;
        }
        index += count;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* take_0: "take_0"  s32 to s8 [6] -> [6,4]  axis 0 batch dims 0
     * portable/take: test */
    case 0:
        take_s8_constant(arena + 0x0000, arena + 0x0024);
        break;
    /* take_1: "take_1"  s8 [6,4], [3] -> [6,3]  axis 1 batch dims 0
     * portable/take: test */
    case 1:
        take_s8_single(arena + 0x0024, arena + 0x0018, arena + 0x003c);
        break;
    default:
        break;
    }
}
