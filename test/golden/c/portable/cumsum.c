#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "requantize"

/* Along each line the sums of the elements up to each. The runtime begins them
 * with an element 0, whatever the zero point, and lets them wrap. */
static void cumsum_s8_scaled(const int8_t *in, int8_t *out)
{
    const int32_t zero_point = 3;
    const int32_t multiplier = 1073741824, shift = -18;
    const int32_t depth = 5, inner = 3;
    for (int32_t block = 0; block < 2; block++) {
        for (int32_t i = 0; i < inner; i++) {
            uint32_t sum = (uint32_t)(-zero_point * 524288);
            int32_t at = i;
            for (int32_t left = depth; left > 0; left--) {
                sum += (uint32_t)((in[at] - zero_point) * 524288);
                const int32_t y = requantize((int32_t)sum, multiplier, shift) + 3;
                out[at] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
                at += inner;
            }
        }
        in += depth * inner;
        out += depth * inner;
    }
}

/* Along each line the sums of the elements before each. */
static void cumsum_f32_exclusive_real(const float *in, float *out)
{
    const int32_t depth = 4, inner = 1;
    for (int32_t block = 0; block < 2; block++) {
        for (int32_t i = 0; i < inner; i++) {
            float sum = 0;
            int32_t at = i;
            for (int32_t left = depth; left > 0; left--) {
                const float before = sum;
                sum += in[at];
                out[at] = before;
                at += inner;
            }
        }
        in += depth * inner;
        out += depth * inner;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* cumsum_0: "cumsum_0"  s8 [2,5,3] -> [2,5,3]  axis 1
     * portable/cumsum: test */
    case 0:
        cumsum_s8_scaled(arena + 0x0000, arena + 0x0040);
        break;
    /* cumsum_1: "cumsum_1"  f32 [2,4] -> [2,4]  axis 1 exclusive
     * portable/cumsum: test */
    case 1:
        cumsum_f32_exclusive_real((float *)(void *)(arena + 0x0020),
                                  (float *)(void *)(arena + 0x0060));
        break;
    default:
        break;
    }
}
