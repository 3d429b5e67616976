#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "sparse"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "load_word"
#include "smlad"
#include "sxtb16"

#if !defined(__ARM_FEATURE_DSP)
/* Adds the products of a block. The next block is found from the same tap. */
static inline int32_t sparse_add_one_blocks(int32_t *sum, const int8_t *taps, const int32_t *w)
{
    const uint32_t block = load_word(taps + w[2]);
    *sum = smlad(sxtb16(block), (uint32_t)w[0], *sum);
    *sum = smlad(sxtb16(block >> 8), (uint32_t)w[1], *sum);
    return 0;
}
#endif

#include "smmlar"
#include "saturate8"
#include "finish_twice"

/* Multiplies columns of taps, one block of four taps of
 * a pixel
 * each, by the nonzero weights, one output channel after the other. Outputs are finished by
 * finish_twice.
 * x is the int8 input itself; blocks begin at any address. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(sparse, weights, 0);
BONSAI_PLACE(sparse, end, 4);
BONSAI_PLACE(sparse, offset, 8);
BONSAI_PLACE(sparse, out_c, 12);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_sparse_one_blocks_twice(__attribute__((unused)) int8_t *y,
                                 __attribute__((unused)) const void *x,
                                 __attribute__((unused)) const struct sparse *m,
                                 __attribute__((unused)) int32_t pixels)
{
    /* r0: first entry, constant; r1: stream; lr: column; r2, r3: taps; r12: jump; r8 is the sum, r9
     * the input, r11 the output; r4 to r7, r10 and r12: two blocks. The frame: 0 y, 4 out_c, 8 what
     * is skipped of the stores, 16 x, 20 end, 24 offset. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "ldm r2, {r4-r7}\n"
            "strd r0, r7, [sp]\n"
            "strd r1, r5, [sp, #16]\n"
            "str r6, [sp, #24]\n"
            "mov r11, r0\n"
            "mov r9, r1\n"
            "mov r1, r4\n"
            "1:\n"
            "ldmia r1!, {r4-r6, r8, r12}\n"
            "ldr r6, [r9, r6]\n"
            "sxtb16 r2, r6\n"
            "sxtb16 r3, r6, ror #8\n"
            "smlad r8, r2, r4, r8\n"
            "smlad r8, r3, r5, r8\n"
            "add pc, r12\n"
            "nop\n"
            ".rept 8\n"
            "ldmia.w r1!, {r4-r7, r10, r12}\n"
            "ldr.w r6, [r9, r6]\n"
            "ldr.w r12, [r9, r12]\n"
            "sxtb16 r2, r6\n"
            "sxtb16 r3, r6, ror #8\n"
            "smlad r8, r2, r4, r8\n"
            "smlad r8, r3, r5, r8\n"
            "sxtb16 r2, r12\n"
            "sxtb16 r3, r12, ror #8\n"
            "smlad r8, r2, r7, r8\n"
            "smlad r8, r3, r10, r8\n"
            ".endr\n"
            "ldrd r12, r0, [r1], #8\n"
            "add pc, r12\n"
            "nop\n"
            "ldrd r2, r3, [r1], #8\n"
            "asr r8, r8, #7\n"
            "smmulr r8, r8, r0\n"
            "add r8, r8, r8, asr #31\n"
            "add r8, r8, r2\n"
            "asr r8, r8, r3\n"
            "ssat r8, #8, r8\n"
            "strb r8, [r11], #1\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "add sp, sp, #28\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_sparse_one_blocks_twice(int8_t *y, const void *x, const struct sparse *m,
                                             int32_t pixels)
{
    enum { words = 3, tile = 1 };
    enum { step_entries = 2, step_bytes = 44 };
    for (const int32_t *w = m->weights; w != m->end; y++) {
        int32_t sums[tile], jump = w[words + 1];
        for (int32_t i = 0; i < tile; i++)
            sums[i] = w[words];
        const int8_t *column = x;
        column += sparse_add_one_blocks(sums, column, w);
        w += words + 2;
        for (int32_t left = 8 - jump / step_bytes;; left = (-jump - 8) / step_bytes) {
            for (left *= step_entries; left > 0; left--, w += words)
                column += sparse_add_one_blocks(sums, column, w);
            jump = w[0];
            if (jump == 0)
                break;
            w += 2;
        }
        w++;
        for (int32_t i = 0; i < pixels; i++)
            y[i * m->out_c] = finish_twice(sums[i], w[0], w[1], w[2]);
        w += 3;
    }
}

#endif

/* Multiplies the blocks of nonzero weights of one channel after the other by
 * the input in place. Its zero point is folded into the biases. */
static void sparse_fully_connected_blocks_s8_dsp(const int8_t *restrict in, int8_t *restrict out)
{
    const struct sparse sparse = {
        .weights = model_fully_connected_0_weights,
        .end = model_fully_connected_0_weights + 570,
        .offset = 0,
        .out_c = 10,
    };
    multiply_sparse_one_blocks_twice(out, in, &sparse, 1);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * dsp/sparse_fully_connected_blocks, 640 MAC: test */
    case 0:
        sparse_fully_connected_blocks_s8_dsp(arena + 0x0000, arena + 0x0040);
        break;
    default:
        break;
    }
}
