#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Each output lies between two rows and two columns of the input. Each product and sum is rounded,
 * in the order of the reference: before the first pixel a share is below zero, and the last sum
 * makes -0 a 0. */
static void resize_bilinear_f32_f32(const float *restrict in, float *restrict out)
{
    const uint16_t *const rows = model_resize_bilinear_0_rows;
    const uint16_t *const columns = model_resize_bilinear_0_rows;
    const float *const row_shares = model_resize_bilinear_0_row_shares;
    const float *const column_shares = model_resize_bilinear_0_row_shares;
    const int32_t channels = 3, row_step = 12;
    for (int32_t oy = 0; oy < 8; oy++) {
        const float below = row_shares[oy], above = 1.0f - below;
        const float *const upper = in + rows[2 * oy] * row_step;
        const float *const lower = in + rows[2 * oy + 1] * row_step;
        for (int32_t ox = 0; ox < 8; ox++) {
            const float right = column_shares[ox], left = 1.0f - right;
            const int32_t first = columns[2 * ox] * channels, next = columns[2 * ox + 1] * channels;
            for (int32_t c = 0; c < channels; c++) {
                const float of_left = upper[first + c] * above * left + lower[first + c] * below *
                    left;
                const float three = of_left + upper[next + c] * above * right;
                *out++ = three + lower[next + c] * below * right + 0.0f;
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* resize_bilinear_0: "resize_bilinear_0"  f32 [1,4,4,3] -> [1,8,8,3]  half pixel centers
     * portable/resize_bilinear_f32: test */
    case 0:
        resize_bilinear_f32_f32((float *)(void *)(arena + 0x0000),
                                (float *)(void *)(arena + 0x00c0));
        break;
    default:
        break;
    }
}
