#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "multiply_high"
#include "reciprocal"
#include "requantize"

/* exp(x - max) / sum along each row in fixed point, as TensorFlow Lite Micro computes it. A table
 * holds the exponentials (Q0.31) of the 256 possible differences; their sum is Q12.19, and three
 * Newton-Raphson steps give its reciprocal. */
static void softmax_s8(const int8_t *restrict in, int8_t *restrict out)
{
    const int32_t *exponentials = model_softmax_0_exponentials;
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        uint32_t sum = 0;
        for (int32_t c = 0; c < depth; c++)
            sum += ((uint32_t)exponentials[largest - in[c]] + 2048u) >> 12;
        /* sum = s * 2^(bits + 19) with 1 <= s < 2; its top bit moves to bit 31. */
        int32_t bits = 12;
        while (sum < 0x80000000u) {
            sum <<= 1;
            bits--;
        }
        int32_t share = reciprocal((int32_t)(sum >> 1));
        if (bits > 8) {
            /* Every probability is below 1/512 and rounds to 0 (TensorFlow Lite Micro aborts). */
            bits = 8;
            share = 0;
        }
        for (int32_t c = 0; c < depth; c++) {
            const int32_t e = exponentials[largest - in[c]];
            const int32_t y = requantize(e, share, -23 - bits) - 128;
            out[c] = (int8_t)(y > 127 ? 127 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  s8 [1,10] -> [1,10]  beta 1 algorithm fixed
     * portable/softmax: test */
    case 0:
        softmax_s8(arena + 0x0000, arena + 0x000c);
        break;
    default:
        break;
    }
}
