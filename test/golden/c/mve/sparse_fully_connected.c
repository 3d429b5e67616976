#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "output"

/* Operands of gathered_row_filters. For each four filters stage holds the biases, the numbers of
 * vectors, multipliers, shifts, and four 16-bit offsets of the outputs. Byte offsets reach a near
 * row. A far row is computed in steps of `step` bytes: the number is then doubled, and odd if no
 * step follows; before the vectors of each further step a byte holds the same for them. Assembly
 * reads the fields at fixed offsets. */
struct gathered_row {
    const int8_t *x;
    const int8_t *weights;
    const int32_t *stage;
    int8_t *out;
    int32_t blocks;
    int32_t step;
    struct output output;
};

#include "BONSAI_MVE"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

#if !defined(BONSAI_MVE)
/* The sums of four filters. Advances m->weights. */
static inline void gathered_row_sums(uint32_t *sums, struct gathered_row *m)
{
    int32_t vectors = m->stage[4];
    const int8_t *x = m->x;
    for (int32_t i = 0; i < 4; i++)
        sums[i] = (uint32_t)m->stage[i];
    for (; vectors > 0; vectors--) {
        for (int32_t i = 0; i < 4; i++, m->weights += 32) {
            for (int32_t k = 0; k < 16; k++)
                sums[i] += (uint32_t)(x[(uint8_t)m->weights[k]] * m->weights[16 + k]);
        }
    }
}
#endif

#include "multiply_high"
#include "requantize"
#include "to_int8"

/* Multiplies a row by the nonzero weights of filters, four filters at a time: for each filter in
 * turn a vector of 16 offsets and 16 weights, with inputs gathered from x + offset. */
#if defined(BONSAI_MVE)

BONSAI_PLACE(gathered_row, x, 0);
BONSAI_PLACE(gathered_row, weights, 4);
BONSAI_PLACE(gathered_row, stage, 8);
BONSAI_PLACE(gathered_row, out, 12);
BONSAI_PLACE(gathered_row, blocks, 16);
BONSAI_PLACE(gathered_row, step, 20);
BONSAI_PLACE(gathered_row, output, 24);

/* r0, r2, r4, r6: sums; r1: x; r11: x at the start of the row; r3: weights; r5: stage; r8: out;
 * r9: blocks; r10: step; q5 to q7: the output stage. */
BONSAI_NAKED __attribute__((aligned(4))) void
gathered_row_filters(__attribute__((unused)) struct gathered_row *m)
{
    __asm__(".syntax unified\n"
            "push {r3-r11, lr}\n"
            "vpush {d8-d15}\n"
            "ldm r0!, {r1, r3, r5, r8, r9, r10}\n"
            "mov r11, r1\n"
            "ldm r0, {r2, r4, r6}\n"
            "vdup.32 q5, r2\n"
            "vdup.32 q6, r4\n"
            "vdup.32 q7, r6\n"
            "1: ldm r5!, {r0, r2, r4, r6, lr}\n"
            "wls lr, lr, 102f\n"
            "101:\n"
            "vldrb.8 q0, [r3], #16\n"
            "vldrb.8 q1, [r3], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r0, q2, q1\n"
            "vldrb.8 q0, [r3], #16\n"
            "vldrb.8 q1, [r3], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r2, q2, q1\n"
            "vldrb.8 q0, [r3], #16\n"
            "vldrb.8 q1, [r3], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r4, q2, q1\n"
            "vldrb.8 q0, [r3], #16\n"
            "vldrb.8 q1, [r3], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r6, q2, q1\n"
            "le lr, 101b\n"
            "102:\n"
            "vmov q2[2], q2[0], r0, r4\n"
            "vmov q2[3], q2[1], r2, r6\n"
            "vldrw.32 q0, [r5], #16\n"
            "vldrw.32 q1, [r5], #16\n"
            "vqrdmulh.s32 q2, q2, q0\n"
            "vshr.s32 q3, q2, #31\n"
            "vadd.i32 q2, q2, q3\n"
            "vrshl.s32 q2, q1\n"
            "vmax.s32 q2, q2, q5\n"
            "vmin.s32 q2, q2, q6\n"
            "vadd.i32 q2, q2, q7\n"
            "vldrh.u32 q0, [r5], #8\n"
            "vstrb.32 q2, [r8, q0]\n"
            "subs r9, #1\n"
            "bne 1b\n"
            "vpop {d8-d15}\n"
            "pop {r3-r11, pc}\n");
}

#else

static void gathered_row_filters(struct gathered_row *m)
{
    for (; m->blocks > 0; m->blocks--, m->stage += 15) {
        uint32_t sums[4];
        gathered_row_sums(sums, m);
        for (int32_t i = 0; i < 4; i++) {
            const int32_t x = requantize((int32_t)sums[i], m->stage[5 + i], m->stage[9 + i]);
            const uint32_t pair = (uint32_t)m->stage[13 + i / 2];
            m->out[i % 2 == 0 ? pair & 0xffff : pair >> 16] = to_int8(x, &m->output);
        }
    }
}

#endif

struct sparse_fully_connected_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t blocks;
};

/* Multiplies the nonzero weights by the input in place, four filters at a time. The input's zero
 * point is folded into the biases. */
static void sparse_fully_connected_s8_mve(
    const int8_t *in, int8_t *out, const struct sparse_fully_connected_s8_mve_args *restrict args)
{
    struct gathered_row row = {
        .x = in,
        .weights = args->weights,
        .stage = args->stage,
        .out = out,
        .blocks = args->blocks,
        .step = 0,
        .output = { -131, 124, 3 },
    };
    gathered_row_filters(&row);
}

static const struct sparse_fully_connected_s8_mve_args model_fully_connected_0_args
    BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .stage = model_fully_connected_0_stage, .blocks = 3,
};

static const struct sparse_fully_connected_s8_mve_args model_fully_connected_1_args
    BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .stage = model_fully_connected_1_stage, .blocks = 2,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * mve/sparse_fully_connected, 640 MAC: test */
    case 0:
        sparse_fully_connected_s8_mve(arena + 0x0000, arena + 0x0040,
                                      &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * mve/sparse_fully_connected, 50 MAC: test */
    case 1:
        sparse_fully_connected_s8_mve(arena + 0x0040, arena + 0x004c,
                                      &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
