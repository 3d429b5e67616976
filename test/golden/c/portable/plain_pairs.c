#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* out = a function of two elements, which stand for themselves. */
static void plain_pairs_f32_clamped_sum(const float *a, const float *b, float *out)
{
    const float low = model_add_0_bounds[0], high = model_add_0_bounds[1];
    const int32_t run_length = 48, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = 0;
    for (int32_t run = 0; run < 1; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const float x = *a, y = *b;
            const float z = x + y;
            *out++ = z < low ? low : z > high ? high : z;
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

/* out = a function of two elements, which stand for themselves. */
static void plain_pairs_f32_b_constant_maximum(const float *a, float *out)
{
    const float *b = model_maximum_1_b_data;
    const int32_t run_length = 3, a_step = 1, b_step = 1;
    const int32_t a_turn = 0, b_turn = -3;
    for (int32_t run = 0; run < 16; run++) {
        for (int32_t i = 0; i < run_length; i++) {
            const float x = *a, y = *b;
            const float z = x > y ? x : y;
            *out++ = z;
            a += a_step;
            b += b_step;
        }
        a += a_turn;
        b += b_turn;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* add_0: "add_0"  f32 [1,4,4,3], [1,4,4,3] -> [1,4,4,3]  relu6
     * portable/plain_pairs: test */
    case 0:
        plain_pairs_f32_clamped_sum((float *)(void *)(arena + 0x0000),
                                    (float *)(void *)(arena + 0x0000),
                                    (float *)(void *)(arena + 0x00c0));
        break;
    /* maximum_1: "maximum_1"  f32 [1,4,4,3] -> [1,4,4,3]
     * portable/plain_pairs: test */
    case 1:
        plain_pairs_f32_b_constant_maximum((float *)(void *)(arena + 0x00c0),
                                           (float *)(void *)(arena + 0x0180));
        break;
    default:
        break;
    }
}
