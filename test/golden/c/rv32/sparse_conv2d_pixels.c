#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "copy_bytes"
#include "input_window"
#include "gather_window"
#include "pack_triples_4"
#include "pack_triples_2"
#include "block_outputs"
#include "BONSAI_RV32"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "lane_of"
#include "lane_triple"
#include "high_stage"
#include "read_stage"
#include "high_output"
#include "high_outputs"

/* The outputs of all channels of 6 pixels, three in two words (pack_triples), by nonzero weights
 * only. A channel has runs of entries, whose sums fit the lanes: a half word with the run's bytes
 * and, in bit 0, whether another run follows, then entries, two at a time: taps from the entry
 * before (low byte) and weight. */
#if defined(BONSAI_RV32)
BONSAI_PLACE(block_outputs, y, 0);
BONSAI_PLACE(block_outputs, end, 4);
BONSAI_PLACE(block_outputs, step, 8);
BONSAI_PLACE(block_outputs, constants, 12);

BONSAI_NAKED void
multiply_sparse_outputs_6(__attribute__((unused)) const int16_t *w,
                          __attribute__((unused)) const int32_t *x,
                          __attribute__((unused)) const struct block_outputs *to)
{
    /* s4: w; s5: its run's end; s6: x; a4: the tap; s7: the channel's first output; s8: behind the
     * last; s0 to s3: packed sums; s9 to s11, a5 to a7: sums; t3: the run's half word. Then a0: y;
     * a1: constants; a3: step; t1 to t6: start, multiplier, first, last, scale, shift. */
    __asm__("addi sp, sp, -64\n sw ra, 48(sp)\n"
            "sw s0, 0(sp)\n sw s1, 4(sp)\n sw s2, 8(sp)\n sw s3, 12(sp)\n"
            "sw s4, 16(sp)\n sw s5, 20(sp)\n sw s6, 24(sp)\n sw s7, 28(sp)\n"
            "sw s8, 32(sp)\n sw s9, 36(sp)\n sw s10, 40(sp)\n sw s11, 44(sp)\n"
            "mv s4, a0\n mv s6, a1\n"
            "lw s7, 0(a2)\n lw s8, 4(a2)\n lw a3, 8(a2)\n lw a1, 12(a2)\n"
            "5: mv a4, s6\n li s9, 0\n li s10, 0\n li s11, 0\n"
            "li a5, 0\n li a6, 0\n li a7, 0\n"
            "6: lhu t3, 0(s4)\n addi s4, s4, 2\n andi s5, t3, -4\n add s5, s5, s4\n li s0, 0\n"
            "li s1, 0\n"
            "li s2, 0\n li s3, 0\n"
            "7: .irp entry, 0, 2\n"
            "lbu t0, \\entry(s4)\n lb t2, \\entry+1(s4)\n slli t0, t0, 4\n add a4, a4, t0\n"
            "lw t0, 0(a4)\n lw t1, 4(a4)\n mul t0, t0, t2\n mul t1, t1, t2\n add s0, s0, t0\n"
            "add s1, s1, t1\n"
            "lw t0, 8(a4)\n lw t1, 12(a4)\n mul t0, t0, t2\n mul t1, t1, t2\n add s2, s2, t0\n"
            "add s3, s3, t1\n"
            ".endr\n"
            "addi s4, s4, 4\n bne s4, s5, 7b\n"
            "slli t0, s0, 11\n srai t0, t0, 11\n add s9, s9, t0\n sub s0, s0, t0\n"
            "srli s0, s0, 21\n"
            "slli t1, s0, 11\n sub s1, s1, t1\n slli t2, s1, 10\n srai t2, t2, 10\n"
            "add s11, s11, t2\n"
            "sub s1, s1, t2\n srai s1, s1, 11\n add s0, s0, s1\n add s10, s10, s0\n"
            "slli t0, s2, 11\n srai t0, t0, 11\n add a5, a5, t0\n sub s2, s2, t0\n"
            "srli s2, s2, 21\n"
            "slli t1, s2, 11\n sub s3, s3, t1\n slli t2, s3, 10\n srai t2, t2, 10\n"
            "add a7, a7, t2\n"
            "sub s3, s3, t2\n srai s3, s3, 11\n add s2, s2, s3\n add a6, a6, s2\n"
            "andi t3, t3, 1\n bnez t3, 6b\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "mv a0, s7\n"
            "sll s9, s9, t5\n add s9, s9, t1\n mulh s9, s9, t2\n sra s9, s9, t6\n"
            "bgeu t4, s9, 2f\n srai s9, s9, 31\n not s9, s9\n"
            "and s9, s9, t4\n 2: add s9, s9, t3\n sb s9, 0(a0)\n add a0, a0, a3\n"
            "sll s10, s10, t5\n add s10, s10, t1\n mulh s10, s10, t2\n sra s10, s10, t6\n"
            "bgeu t4, s10, 2f\n srai s10, s10, 31\n not s10, s10\n"
            "and s10, s10, t4\n 2: add s10, s10, t3\n sb s10, 0(a0)\n add a0, a0, a3\n"
            "sll s11, s11, t5\n add s11, s11, t1\n mulh s11, s11, t2\n sra s11, s11, t6\n"
            "bgeu t4, s11, 2f\n srai s11, s11, 31\n not s11, s11\n"
            "and s11, s11, t4\n 2: add s11, s11, t3\n sb s11, 0(a0)\n add a0, a0, a3\n"
            "sll a5, a5, t5\n add a5, a5, t1\n mulh a5, a5, t2\n sra a5, a5, t6\n"
            "bgeu t4, a5, 2f\n srai a5, a5, 31\n not a5, a5\n"
            "and a5, a5, t4\n 2: add a5, a5, t3\n sb a5, 0(a0)\n add a0, a0, a3\n"
            "sll a6, a6, t5\n add a6, a6, t1\n mulh a6, a6, t2\n sra a6, a6, t6\n"
            "bgeu t4, a6, 2f\n srai a6, a6, 31\n not a6, a6\n"
            "and a6, a6, t4\n 2: add a6, a6, t3\n sb a6, 0(a0)\n add a0, a0, a3\n"
            "sll a7, a7, t5\n add a7, a7, t1\n mulh a7, a7, t2\n sra a7, a7, t6\n"
            "bgeu t4, a7, 2f\n srai a7, a7, 31\n not a7, a7\n"
            "and a7, a7, t4\n 2: add a7, a7, t3\n sb a7, 0(a0)\n add a0, a0, a3\n"
            "addi s7, s7, 1\n bne s7, s8, 5b\n"
            "lw s0, 0(sp)\n lw s1, 4(sp)\n lw s2, 8(sp)\n lw s3, 12(sp)\n"
"lw s4, 16(sp)\n lw s5, 20(sp)\n lw s6, 24(sp)\n lw s7, 28(sp)\n"
"lw s8, 32(sp)\n lw s9, 36(sp)\n lw s10, 40(sp)\n lw s11, 44(sp)\n"
"lw ra, 48(sp)\n addi sp, sp, 64\n ret\n"
);
}
#else
static void multiply_sparse_outputs_6(const int16_t *w, const int32_t *x,
                                      const struct block_outputs *to)
{
    const int32_t *constants = to->constants;
    for (int8_t *y = to->y; y != to->end; y++, constants += 3) {
        int32_t sums[6] = { 0 };
        const int32_t *tap = x;
        int32_t head;
        do {
            uint32_t acc[6 / 3 * 2] = { 0 };
            head = *w++;
            for (const int16_t *const end = w + head / 4 * 2; w != end; w++) {
                tap += (*w & 255) * (6 / 3 * 2);
                for (int32_t i = 0; i < 6 / 3 * 2; i++)
                    acc[i] += (uint32_t)(*w >> 8) * (uint32_t)tap[i];
            }
            for (int32_t i = 0; i < 6; i += 3) {
                int32_t three[3];
                lane_triple(three, acc[i / 3 * 2], acc[i / 3 * 2 + 1]);
                for (int32_t j = 0; j < 3; j++)
                    sums[i + j] += three[j];
            }
        } while ((head & 1) != 0);
        high_outputs(y, to->step, sums, constants, 6);
    }
}
#endif

