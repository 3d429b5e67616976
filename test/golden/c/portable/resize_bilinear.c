#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Each output lies between two rows and two columns of the input: `rows` and `columns` have the
 * first of the two and the share of the second, in 1024ths. The sum of the four weights is 2^20, so
 * a sum of weighted elements is within 2^27. It is rounded with halves away from zero. */
static void resize_bilinear_s8(const int8_t *restrict in, int8_t *restrict out)
{
    const uint16_t *const rows = model_resize_bilinear_0_rows;
    const uint16_t *const columns = model_resize_bilinear_0_rows;
    const int32_t channels = 3, row_step = 12;
    for (int32_t oy = 0; oy < 8; oy++) {
        const int32_t below = rows[2 * oy + 1];
        const int8_t *const row = in + rows[2 * oy] * row_step;
        const int32_t down = below > 0 ? row_step : 0;
        for (int32_t ox = 0; ox < 8; ox++) {
            const int32_t beside = columns[2 * ox + 1];
            const int8_t *p = row + columns[2 * ox] * channels;
            const int32_t right = beside > 0 ? channels : 0;
            const int32_t both = below * beside;
            const int32_t only_below = (below << 10) - both, only_beside = (beside << 10) - both;
            const int32_t rest = (1 << 20) - both - only_below - only_beside;
            for (int32_t c = 0; c < channels; c++, p++) {
                const int32_t sum = p[0] * rest + p[right] * only_beside + p[down] * only_below +
                    p[down + right] * both;
                *out++ = (int8_t)((sum + (1 << 19) + (sum >> 31)) >> 20);
            }
        }
    }
}

/* Each output lies between two rows and two columns of the input: `rows` and `columns` have the
 * first of the two and the share of the second, in 1024ths. The sum of the four weights is 2^20, so
 * a sum of weighted elements is within 2^35. It is rounded with halves away from zero. */
static void resize_bilinear_s16_wide(const int16_t *restrict in, int16_t *restrict out)
{
    const uint16_t *const rows = model_resize_bilinear_0_rows;
    const uint16_t *const columns = model_resize_bilinear_0_rows;
    const int32_t channels = 3, row_step = 12;
    for (int32_t oy = 0; oy < 8; oy++) {
        const int32_t below = rows[2 * oy + 1];
        const int16_t *const row = in + rows[2 * oy] * row_step;
        const int32_t down = below > 0 ? row_step : 0;
        for (int32_t ox = 0; ox < 8; ox++) {
            const int32_t beside = columns[2 * ox + 1];
            const int16_t *p = row + columns[2 * ox] * channels;
            const int32_t right = beside > 0 ? channels : 0;
            const int32_t both = below * beside;
            const int32_t only_below = (below << 10) - both, only_beside = (beside << 10) - both;
            const int32_t rest = (1 << 20) - both - only_below - only_beside;
            for (int32_t c = 0; c < channels; c++, p++) {
                const int64_t sum = (int64_t)p[0] * rest + (int64_t)p[right] * only_beside +
                    (int64_t)p[down] * only_below + (int64_t)p[down + right] * both;
                *out++ = (int16_t)((sum + (1 << 19) + (sum >> 63)) >> 20);
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* resize_bilinear_0: "resize_bilinear_0"  s8 [1,4,4,3] -> [1,8,8,3]  half pixel centers
     * portable/resize_bilinear: test */
    case 0:
        resize_bilinear_s8(arena + 0x0000, arena + 0x0090);
        break;
    /* resize_bilinear_1: "resize_bilinear_1"  s16 [1,4,4,3] -> [1,8,8,3]  half pixel centers
     * portable/resize_bilinear: test */
    case 1:
        resize_bilinear_s16_wide((int16_t *)(void *)(arena + 0x0030),
                                 (int16_t *)(void *)(arena + 0x0150));
        break;
    default:
        break;
    }
}
