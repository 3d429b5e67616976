#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "sparse"
#include "sparse_pixels"
#include "BONSAI_NAKED"
#include "load_word"

static inline void sparse_quad(uint32_t *to, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    to[0] = a << 8 & 0xff00ff00u;
    to[1] = b << 8 & 0xff00ff00u;
    to[4] = c << 8 & 0xff00ff00u;
    to[5] = d << 8 & 0xff00ff00u;
    to[8] = a & 0xff00ff00u;
    to[9] = b & 0xff00ff00u;
    to[12] = c & 0xff00ff00u;
    to[13] = d & 0xff00ff00u;
}

static inline uint32_t load_part(const int8_t *from, int32_t n)
{
    uint32_t word = 0;
    for (int32_t i = 0; i < n; i++)
        word |= (uint32_t)(uint8_t)from[i] << 8 * i;
    return word;
}

/* sparse_quads for n a multiple of four. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) uint32_t *
sparse_whole_quads(__attribute__((unused)) uint32_t *to, __attribute__((unused)) int32_t n,
                   __attribute__((unused)) const int8_t *const pixels[4])
{
    __asm__("push {r4-r9, lr}\n"
            "ldm r2, {r4-r7}\n"
            "mov lr, #0xff00ff00\n"
            "1:\n"
            "ldr r2, [r6], #4\n"
            "ldr r3, [r7], #4\n"
            "and r8, lr, r2, lsl #8\n"
            "and r9, lr, r3, lsl #8\n"
            "and r2, r2, lr\n"
            "and r3, r3, lr\n"
            "strd r8, r9, [r0, #16]\n"
            "strd r2, r3, [r0, #48]\n"
            "ldr r2, [r4], #4\n"
            "ldr r3, [r5], #4\n"
            "and r8, lr, r2, lsl #8\n"
            "and r9, lr, r3, lsl #8\n"
            "and r2, r2, lr\n"
            "and r3, r3, lr\n"
            "strd r2, r3, [r0, #32]\n"
            "strd r8, r9, [r0], #64\n"
            "subs r1, r1, #4\n"
            "bgt 1b\n"
            "pop {r4-r9, pc}\n");
}

#else

static inline uint32_t *sparse_whole_quads(uint32_t *to, int32_t n, const int8_t *const pixels[4])
{
    for (int32_t i = 0; i < n; i += 4, to += 16)
        sparse_quad(to, load_word(pixels[0] + i), load_word(pixels[1] + i),
                    load_word(pixels[2] + i), load_word(pixels[3] + i));
    return to;
}

#endif

/* Widens n int8 of four pixels to int16, times 256. For each four bytes it writes a word with
 * bytes 0 and 2 of each pixel, then one with bytes 1 and 3; missing bytes are 0. After two words
 * it leaves room for two words of four other pixels. Returns the end. */
BONSAI_SHARED uint32_t *sparse_quads(uint32_t *to, int32_t n, const int8_t *const pixels[4])
{
    const int32_t part = n & 3, whole = n - part;
    if (whole > 0)
        to = sparse_whole_quads(to, whole, pixels);
    if (part == 0)
        return to;
    sparse_quad(to, load_part(pixels[0] + whole, part), load_part(pixels[1] + whole, part),
                load_part(pixels[2] + whole, part), load_part(pixels[3] + whole, part));
    return to + 16;
}

#include "BONSAI_PLACE"
#include "smlad"
#include "sxtb16"

#if !defined(__ARM_FEATURE_DSP)
/* Adds the products of a block; returns its distance in words. */
static inline int32_t sparse_add_blocks(int32_t *sums, const uint32_t *column, const int32_t *w)
{
    const int32_t away = w[1] / 4;
    for (int32_t i = 0; i < 8; i++) {
        const uint32_t *const pairs = column + away + i / 4 * 2 + i % 4 / 2 * 4 + i % 2;
        sums[i] = smlad(sxtb16((uint32_t)w[0]), pairs[0], sums[i]);
        sums[i] = smlad(sxtb16((uint32_t)w[0] >> 8), pairs[8], sums[i]);
    }
    return away;
}
#endif

#include "smmlar"
#include "saturate8"
#include "finish_twice"