/* The outputs of all channels of 3 pixels, three in two words (pack_triples), by nonzero weights
 * only. A channel has runs of entries, whose sums fit the lanes: a half word with the run's bytes
 * and, in bit 0, whether another run follows, then entries, two at a time: taps from the entry
 * before (low byte) and weight. */
#if defined(BONSAI_RV32)
BONSAI_PLACE(block_outputs, y, 0);
BONSAI_PLACE(block_outputs, end, 4);
BONSAI_PLACE(block_outputs, step, 8);
BONSAI_PLACE(block_outputs, constants, 12);

BONSAI_NAKED void
multiply_sparse_outputs_3(__attribute__((unused)) const int16_t *w,
                          __attribute__((unused)) const int32_t *x,
                          __attribute__((unused)) const struct block_outputs *to)
{
    /* s4: w; s5: its run's end; s6: x; a4: the tap; s7: the channel's first output; s8: behind the
     * last; s0, s1: packed sums; s9 to s11: sums; t3: the run's half word. Then a0: y; a1:
     * constants; a3: step; t1 to t6: start, multiplier, first, last, scale, shift. */
    __asm__("addi sp, sp, -64\n sw ra, 48(sp)\n"
            "sw s0, 0(sp)\n sw s1, 4(sp)\n sw s2, 8(sp)\n sw s3, 12(sp)\n"
            "sw s4, 16(sp)\n sw s5, 20(sp)\n sw s6, 24(sp)\n sw s7, 28(sp)\n"
            "sw s8, 32(sp)\n sw s9, 36(sp)\n sw s10, 40(sp)\n sw s11, 44(sp)\n"
            "mv s4, a0\n mv s6, a1\n"
            "lw s7, 0(a2)\n lw s8, 4(a2)\n lw a3, 8(a2)\n lw a1, 12(a2)\n"
            "5: mv a4, s6\n li s9, 0\n li s10, 0\n li s11, 0\n"
            "6: lhu t3, 0(s4)\n addi s4, s4, 2\n andi s5, t3, -4\n add s5, s5, s4\n li s0, 0\n"
            "li s1, 0\n"
            "7: .irp entry, 0, 2\n"
            "lbu t0, \\entry(s4)\n lb t2, \\entry+1(s4)\n slli t0, t0, 3\n add a4, a4, t0\n"
            "lw t0, 0(a4)\n lw t1, 4(a4)\n mul t0, t0, t2\n mul t1, t1, t2\n add s0, s0, t0\n"
            "add s1, s1, t1\n"
            ".endr\n"
            "addi s4, s4, 4\n bne s4, s5, 7b\n"
            "slli t0, s0, 11\n srai t0, t0, 11\n add s9, s9, t0\n sub s0, s0, t0\n"
            "srli s0, s0, 21\n"
            "slli t1, s0, 11\n sub s1, s1, t1\n slli t2, s1, 10\n srai t2, t2, 10\n"
            "add s11, s11, t2\n"
            "sub s1, s1, t2\n srai s1, s1, 11\n add s0, s0, s1\n add s10, s10, s0\n"
            "andi t3, t3, 1\n bnez t3, 6b\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "mv a0, s7\n"
            "sll s9, s9, t5\n add s9, s9, t1\n mulh s9, s9, t2\n sra s9, s9, t6\n"
            "bgeu t4, s9, 2f\n srai s9, s9, 31\n not s9, s9\n"
            "and s9, s9, t4\n 2: add s9, s9, t3\n sb s9, 0(a0)\n add a0, a0, a3\n"
            "sll s10, s10, t5\n add s10, s10, t1\n mulh s10, s10, t2\n sra s10, s10, t6\n"
            "bgeu t4, s10, 2f\n srai s10, s10, 31\n not s10, s10\n"
            "and s10, s10, t4\n 2: add s10, s10, t3\n sb s10, 0(a0)\n add a0, a0, a3\n"
            "sll s11, s11, t5\n add s11, s11, t1\n mulh s11, s11, t2\n sra s11, s11, t6\n"
            "bgeu t4, s11, 2f\n srai s11, s11, 31\n not s11, s11\n"
            "and s11, s11, t4\n 2: add s11, s11, t3\n sb s11, 0(a0)\n add a0, a0, a3\n"
            "addi s7, s7, 1\n bne s7, s8, 5b\n"
            "lw s0, 0(sp)\n lw s1, 4(sp)\n lw s2, 8(sp)\n lw s3, 12(sp)\n"
"lw s4, 16(sp)\n lw s5, 20(sp)\n lw s6, 24(sp)\n lw s7, 28(sp)\n"
"lw s8, 32(sp)\n lw s9, 36(sp)\n lw s10, 40(sp)\n lw s11, 44(sp)\n"
"lw ra, 48(sp)\n addi sp, sp, 64\n ret\n"
);
}
#else
static void multiply_sparse_outputs_3(const int16_t *w, const int32_t *x,
                                      const struct block_outputs *to)
{
    const int32_t *constants = to->constants;
    for (int8_t *y = to->y; y != to->end; y++, constants += 3) {
        int32_t sums[3] = { 0 };
        const int32_t *tap = x;
        int32_t head;
        do {
            uint32_t acc[3 / 3 * 2] = { 0 };
            head = *w++;
            for (const int16_t *const end = w + head / 4 * 2; w != end; w++) {
                tap += (*w & 255) * (3 / 3 * 2);
                for (int32_t i = 0; i < 3 / 3 * 2; i++)
                    acc[i] += (uint32_t)(*w >> 8) * (uint32_t)tap[i];
            }
            for (int32_t i = 0; i < 3; i += 3) {
                int32_t three[3];
                lane_triple(three, acc[i / 3 * 2], acc[i / 3 * 2 + 1]);
                for (int32_t j = 0; j < 3; j++)
                    sums[i + j] += three[j];
            }
        } while ((head & 1) != 0);
        high_outputs(y, to->step, sums, constants, 3);
    }
}
#endif

