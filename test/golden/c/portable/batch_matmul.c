#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"
#include "requantize_wide"

struct batch_matmul_s8_args {
    uint8_t columns;
    uint8_t depth;
    uint8_t a_across;
    uint8_t b_along;
    uint8_t b_across;
    uint8_t a_size;
    uint8_t b_size;
};

/* out = a * b for each matrix of a batch, four columns at a time. With x = a - a_zero_point the sum
 * of x * (b - b_zero_point) is that of x * b, minus b_zero_point times that of x: both stay within
 * 255 * 128 * depth < 2^31. */
static void batch_matmul_s8(const int8_t *a, const int8_t *b, int8_t *restrict out,
                            const struct batch_matmul_s8_args *restrict args)
{
    const int32_t columns = args->columns, depth = args->depth;
    const int32_t a_along = 1, a_across = args->a_across;
    const int32_t b_along = args->b_along, b_across = args->b_across;
    const int32_t a_zero_point = 3, b_zero_point = 3;
    const int32_t multiplier = 1073741824, shift = 0;
    for (int32_t batch = 0; batch < 2; batch++) {
        const int8_t *row = a + batch * args->a_size, *matrix = b + batch * args->b_size;
        for (int32_t i = 0; i < 6; i++, row += a_across) {
            for (int32_t j = 0; j < columns;) {
                const int8_t *x = row, *y = matrix + j * b_across;
                int32_t sums[4] = {0}, sum = 0;
                const int32_t lanes = columns - j < 4 ? 1 : 4;
                if (lanes == 4)
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along) {
                        const int32_t factor = *x - a_zero_point;
                        sum += factor;
                        sums[0] += factor * y[0];
                        sums[1] += factor * y[b_across];
                        sums[2] += factor * y[2 * b_across];
                        sums[3] += factor * y[3 * b_across];
                    }
                else
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along) {
                        const int32_t factor = *x - a_zero_point;
                        sum += factor;
                        sums[0] += factor * y[0];
                    }
                for (int32_t lane = 0; lane < lanes; lane++, j++) {
                    const int32_t z = requantize(sums[lane] - b_zero_point * sum, multiplier,
                                                 shift) + 3;
                    *out++ = (int8_t)(z < -128 ? -128 : z > 127 ? 127 : z);
                }
            }
        }
    }
}

/* out = a * b for each matrix of a batch, four columns at a time. A product of two int16 is at most
 * 2^30, their sum below 2^47. */
static void batch_matmul_s16_wide(const int16_t *a, const int16_t *b, int16_t *restrict out)
{
    const int32_t columns = 6, depth = 8;
    const int32_t a_along = 1, a_across = 8;
    const int32_t b_along = 1, b_across = 8;
    const int32_t multiplier = 16384, shift = 30;
    for (int32_t batch = 0; batch < 2; batch++) {
        const int16_t *row = a + batch * 48, *matrix = b + batch * 48;
        for (int32_t i = 0; i < 6; i++, row += a_across) {
            for (int32_t j = 0; j < columns;) {
                const int16_t *x = row, *y = matrix + j * b_across;
                int64_t sums[4] = {0};
                const int32_t lanes = columns - j < 4 ? 1 : 4;
                if (lanes == 4)
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along) {
                        const int32_t factor = *x;
                        sums[0] += factor * y[0];
                        sums[1] += factor * y[b_across];
                        sums[2] += factor * y[2 * b_across];
                        sums[3] += factor * y[3 * b_across];
                    }
                else
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along)
                        sums[0] += (int32_t)*x * *y;
                for (int32_t lane = 0; lane < lanes; lane++, j++) {
                    const int32_t z = requantize_wide(sums[lane], multiplier, shift);
                    *out++ = (int16_t)(z < -32768 ? -32768 : z > 32767 ? 32767 : z);
                }
            }
        }
    }
}

/* out = a * b for each matrix of a batch, four columns at a time. Each product and each sum is
 * rounded, in the order of the reference. */
static void batch_matmul_f32_real(const float *a, const float *b, float *restrict out)
{
    const int32_t columns = 6, depth = 8;
    const int32_t a_along = 1, a_across = 8;
    const int32_t b_along = 1, b_across = 8;
    for (int32_t batch = 0; batch < 2; batch++) {
        const float *row = a + batch * 48, *matrix = b + batch * 48;
        for (int32_t i = 0; i < 6; i++, row += a_across) {
            for (int32_t j = 0; j < columns;) {
                const float *x = row, *y = matrix + j * b_across;
                float sums[4] = {0};
                const int32_t lanes = columns - j < 4 ? 1 : 4;
                if (lanes == 4)
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along) {
                        const float factor = *x;
                        sums[0] += factor * y[0];
                        sums[1] += factor * y[b_across];
                        sums[2] += factor * y[2 * b_across];
                        sums[3] += factor * y[3 * b_across];
                    }
                else
                    for (int32_t k = 0; k < depth; k++, x += a_along, y += b_along)
                        sums[0] += *x * *y;
                for (int32_t lane = 0; lane < lanes; lane++, j++)
                    *out++ = sums[lane];
            }
        }
    }
}

static const struct batch_matmul_s8_args model_batch_matmul_0_args BONSAI_FLASH = {
    .columns = 6, .depth = 8, .a_across = 8, .b_along = 1, .b_across = 8, .a_size = 48,
    .b_size = 48,
};

static const struct batch_matmul_s8_args model_batch_matmul_1_args BONSAI_FLASH = {
    .columns = 3, .depth = 6, .a_across = 6, .b_along = 3, .b_across = 1, .a_size = 36, .b_size = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* batch_matmul_0: "batch_matmul_0"  s8 [2,6,8], [2,6,8] -> [2,6,6]  transpose b
     * portable/batch_matmul, 576 MAC: test */
    case 0:
        batch_matmul_s8(arena + 0x0000, arena + 0x0060, arena + 0x0554, &model_batch_matmul_0_args);
        break;
    /* batch_matmul_1: "batch_matmul_1"  s8 [2,6,6], [6,3] -> [2,6,3]
     * portable/batch_matmul, 216 MAC: test */
    case 1:
        batch_matmul_s8(arena + 0x0554, arena + 0x0240, arena + 0x059c, &model_batch_matmul_1_args);
        break;
    /* batch_matmul_2: "batch_matmul_2"  s16 [2,6,8], [2,6,8] -> [2,6,6]  transpose b
     * portable/batch_matmul, 576 MAC: test */
    case 2:
        batch_matmul_s16_wide((int16_t *)(void *)(arena + 0x00c0),
                              (int16_t *)(void *)(arena + 0x0180),
                              (int16_t *)(void *)(arena + 0x05c0));
        break;
    /* batch_matmul_3: "batch_matmul_3"  f32 [2,6,8], [2,6,8] -> [2,6,6]  transpose b
     * portable/batch_matmul, 576 MAC: test */
    case 3:
        batch_matmul_f32_real((float *)(void *)(arena + 0x0254), (float *)(void *)(arena + 0x03d4),
                              (float *)(void *)(arena + 0x0650));
        break;
    default:
        break;
    }
}
