#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Logistic function: a straight line between two of 256 values of the logistic function, as
 * TensorFlow Lite computes it. `out` may be `in`. */
static void curve_s16(const int16_t *in, int16_t *out)
{
    const uint16_t *const table = model_logistic_0_table;
    const int32_t multiplier = 3, half = 0, shift = 0;
    const int32_t count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (in[i] * multiplier + half) >> shift;
        const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
        const uint32_t at = magnitude >> 9;
        int32_t y = 0x7fff << 10;
        if (at < 255) {
            const int32_t from = table[at], to = table[at + 1];
            y = (from << 9) + (int32_t)(magnitude & 0x1ff) * (to - from);
        }
        out[i] = (int16_t)((x >= 0 ? y + 512 : (1 << 25) - y + 511) >> 10);
    }
}

/* Hyperbolic tangent: a straight line between two of 256 values of the logistic function, as
 * TensorFlow Lite computes it. `out` may be `in`. */
static void curve_s16_tanh(const int16_t *in, int16_t *out)
{
    const uint16_t *const table = model_logistic_0_table;
    const int32_t multiplier = 24576, half = 32768, shift = 16;
    const int32_t count = 40;
    for (int32_t i = 0; i < count; i++) {
        const int32_t x = (in[i] * multiplier + half) >> shift;
        const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
        const uint32_t at = magnitude >> 8;
        int32_t y = 0xffff << 8;
        if (at < 255) {
            const int32_t from = table[at], to = table[at + 1];
            y = (from << 8) + (int32_t)(magnitude & 0xff) * (to - from);
        }
        out[i] = (int16_t)((x >= 0 ? y - (1 << 23) + 128 : (1 << 23) - y + 127) >> 8);
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* logistic_0: "logistic_0"  s16 [1,40] -> [1,40]  algorithm fixed
     * portable/curve: test */
    case 0:
        curve_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0050));
        break;
    /* tanh_1: "tanh_1"  s16 [1,40] -> [1,40]  algorithm fixed
     * portable/curve: test */
    case 1:
        curve_s16_tanh((int16_t *)(void *)(arena + 0x0050), (int16_t *)(void *)(arena + 0x00a0));
        break;
    default:
        break;
    }
}