/* Six pixels at a time, three in two words, times the nonzero weights of one channel after the
 * other. The last pixels may be three; missing ones repeat others, and their outputs go to scratch.
 * The input's zero point is folded into the biases. */
static void conv2d_pixels_s8_rv32(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t pixels = 25, depth = 36, channels = 6;
    int32_t *const packed = (int32_t *)(void *)scratch;
    int8_t *const spare = scratch + 684;
    const struct input_window window = { 9, 9, 4, 3, 3, 1, 1, 3 };
    const int32_t out_h = 5, out_w = 5;
    /* Taps of a row of the window; where the last window begins that lies within the image. */
    const int32_t row = window.kernel_w * window.in_c;
    const int32_t row_pitch = window.dilation_h * window.in_w * window.in_c;
    const int32_t last_y = window.in_h - 1 - (window.kernel_h - 1) * window.dilation_h;
    const int32_t last_x = window.in_w - window.kernel_w;
    int8_t *const patches = scratch + 576;
    int32_t oy = 0, ox = 0;

    for (int32_t pixel = 0, count; pixel < pixels; pixel += count) {
        const int32_t left = pixels - pixel;
        count = left > 3 ? 6 : 3;
        const int32_t n = left < count ? left : count;
        const int8_t *x[3] = { in, in, in };
        /* Bytes from a row of the window to the next. */
        int32_t pitch[3] = { 0, 0, 0 };
        for (int32_t i = 0, third = 0; i < count; i++) {
            if (i < n) {
                const int32_t y0 = oy * 2 - 1, x0 = ox * 2 - 1;
                if (1 == 1 && y0 >= 0 && x0 >= 0 && y0 <= last_y && x0 <= last_x) {
                    x[third] = in + (y0 * window.in_w + x0) * window.in_c;
                    pitch[third] = row_pitch;
                } else {
                    int8_t *const patch = patches + third * depth;
                    gather_window(patch, in, y0, x0, &window);
                    x[third] = patch;
                    pitch[third] = row;
                }
                if (++ox == out_w) {
                    ox = 0;
                    if (++oy == out_h) {
                        oy = 0;
                        in += window.in_h * window.in_w * window.in_c;
                    }
                }
            }
            if (++third == 3) {
                third = 0;
                int32_t *to = packed + (i - 2) / 3 * 2;
                for (int32_t at = 0; at < depth; at += row) {
                    if (count > 3)
                        to = pack_triples_4(to, x[0], x[1], x[2], row);
                    else
                        to = pack_triples_2(to, x[0], x[1], x[2], row);
                    for (int32_t p = 0; p < 3; p++)
                        x[p] += pitch[p];
                }
            }
        }
        int8_t *const to = n < count ? spare : out;
        const struct block_outputs place = { to, to + channels, channels, model_conv2d_0_stage };
        if (count > 3)
            multiply_sparse_outputs_6(model_conv2d_0_weights, packed, &place);
        else
            multiply_sparse_outputs_3(model_conv2d_0_weights, packed, &place);
        for (int32_t i = 0; n < count && i < n * channels; i++)
            out[i] = spare[i];
        out += n * channels;
    }
}

