#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "high_stage"
#include "read_stage"
#include "high_output"
#include "sum_output"

/* Eight output channels at a time, two in a word: packed sums of a run of taps a, of all taps s,
 * their upper lanes h. Each run has left 2^15 in the lower lane, so that the upper one is exact.
 *
 * A word of weights has four channels b0 to b3, a byte each, plus 128. One sum has lanes b0 and b2.
 * The other one has b1, b2 and b3, 8 bits apart: when b2 is known, it is taken out. 128 times the
 * run's inputs is taken out of all lanes. Modulo 2^32 both are exact. */
static void fully_connected_s8_rv32(const int8_t *in, int8_t *out)
{
    const int32_t depth = 64, channels = 10;
    const uint32_t *w = model_fully_connected_0_weights;
    const uint8_t *runs = model_fully_connected_0_runs;
    const int32_t *constants = model_fully_connected_0_stage;
    const uint32_t bias = 1u << 15, even = 0xff00ff;

    for (int32_t first = 0; first < channels; first += 8) {
        uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, lower = 0;
        int32_t h0 = 0, h1 = 0, h2 = 0, h3 = 0;
        for (const int8_t *x = in, *const end = in + depth; x != end;) {
            const int32_t run = *runs++;
            int32_t v;
            uint32_t a0, a1, a2, a3, p, q, inputs;
            v = x[0];
            inputs = (uint32_t)v;
            p = w[2 * 0], q = w[2 * 0 + 1];
            a0 = bias + (p & even) * (uint32_t)v;
            a1 = bias + (p >> 8) * (uint32_t)v;
            a2 = bias + (q & even) * (uint32_t)v;
            a3 = bias + (q >> 8) * (uint32_t)v;
            switch (run) {
            case 16:
                v = x[15];
                inputs += (uint32_t)v;
                p = w[2 * 15], q = w[2 * 15 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 15:
                v = x[14];
                inputs += (uint32_t)v;
                p = w[2 * 14], q = w[2 * 14 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 14:
                v = x[13];
                inputs += (uint32_t)v;
                p = w[2 * 13], q = w[2 * 13 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 13:
                v = x[12];
                inputs += (uint32_t)v;
                p = w[2 * 12], q = w[2 * 12 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 12:
                v = x[11];
                inputs += (uint32_t)v;
                p = w[2 * 11], q = w[2 * 11 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 11:
                v = x[10];
                inputs += (uint32_t)v;
                p = w[2 * 10], q = w[2 * 10 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 10:
                v = x[9];
                inputs += (uint32_t)v;
                p = w[2 * 9], q = w[2 * 9 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 9:
                v = x[8];
                inputs += (uint32_t)v;
                p = w[2 * 8], q = w[2 * 8 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 8:
                v = x[7];
                inputs += (uint32_t)v;
                p = w[2 * 7], q = w[2 * 7 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 7:
                v = x[6];
                inputs += (uint32_t)v;
                p = w[2 * 6], q = w[2 * 6 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 6:
                v = x[5];
                inputs += (uint32_t)v;
                p = w[2 * 5], q = w[2 * 5 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 5:
                v = x[4];
                inputs += (uint32_t)v;
                p = w[2 * 4], q = w[2 * 4 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 4:
                v = x[3];
                inputs += (uint32_t)v;
                p = w[2 * 3], q = w[2 * 3 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 3:
                v = x[2];
                inputs += (uint32_t)v;
                p = w[2 * 2], q = w[2 * 2 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            case 2:
                v = x[1];
                inputs += (uint32_t)v;
                p = w[2], q = w[2 + 1];
                a0 += (p & even) * (uint32_t)v;
                a1 += (p >> 8) * (uint32_t)v;
                a2 += (q & even) * (uint32_t)v;
                a3 += (q >> 8) * (uint32_t)v;
                /* fall through */
            default:
                break;
            }
            a0 -= inputs * 0x800080;
            s0 += a0;
            v = (int32_t)a0 >> 16;
            h0 += v;
            a1 -= inputs * 0x808080 + ((uint32_t)v << 8);
            s1 += a1;
            h1 += (int32_t)a1 >> 16;
            a2 -= inputs * 0x800080;
            s2 += a2;
            v = (int32_t)a2 >> 16;
            h2 += v;
            a3 -= inputs * 0x808080 + ((uint32_t)v << 8);
            s3 += a3;
            h3 += (int32_t)a3 >> 16;
            lower += bias;
            x += run;
            w += 2 * run;
        }
        const uint32_t packed[4] = { s0, s1, s2, s3 };
        const int32_t upper[4] = { h0, h1, h2, h3 };
        for (int32_t i = 0; i < 4; i++) {
            const uint32_t high = (uint32_t)upper[i];
            if (first + 2 * i < channels)
                *out++ = sum_output(packed[i] - (high << 16) - lower, &constants);
            if (first + 2 * i + 1 < channels)
                *out++ = sum_output(high, &constants);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * rv32/fully_connected_bytes, 640 MAC: test */
    case 0:
        fully_connected_s8_rv32(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