/* Multiplies columns of taps, one block of four taps of
 * eight pixels
 * each, by the nonzero weights, one output channel after the other. Outputs are finished by
 * finish_twice.
 * 64 bytes hold four taps of all, 256 times the input as sparse_quads lays it out. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(sparse, weights, 0);
BONSAI_PLACE(sparse, end, 4);
BONSAI_PLACE(sparse, offset, 8);
BONSAI_PLACE(sparse, out_c, 12);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_sparse_eight_blocks_twice(__attribute__((unused)) int8_t *y,
                                   __attribute__((unused)) const void *x,
                                   __attribute__((unused)) const struct sparse *m,
                                   __attribute__((unused)) int32_t pixels)
{
    /* r0: first entry, constant; r1: stream; lr: column; r2, r3: taps; r12: jump;
     * r4 to r11: sums. The frame: 0 y, 4 out_c, 8 what is
     * skipped of the stores, 16 x, 20 end, 24 offset. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "ldm r2, {r4-r7}\n"
            "strd r0, r7, [sp]\n"
            "strd r1, r5, [sp, #16]\n"
            "str r6, [sp, #24]\n"
            "rsb r3, r3, #8\n"
            "add r2, r7, r7, lsl #1\n"
            "lsl r3, r3, #2\n"
            "strd r2, r3, [sp, #8]\n"
            "mov r1, r4\n"
            "1:\n"
            "ldmia r1!, {r0, r2, r11}\n"
            "ldr lr, [sp, #16]\n"
            "add.w lr, lr, r2\n"
            "sxtb16 r12, r0\n"
            "ldrd r2, r3, [lr]\n"
            "smlad r4, r2, r12, r11\n"
            "smlad r5, r3, r12, r11\n"
            "ldrd r2, r3, [lr, #16]\n"
            "smlad r6, r2, r12, r11\n"
            "smlad r7, r3, r12, r11\n"
            "ldrd r2, r3, [lr, #8]\n"
            "smlad r8, r2, r12, r11\n"
            "smlad r9, r3, r12, r11\n"
            "ldrd r2, r3, [lr, #24]\n"
            "smlad r10, r2, r12, r11\n"
            "smlad r11, r3, r12, r11\n"
            "sxtb16 r12, r0, ror #8\n"
            "ldrd r2, r3, [lr, #32]\n"
            "smlad r4, r2, r12, r4\n"
            "smlad r5, r3, r12, r5\n"
            "ldrd r2, r3, [lr, #48]\n"
            "smlad r6, r2, r12, r6\n"
            "smlad r7, r3, r12, r7\n"
            "ldrd r2, r3, [lr, #40]\n"
            "smlad r8, r2, r12, r8\n"
            "smlad r9, r3, r12, r9\n"
            "ldrd r2, r3, [lr, #56]\n"
            "smlad r10, r2, r12, r10\n"
            "smlad r11, r3, r12, r11\n"
            "ldr r12, [r1], #4\n"
            "add pc, r12\n"
            "nop\n"
            ".rept 8\n"
            "ldrd r0, r2, [r1], #8\n"
            "add.w lr, lr, r2\n"
            "sxtb16 r12, r0\n"
            "ldrd r2, r3, [lr]\n"
            "smlad r4, r2, r12, r4\n"
            "smlad r5, r3, r12, r5\n"
            "ldrd r2, r3, [lr, #16]\n"
            "smlad r6, r2, r12, r6\n"
            "smlad r7, r3, r12, r7\n"
            "ldrd r2, r3, [lr, #8]\n"
            "smlad r8, r2, r12, r8\n"
            "smlad r9, r3, r12, r9\n"
            "ldrd r2, r3, [lr, #24]\n"
            "smlad r10, r2, r12, r10\n"
            "smlad r11, r3, r12, r11\n"
            "sxtb16 r12, r0, ror #8\n"
            "ldrd r2, r3, [lr, #32]\n"
            "smlad r4, r2, r12, r4\n"
            "smlad r5, r3, r12, r5\n"
            "ldrd r2, r3, [lr, #48]\n"
            "smlad r6, r2, r12, r6\n"
            "smlad r7, r3, r12, r7\n"
            "ldrd r2, r3, [lr, #40]\n"
            "smlad r8, r2, r12, r8\n"
            "smlad r9, r3, r12, r9\n"
            "ldrd r2, r3, [lr, #56]\n"
            "smlad r10, r2, r12, r10\n"
            "smlad r11, r3, r12, r11\n"
            ".endr\n"
            "ldrd r12, r0, [r1], #8\n"
            "add pc, r12\n"
            "nop\n"
            "ldrd r2, r3, [r1], #8\n"
            /* Two sums in turn, so that few instructions wait for the one before. */
            "asr r4, r4, #7\n"
            "asr r5, r5, #7\n"
            "smmulr r4, r4, r0\n"
            "smmulr r5, r5, r0\n"
            "add r4, r4, r4, asr #31\n"
            "add r5, r5, r5, asr #31\n"
            "add r4, r4, r2\n"
            "add r5, r5, r2\n"
            "asr r4, r4, r3\n"
            "asr r5, r5, r3\n"
            "ssat r4, #8, r4\n"
            "ssat r5, #8, r5\n"
            "asr r6, r6, #7\n"
            "asr r7, r7, #7\n"
            "smmulr r6, r6, r0\n"
            "smmulr r7, r7, r0\n"
            "add r6, r6, r6, asr #31\n"
            "add r7, r7, r7, asr #31\n"
            "add r6, r6, r2\n"
            "add r7, r7, r2\n"
            "asr r6, r6, r3\n"
            "asr r7, r7, r3\n"
            "ssat r6, #8, r6\n"
            "ssat r7, #8, r7\n"
            "asr r8, r8, #7\n"
            "asr r9, r9, #7\n"
            "smmulr r8, r8, r0\n"
            "smmulr r9, r9, r0\n"
            "add r8, r8, r8, asr #31\n"
            "add r9, r9, r9, asr #31\n"
            "add r8, r8, r2\n"
            "add r9, r9, r2\n"
            "asr r8, r8, r3\n"
            "asr r9, r9, r3\n"
            "ssat r8, #8, r8\n"
            "ssat r9, #8, r9\n"
            "asr r10, r10, #7\n"
            "asr r11, r11, #7\n"
            "smmulr r10, r10, r0\n"
            "smmulr r11, r11, r0\n"
            "add r10, r10, r10, asr #31\n"
            "add r11, r11, r11, asr #31\n"
            "add r10, r10, r2\n"
            "add r11, r11, r2\n"
            "asr r10, r10, r3\n"
            "asr r11, r11, r3\n"
            "ssat r10, #8, r10\n"
            "ssat r11, #8, r11\n"
            "ldm sp, {r0, r2, r3, lr}\n"
            "add r12, r0, r2, lsl #2\n"
            /* Missing pixels are skipped; all stores have the same size. */
            "add pc, lr\n"
            "nop\n"
            "strb.w r11, [r12, r3]\n"
            "strb.w r10, [r12, r2, lsl #1]\n"
            "strb.w r9, [r12, r2]\n"
            "strb.w r8, [r12]\n"
            "strb.w r7, [r0, r3]\n"
            "strb.w r6, [r0, r2, lsl #1]\n"
            "strb.w r5, [r0, r2]\n"
            "strb.w r4, [r0], #1\n"
            "str r0, [sp]\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "add sp, sp, #28\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_sparse_eight_blocks_twice(int8_t *y, const void *x, const struct sparse *m,
                                               int32_t pixels)
{
    enum { words = 2, tile = 8 };
    enum { step_entries = 1, step_bytes = 112 };
    for (const int32_t *w = m->weights; w != m->end; y++) {
        int32_t sums[tile], jump = w[words + 1];
        for (int32_t i = 0; i < tile; i++)
            sums[i] = w[words];
        const uint32_t *column = x;
        column += sparse_add_blocks(sums, column, w);
        w += words + 2;
        for (int32_t left = 8 - jump / step_bytes;; left = (-jump - 8) / step_bytes) {
            for (left *= step_entries; left > 0; left--, w += words)
                column += sparse_add_blocks(sums, column, w);
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

/* Eight pixels at a time: their values are widened to int16 in scratch, those of four
 * channels side by side, then multiplied by the
 * blocks of nonzero weights. The input's zero point is folded into the
 * biases. */
static void sparse_conv2d_blocks_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct sparse sparse = {
        .weights = model_conv2d_0_weights,
        .end = model_conv2d_0_weights + 60,
        .offset = 0,
        .out_c = 6,
    };
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    const int32_t in_c = 6;
    for (int32_t pixels = 81; pixels > 0; pixels -= 8) {
        const int32_t count = pixels < 8 ? pixels : 8;
        sparse_pixels(columns, 8, sparse_quads, in, count, in_c);
        in += 8 * in_c;
        const int32_t outputs = count * sparse.out_c;
        multiply_sparse_eight_blocks_twice(out, columns, &sparse, count);
        out += outputs;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,6] -> [1,9,9,6]  1x1
     * dsp/sparse_conv2d_blocks, 2916 MAC: test */
    case 0:
        sparse_conv2d_blocks_s8_dsp(arena + 0x0000, arena + 0x01e8, arena + 0x03d0);
        break;
    default:
        break;
    }
}