/* Six pixels at a time, three in two words, times the nonzero weights of one channel after the
 * other. The last pixels may be three; missing ones repeat others, and their outputs go to scratch.
 * The input's zero point is folded into the biases. */
static void conv2d_pixels_s8_rv32_pointwise(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t pixels = 25, depth = 6, channels = 6;
    int32_t *const packed = (int32_t *)(void *)scratch;
    int8_t *const spare = scratch + 128;

    for (int32_t pixel = 0, count; pixel < pixels; pixel += count) {
        const int32_t left = pixels - pixel;
        count = left > 3 ? 6 : 3;
        const int32_t n = left < count ? left : count;
        const int8_t *x[3] = { in, in, in };
        for (int32_t i = 0, third = 0; i < count; i++) {
            if (i < n) {
                x[third] = in;
                in += depth;
            }
            if (++third == 3) {
                third = 0;
                int32_t *to = packed + (i - 2) / 3 * 2;
                if (count > 3)
                    pack_triples_4(to, x[0], x[1], x[2], depth);
                else
                    pack_triples_2(to, x[0], x[1], x[2], depth);
            }
        }
        int8_t *const to = n < count ? spare : out;
        const struct block_outputs place = { to, to + channels, channels, model_conv2d_1_stage };
        if (count > 3)
            multiply_sparse_outputs_6(model_conv2d_1_weights, packed, &place);
        else
            multiply_sparse_outputs_3(model_conv2d_1_weights, packed, &place);
        for (int32_t i = 0; n < count && i < n * channels; i++)
            out[i] = spare[i];
        out += n * channels;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,5,6]  3x3 stride 2 pad 1,1,1,1
     * rv32/sparse_conv2d_pixels, 5400 MAC: test */
    case 0:
        conv2d_pixels_s8_rv32(arena + 0x0000, arena + 0x0144, arena + 0x01dc);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,6] -> [1,5,5,6]  1x1
     * rv32/sparse_conv2d_pixels, 900 MAC: test */
    case 1:
        conv2d_pixels_s8_rv32_pointwise(arena + 0x0144, arena + 0x04ac, arena + 0x0544);
        break;
    default:
        break;
    }
}
