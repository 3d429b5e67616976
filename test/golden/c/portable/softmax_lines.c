#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "multiply_high"
#include "requantize"
#include "line_at"

/* Probabilities of each row, by lines between the entries of two tables: exp(x) and 1 / (1 + x).
 * The output holds the exponentials until their sum is known; it may be the input. */
static void softmax_lines_s16(const int16_t *in, int16_t *out)
{
    const int16_t *const exponentials = model_softmax_0_exponentials;
    const int32_t multiplier = 1717960704, shift = 1, depth = 10;
    for (int32_t row = 2; row > 0; row--, in += depth, out += depth) {
        int32_t largest = -32768;
        for (int32_t i = 0; i < depth; i++)
            largest = in[i] > largest ? in[i] : largest;
        int32_t total = 0;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t x = requantize(in[i] - largest, multiplier, shift) + 32767;
            out[i] = (int16_t)line_at(x < -32768 ? -32768 : x > 32767 ? 32767 : x, exponentials);
            total += out[i];
        }
        const uint32_t sum = (uint32_t)total;
        /* The sum from 1 to 2 as 16 fractional bits, less their middle. */
        int32_t zeros = 1;
        while (sum << zeros < 0x80000000u)
            zeros++;
        int32_t x = (int32_t)(((sum << (zeros - 1)) + (1u << 13)) >> 14) - (1 << 15) - (1 << 16);
        x = x < -32768 ? -32768 : x > 32767 ? 32767 : x;
        const int32_t reciprocal = line_at(x, model_softmax_0_reciprocals), right = 31 - zeros;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t y = (out[i] * reciprocal + (1 << (right - 1))) >> right;
            out[i] = (int16_t)(y < 0 ? 0 : y > 32767 ? 32767 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  s16 [2,10] -> [2,10]  beta 1 algorithm fixed
     * portable/softmax_lines: test */
    case 0:
        softmax_lines_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0028));
        break;
    default:
        break;
    }
}
