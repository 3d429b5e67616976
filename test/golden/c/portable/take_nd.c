#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Copies the parts of a table that vectors of indices name. An index outside takes the nearest. */
static void take_nd_s8_constant(const int8_t *indices, int8_t *restrict out)
{
    const int8_t *in = (const int8_t *)(const void *)model_take_nd_0_table;
    const int32_t *index = (const int32_t *)(const void *)indices;
    const int32_t *const lasts = model_take_nd_0_lasts;
    const int32_t *const strides = model_take_nd_0_strides;
    const int32_t count = 6, depth = 2, bytes = 4;
    for (int32_t i = 0; i < count; i++) {
        const int8_t *from = in;
        for (int32_t d = 0; d < depth; d++) {
            const int32_t at = index[d] < 0 ? 0 : index[d] > lasts[d] ? lasts[d] : index[d];
            from += at * strides[d];
        }
        index += depth;
        memcpy(out, from, (size_t)bytes);
        out += bytes;
    }
}

/* Copies the parts of `in` that vectors of indices name. An index outside takes the nearest. */
static void take_nd_s8(const int8_t *in, const int8_t *indices, int8_t *restrict out)
{
    const int32_t *index = (const int32_t *)(const void *)indices;
    const int32_t *const lasts = model_take_nd_1_lasts;
    const int32_t *const strides = model_take_nd_1_strides;
    const int32_t count = 6, depth = 1, bytes = 4;
    for (int32_t i = 0; i < count; i++) {
        const int8_t *from = in;
        for (int32_t d = 0; d < depth; d++) {
            const int32_t at = index[d] < 0 ? 0 : index[d] > lasts[d] ? lasts[d] : index[d];
            from += at * strides[d];
        }
        index += depth;
        memcpy(out, from, (size_t)bytes);
        out += bytes;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* take_nd_0: "take_nd_0"  s32 to s8 [6,2] -> [6,4]
     * portable/take_nd: test */
    case 0:
        take_nd_s8_constant(arena + 0x0000, arena + 0x0048);
        break;
    /* take_nd_1: "take_nd_1"  s8 [6,4], [6,1] -> [6,4]
     * portable/take_nd: test */
    case 1:
        take_nd_s8(arena + 0x0048, arena + 0x0030, arena + 0x0060);
        break;
    default:
        break;
    }
}
