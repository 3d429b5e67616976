#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_MVE"
#include "load_lanes"

/* Four filters by one row: lane i is bias i plus the sum of x[k] * weight k of filter i, k < n.
 * The filters are interleaved in groups of 8 values, the last one padded. x is not read past its
 * end, since the loop's tail is predicated. Advances *weights and *stage. */
#if defined(BONSAI_MVE)
static inline lanes4 dot_lanes_int16(const int16_t *x, const int8_t **weights,
                                     const int32_t **stage, int32_t n)
{
    lanes4 sums;
    const int8_t *w = *weights;
    const int32_t *biases = *stage;
    __asm__("ldm %[biases]!, {r0, r2, r4, r6}\n\t"
            "dlstp.16 lr, %[n]\n"
            "1:\n\t"
            "vldrh.16 q0, [%[x]], #16\n\t"
            "vldrb.s16 q1, [%[w]], #8\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r0, q0, q1\n\t"
            "vldrb.s16 q1, [%[w]], #8\n\t"
            "vmladava.s16 r2, q0, q2\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r4, q0, q1\n\t"
            "vmladava.s16 r6, q0, q2\n\t"
            "letp lr, 1b\n\t"
            "vmov %q[sums][2], %q[sums][0], r0, r4\n\t"
            "vmov %q[sums][3], %q[sums][1], r2, r6"
            : [sums] "=&w"(sums), [x] "+&r"(x), [w] "+&l"(w), [biases] "+&r"(biases)
            : [n] "r"(n)
            : "q0", "q1", "q2", "r0", "r2", "r4", "r6", "lr", "memory");
    *weights = w;
    *stage = biases;
    return sums;
}
#else
static inline lanes4 dot_lanes_int16(const int16_t *x, const int8_t **weights,
                                     const int32_t **stage, int32_t n)
{
    lanes4 sums = load_lanes(*stage);
    *stage += 4;
    for (; n > 0; n -= 8, x += 8) {
        for (int32_t i = 0; i < 4; i++, *weights += 8) {
            for (int32_t k = 0; k < 8 && k < n; k++)
                sums.lane[i] += x[k] * (*weights)[k];
        }
    }
    return sums;
}
#endif

#include "output"
#include "clamp_lanes"
#include "requantize_reduced"
#include "rescale_lanes_reduced"
#include "store_lanes_int16"

struct fully_connected_s16_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t depth;
    uint8_t out_c;
};

/* Multiplies rows of the input by all filters, four at a time. The input's zero point is folded
 * into the biases. */
static void fully_connected_s16_mve(const int16_t *in, int16_t *out,
                                    const struct fully_connected_s16_mve_args *restrict args)
{
    const struct output output = { -32768, 32767, 0 };
    const int32_t depth = args->depth, out_c = args->out_c;

    for (int32_t row = 1; row > 0; row--, in += depth) {
        const int8_t *weights = args->weights;
        const int32_t *stage = args->stage;
        for (int32_t c = 0; c < out_c; c += 4) {
            lanes4 sums = dot_lanes_int16(in, &weights, &stage, depth);
            sums = clamp_lanes(rescale_lanes_reduced(sums, stage), &output);
            stage += 8;
            store_lanes_int16(out + c, sums, out_c - c);
        }
        out += out_c;
    }
}

static const struct fully_connected_s16_mve_args model_fully_connected_0_args BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .stage = model_fully_connected_0_stage, .depth = 19,
    .out_c = 6,
};

static const struct fully_connected_s16_mve_args model_fully_connected_1_args BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .stage = model_fully_connected_1_stage, .depth = 6,
    .out_c = 3,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s16 [1,19] -> [1,6]  19xundefined
     * mve/fully_connected_16x8, 114 MAC: test */
    case 0:
        fully_connected_s16_mve((int16_t *)(void *)(arena + 0x0000),
                                (int16_t *)(void *)(arena + 0x0028), &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s16 [1,6] -> [1,3]  6xundefined
     * mve/fully_connected_16x8, 18 MAC: test */
    case 1:
        fully_connected_s16_mve((int16_t *)(void *)(arena + 0x0028),
                                (int16_t *)(void *)(arena + 0x0034), &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
