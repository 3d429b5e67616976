#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Copies the part over what lies in `out`, from the indices in `start` on, moved so that all
 * of it lies inside. Usually `out` is the tensor's own memory. */
static void update_slice_s8_nested(const int8_t *whole, const int8_t *part, const int8_t *start,
                                   int8_t *out)
{
    int8_t *to = out;
    if (out != whole)
        memcpy(out, whole, (size_t)60);
    const int32_t *const indices = (const int32_t *)(const void *)start;
    const int32_t *const limits = model_dynamic_update_slice_0_limits;
    const int32_t *const strides = model_dynamic_update_slice_0_strides;
    for (int32_t d = 0; d < 3; d++) {
        const int32_t index = indices[d] < 0 ? 0 : indices[d];
        to += (index < limits[d] ? index : limits[d]) * strides[d];
    }
    const int32_t *const extents = model_dynamic_update_slice_0_extents;
    const int32_t *const steps = model_dynamic_update_slice_0_steps;
    const int32_t run = 6;
    int32_t at[8] = { 0 };
    for (int32_t left = 2; left > 0; left--) {
        memcpy(to, part, (size_t)run);
        part += run;
        int32_t d = 0;
        while (++at[d] == extents[d])
            at[d++] = 0;
        to += steps[d];
    }
}

/* Copies the part over what lies in `out`. Usually `out` is the tensor's own memory. */
static void update_slice_s8_fixed(const int8_t *whole, const int8_t *part, int8_t *out)
{
    int8_t *to = out + 30;
    if (out != whole)
        memcpy(out, whole, (size_t)60);
    memcpy(to, part, (size_t)15);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* dynamic_update_slice_0: "dynamic_update_slice_0"  s8 [4,5,3], [2,2,3], [3] -> [4,5,3]
     * portable/update_slice: test */
    case 0:
        update_slice_s8_nested(arena + 0x000c, arena + 0x0048, arena + 0x0000, arena + 0x0064);
        break;
    /* dynamic_update_slice_1: "dynamic_update_slice_1"  s8 [4,5,3], [1,5,3] -> [4,5,3]
     * portable/update_slice: test */
    case 1:
        update_slice_s8_fixed(arena + 0x0064, arena + 0x0054, arena + 0x00a0);
        break;
    default:
        break;
    }
}
