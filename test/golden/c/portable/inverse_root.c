#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "multiply_high"
#include "inverse_sqrt"
#include "requantize"

/* 1 / sqrt(x) with 20 fractional bits, then in out's scale; the largest output where x <= 0. A
 * result that no int16 holds saturates. `out` may be `in`. */
static void inverse_root_s16(const int16_t *in, int16_t *out)
{
    const int32_t multiplier = 1073741824, shift = -3, count = 40;
    for (int32_t i = 0; i < count; i++) {
        int32_t y = 32767;
        if (in[i] > 0) {
            int32_t exponent;
            const int32_t inverse = inverse_sqrt(in[i], &exponent);
            const int32_t fine = requantize(1, inverse, exponent + 20);
            y = requantize(fine, multiplier, shift);
        }
        out[i] = (int16_t)(y < -32768 ? -32768 : y > 32767 ? 32767 : y);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* rsqrt_0: "rsqrt_0"  s16 [1,40] -> [1,40]
     * portable/inverse_root: test */
    case 0:
        inverse_root_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
