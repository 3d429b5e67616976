#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "high_stage"
#include "read_stage"
#include "high_output"
#include "sum_output"

/* Eight output channels at a time, two in a word: packed sums of a run of taps a, of all taps s,
 * their upper lanes h. Each run has left 2^15 in the lower lane, so that the upper one is exact. */
static void fully_connected_s8_rv32(const int8_t *in, int8_t *out)
{
    const int32_t depth = 64, channels = 10;
    const uint32_t *w = model_fully_connected_0_weights;
    const uint8_t *runs = model_fully_connected_0_runs;
    const int32_t *constants = model_fully_connected_0_stage;
    const uint32_t bias = 1u << 15;

    for (int32_t first = 0; first < channels; first += 8) {
        uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, lower = 0;
        int32_t h0 = 0, h1 = 0, h2 = 0, h3 = 0;
        for (const int8_t *x = in, *const end = in + depth; x != end;) {
            const int32_t run = *runs++;
            int32_t v;
            uint32_t a0, a1, a2, a3;
            v = x[0];
            a0 = bias + w[4 * 0] * (uint32_t)v;
            a1 = bias + w[4 * 0 + 1] * (uint32_t)v;
            a2 = bias + w[4 * 0 + 2] * (uint32_t)v;
            a3 = bias + w[4 * 0 + 3] * (uint32_t)v;
            switch (run) {
            case 16:
                v = x[15];
                a0 += w[4 * 15] * (uint32_t)v;
                a1 += w[4 * 15 + 1] * (uint32_t)v;
                a2 += w[4 * 15 + 2] * (uint32_t)v;
                a3 += w[4 * 15 + 3] * (uint32_t)v;
                /* fall through */
            case 15:
                v = x[14];
                a0 += w[4 * 14] * (uint32_t)v;
                a1 += w[4 * 14 + 1] * (uint32_t)v;
                a2 += w[4 * 14 + 2] * (uint32_t)v;
                a3 += w[4 * 14 + 3] * (uint32_t)v;
                /* fall through */
            case 14:
                v = x[13];
                a0 += w[4 * 13] * (uint32_t)v;
                a1 += w[4 * 13 + 1] * (uint32_t)v;
                a2 += w[4 * 13 + 2] * (uint32_t)v;
                a3 += w[4 * 13 + 3] * (uint32_t)v;
                /* fall through */
            case 13:
                v = x[12];
                a0 += w[4 * 12] * (uint32_t)v;
                a1 += w[4 * 12 + 1] * (uint32_t)v;
                a2 += w[4 * 12 + 2] * (uint32_t)v;
                a3 += w[4 * 12 + 3] * (uint32_t)v;
                /* fall through */
            case 12:
                v = x[11];
                a0 += w[4 * 11] * (uint32_t)v;
                a1 += w[4 * 11 + 1] * (uint32_t)v;
                a2 += w[4 * 11 + 2] * (uint32_t)v;
                a3 += w[4 * 11 + 3] * (uint32_t)v;
                /* fall through */
            case 11:
                v = x[10];
                a0 += w[4 * 10] * (uint32_t)v;
                a1 += w[4 * 10 + 1] * (uint32_t)v;
                a2 += w[4 * 10 + 2] * (uint32_t)v;
                a3 += w[4 * 10 + 3] * (uint32_t)v;
                /* fall through */
            case 10:
                v = x[9];
                a0 += w[4 * 9] * (uint32_t)v;
                a1 += w[4 * 9 + 1] * (uint32_t)v;
                a2 += w[4 * 9 + 2] * (uint32_t)v;
                a3 += w[4 * 9 + 3] * (uint32_t)v;
                /* fall through */
            case 9:
                v = x[8];
                a0 += w[4 * 8] * (uint32_t)v;
                a1 += w[4 * 8 + 1] * (uint32_t)v;
                a2 += w[4 * 8 + 2] * (uint32_t)v;
                a3 += w[4 * 8 + 3] * (uint32_t)v;
                /* fall through */
            case 8:
                v = x[7];
                a0 += w[4 * 7] * (uint32_t)v;
                a1 += w[4 * 7 + 1] * (uint32_t)v;
                a2 += w[4 * 7 + 2] * (uint32_t)v;
                a3 += w[4 * 7 + 3] * (uint32_t)v;
                /* fall through */
            case 7:
                v = x[6];
                a0 += w[4 * 6] * (uint32_t)v;
                a1 += w[4 * 6 + 1] * (uint32_t)v;
                a2 += w[4 * 6 + 2] * (uint32_t)v;
                a3 += w[4 * 6 + 3] * (uint32_t)v;
                /* fall through */
            case 6:
                v = x[5];
                a0 += w[4 * 5] * (uint32_t)v;
                a1 += w[4 * 5 + 1] * (uint32_t)v;
                a2 += w[4 * 5 + 2] * (uint32_t)v;
                a3 += w[4 * 5 + 3] * (uint32_t)v;
                /* fall through */
            case 5:
                v = x[4];
                a0 += w[4 * 4] * (uint32_t)v;
                a1 += w[4 * 4 + 1] * (uint32_t)v;
                a2 += w[4 * 4 + 2] * (uint32_t)v;
                a3 += w[4 * 4 + 3] * (uint32_t)v;
                /* fall through */
            case 4:
                v = x[3];
                a0 += w[4 * 3] * (uint32_t)v;
                a1 += w[4 * 3 + 1] * (uint32_t)v;
                a2 += w[4 * 3 + 2] * (uint32_t)v;
                a3 += w[4 * 3 + 3] * (uint32_t)v;
                /* fall through */
            case 3:
                v = x[2];
                a0 += w[4 * 2] * (uint32_t)v;
                a1 += w[4 * 2 + 1] * (uint32_t)v;
                a2 += w[4 * 2 + 2] * (uint32_t)v;
                a3 += w[4 * 2 + 3] * (uint32_t)v;
                /* fall through */
            case 2:
                v = x[1];
                a0 += w[4] * (uint32_t)v;
                a1 += w[4 + 1] * (uint32_t)v;
                a2 += w[4 + 2] * (uint32_t)v;
                a3 += w[4 + 3] * (uint32_t)v;
                /* fall through */
            default:
                break;
            }
            s0 += a0;
            h0 += (int32_t)a0 >> 16;
            s1 += a1;
            h1 += (int32_t)a1 >> 16;
            s2 += a2;
            h2 += (int32_t)a2 >> 16;
            s3 += a3;
            h3 += (int32_t)a3 >> 16;
            lower += bias;
            x += run;
            w += 4 * run;
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
     * rv32/fully_connected, 640 MAC: test */
    case 0:
        fully_connected_s8_rv32(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
