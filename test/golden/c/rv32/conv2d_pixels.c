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

#if !defined(BONSAI_RV32)
/* multiply_block in C: `words` for the pixels of each tap. */
static void block_sums(const int8_t *w, const int32_t *x, int32_t *sums, int32_t quads,
                       int32_t words)
{
    for (int32_t channel = 0; channel < 4; channel++) {
        uint32_t acc[4] = { 0 };
        for (int32_t tap = 0; tap < 4 * quads; tap++) {
            for (int32_t i = 0; i < words; i++)
                acc[i] += (uint32_t)w[4 * tap + channel] * (uint32_t)x[words * tap + i];
        }
        for (int32_t i = 0; i < words; i += 2, sums += 3)
            lane_triple(sums, acc[i], acc[i + 1]);
    }
}
#endif

#include "high_stage"
#include "read_stage"
#include "high_output"
#include "high_outputs"

/* The outputs of up to four channels of 6 pixels: sums as multiply_block has them, then as
 * high_output scales them. */
#if defined(BONSAI_RV32)
BONSAI_PLACE(block_outputs, y, 0);
BONSAI_PLACE(block_outputs, end, 4);
BONSAI_PLACE(block_outputs, step, 8);
BONSAI_PLACE(block_outputs, constants, 12);

BONSAI_NAKED void
multiply_block_outputs_6_16(__attribute__((unused)) const int8_t *w,
                            __attribute__((unused)) const int32_t *x,
                            __attribute__((unused)) const struct block_outputs *to,
                            __attribute__((unused)) int32_t quads)
{
    /* Several texts, since ISO C allows 4095 characters in one.
     *
     * First as in multiply_block; then a0: y; a1: constants; a3: step; t1 to t6: start, multiplier,
     * first, last, scale, shift; t0: a sum. Behind the registers on the stack:
     * 52 the end of the channels, 56 the channel's first output. */
    __asm__("addi sp, sp, -64\n slli a3, a3, 4\n add a3, a3, a0\n sw ra, 48(sp)\n"
"sw s0, 0(sp)\n sw s1, 4(sp)\n sw s2, 8(sp)\n sw s3, 12(sp)\n"
"sw s4, 16(sp)\n sw s5, 20(sp)\n sw s6, 24(sp)\n sw s7, 28(sp)\n"
"sw s8, 32(sp)\n sw s9, 36(sp)\n sw s10, 40(sp)\n sw s11, 44(sp)\n"
"li s0, 0\n li s1, 0\n li s4, 0\n li s5, 0\n li s8, 0\n li s9, 0\n li a4, 0\n li a5, 0\n"
"li s2, 0\n li s3, 0\n li s6, 0\n li s7, 0\n li s10, 0\n li s11, 0\n li a6, 0\n li a7, 0\n"
"1: .irp tap, 0, 1, 2, 3\n"
"lb t0, \\tap*4(a0)\n lb t1, \\tap*4+1(a0)\n lb t2, \\tap*4+2(a0)\n lb t3, \\tap*4+3(a0)\n"
"lw t4, \\tap*16+0(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s0, s0, t5\n add s4, s4, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s8, s8, t5\n add a4, a4, t6\n"
"lw t4, \\tap*16+4(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s1, s1, t5\n add s5, s5, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s9, s9, t5\n add a5, a5, t6\n"
"lw t4, \\tap*16+8(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s2, s2, t5\n add s6, s6, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s10, s10, t5\n add a6, a6, t6\n"
"lw t4, \\tap*16+12(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s3, s3, t5\n add s7, s7, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s11, s11, t5\n add a7, a7, t6\n"
".endr\n"
"addi a0, a0, 16\n addi a1, a1, 4*16\n bne a0, a3, 1b\n"
);
    __asm__("lw a0, 0(a2)\n lw t0, 4(a2)\n lw a3, 8(a2)\n lw a1, 12(a2)\n"
            "sw t0, 52(sp)\n sw a0, 56(sp)\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "slli t0, s0, 11\n srai t0, t0, 11\n sub s0, s0, t0\n srli s0, s0, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, s0, 11\n sub s1, s1, t0\n slli t0, s1, 10\n srai t0, t0, 10\n"
            "sub s1, s1, t0\n srai s1, s1, 11\n add s0, s0, s1\n"
            "sll s0, s0, t5\n add s0, s0, t1\n mulh s0, s0, t2\n sra s0, s0, t6\n"
            "bgeu t4, s0, 2f\n srai s0, s0, 31\n not s0, s0\n"
            "and s0, s0, t4\n 2: add s0, s0, t3\n sb s0, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, s2, 11\n srai t0, t0, 11\n sub s2, s2, t0\n srli s2, s2, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, s2, 11\n sub s3, s3, t0\n slli t0, s3, 10\n srai t0, t0, 10\n"
            "sub s3, s3, t0\n srai s3, s3, 11\n add s2, s2, s3\n"
            "sll s2, s2, t5\n add s2, s2, t1\n mulh s2, s2, t2\n sra s2, s2, t6\n"
            "bgeu t4, s2, 2f\n srai s2, s2, 31\n not s2, s2\n"
            "and s2, s2, t4\n 2: add s2, s2, t3\n sb s2, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
"addi a1, a1, 12\n"
"slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
"srli t5, t6, 16\n srli t6, t6, 24\n"
"slli t0, s4, 11\n srai t0, t0, 11\n sub s4, s4, t0\n srli s4, s4, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s4, 11\n sub s5, s5, t0\n slli t0, s5, 10\n srai t0, t0, 10\n"
"sub s5, s5, t0\n srai s5, s5, 11\n add s4, s4, s5\n"
"sll s4, s4, t5\n add s4, s4, t1\n mulh s4, s4, t2\n sra s4, s4, t6\n"
"bgeu t4, s4, 2f\n srai s4, s4, 31\n not s4, s4\n"
"and s4, s4, t4\n 2: add s4, s4, t3\n sb s4, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s6, 11\n srai t0, t0, 11\n sub s6, s6, t0\n srli s6, s6, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s6, 11\n sub s7, s7, t0\n slli t0, s7, 10\n srai t0, t0, 10\n"
"sub s7, s7, t0\n srai s7, s7, 11\n add s6, s6, s7\n"
"sll s6, s6, t5\n add s6, s6, t1\n mulh s6, s6, t2\n sra s6, s6, t6\n"
"bgeu t4, s6, 2f\n srai s6, s6, 31\n not s6, s6\n"
"and s6, s6, t4\n 2: add s6, s6, t3\n sb s6, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
);
    __asm__("lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
"addi a1, a1, 12\n"
"slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
"srli t5, t6, 16\n srli t6, t6, 24\n"
"slli t0, s8, 11\n srai t0, t0, 11\n sub s8, s8, t0\n srli s8, s8, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s8, 11\n sub s9, s9, t0\n slli t0, s9, 10\n srai t0, t0, 10\n"
"sub s9, s9, t0\n srai s9, s9, 11\n add s8, s8, s9\n"
"sll s8, s8, t5\n add s8, s8, t1\n mulh s8, s8, t2\n sra s8, s8, t6\n"
"bgeu t4, s8, 2f\n srai s8, s8, 31\n not s8, s8\n"
"and s8, s8, t4\n 2: add s8, s8, t3\n sb s8, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s10, 11\n srai t0, t0, 11\n sub s10, s10, t0\n srli s10, s10, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s10, 11\n sub s11, s11, t0\n slli t0, s11, 10\n srai t0, t0, 10\n"
"sub s11, s11, t0\n srai s11, s11, 11\n add s10, s10, s11\n"
"sll s10, s10, t5\n add s10, s10, t1\n mulh s10, s10, t2\n sra s10, s10, t6\n"
"bgeu t4, s10, 2f\n srai s10, s10, 31\n not s10, s10\n"
"and s10, s10, t4\n 2: add s10, s10, t3\n sb s10, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"

            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "slli t0, a4, 11\n srai t0, t0, 11\n sub a4, a4, t0\n srli a4, a4, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, a4, 11\n sub a5, a5, t0\n slli t0, a5, 10\n srai t0, t0, 10\n"
            "sub a5, a5, t0\n srai a5, a5, 11\n add a4, a4, a5\n"
            "sll a4, a4, t5\n add a4, a4, t1\n mulh a4, a4, t2\n sra a4, a4, t6\n"
            "bgeu t4, a4, 2f\n srai a4, a4, 31\n not a4, a4\n"
            "and a4, a4, t4\n 2: add a4, a4, t3\n sb a4, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, a6, 11\n srai t0, t0, 11\n sub a6, a6, t0\n srli a6, a6, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, a6, 11\n sub a7, a7, t0\n slli t0, a7, 10\n srai t0, t0, 10\n"
            "sub a7, a7, t0\n srai a7, a7, 11\n add a6, a6, a7\n"
            "sll a6, a6, t5\n add a6, a6, t1\n mulh a6, a6, t2\n sra a6, a6, t6\n"
            "bgeu t4, a6, 2f\n srai a6, a6, 31\n not a6, a6\n"
            "and a6, a6, t4\n 2: add a6, a6, t3\n sb a6, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
            "3:\n"
            "lw s0, 0(sp)\n lw s1, 4(sp)\n lw s2, 8(sp)\n lw s3, 12(sp)\n"
"lw s4, 16(sp)\n lw s5, 20(sp)\n lw s6, 24(sp)\n lw s7, 28(sp)\n"
"lw s8, 32(sp)\n lw s9, 36(sp)\n lw s10, 40(sp)\n lw s11, 44(sp)\n"
"lw ra, 48(sp)\n addi sp, sp, 64\n ret\n"
);
}
#else
static void multiply_block_outputs_6_16(const int8_t *w, const int32_t *x,
                                        const struct block_outputs *to, int32_t quads)
{
    int32_t sums[4 * 6];
    block_sums(w, x, sums, quads, 16 / 4);
    const int32_t *constants = to->constants;
    for (int32_t i = 0; to->y + i != to->end; i++, constants += 3)
        high_outputs(to->y + i, to->step, sums + 6 * i, constants, 6);
}
#endif

/* The outputs of up to four channels of 3 pixels: sums as multiply_block has them, then as
 * high_output scales them. */
#if defined(BONSAI_RV32)
BONSAI_PLACE(block_outputs, y, 0);
BONSAI_PLACE(block_outputs, end, 4);
BONSAI_PLACE(block_outputs, step, 8);
BONSAI_PLACE(block_outputs, constants, 12);

BONSAI_NAKED void
multiply_block_outputs_3_8(__attribute__((unused)) const int8_t *w,
                           __attribute__((unused)) const int32_t *x,
                           __attribute__((unused)) const struct block_outputs *to,
                           __attribute__((unused)) int32_t quads)
{
    /* Several texts, since ISO C allows 4095 characters in one.
     *
     * First as in multiply_block; then a0: y; a1: constants; a3: step; t1 to t6: start, multiplier,
     * first, last, scale, shift; t0: a sum. Behind the registers on the stack:
     * 52 the end of the channels, 56 the channel's first output. */
    __asm__("addi sp, sp, -64\n slli a3, a3, 4\n add a3, a3, a0\n sw ra, 48(sp)\n"
"sw s0, 0(sp)\n sw s1, 4(sp)\n sw s2, 8(sp)\n sw s3, 12(sp)\n"
"sw s4, 16(sp)\n sw s5, 20(sp)\n sw s6, 24(sp)\n sw s7, 28(sp)\n"
"sw s8, 32(sp)\n sw s9, 36(sp)\n sw s10, 40(sp)\n sw s11, 44(sp)\n"
"li s0, 0\n li s1, 0\n li s4, 0\n li s5, 0\n li s8, 0\n li s9, 0\n li a4, 0\n li a5, 0\n"
"1: .irp tap, 0, 1, 2, 3\n"
"lb t0, \\tap*4(a0)\n lb t1, \\tap*4+1(a0)\n lb t2, \\tap*4+2(a0)\n lb t3, \\tap*4+3(a0)\n"
"lw t4, \\tap*8+0(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s0, s0, t5\n add s4, s4, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s8, s8, t5\n add a4, a4, t6\n"
"lw t4, \\tap*8+4(a1)\n"
"mul t5, t4, t0\n mul t6, t4, t1\n add s1, s1, t5\n add s5, s5, t6\n"
"mul t5, t4, t2\n mul t6, t4, t3\n add s9, s9, t5\n add a5, a5, t6\n"
".endr\n"
"addi a0, a0, 16\n addi a1, a1, 4*8\n bne a0, a3, 1b\n"
);
    __asm__("lw a0, 0(a2)\n lw t0, 4(a2)\n lw a3, 8(a2)\n lw a1, 12(a2)\n"
            "sw t0, 52(sp)\n sw a0, 56(sp)\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "slli t0, s0, 11\n srai t0, t0, 11\n sub s0, s0, t0\n srli s0, s0, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, s0, 11\n sub s1, s1, t0\n slli t0, s1, 10\n srai t0, t0, 10\n"
            "sub s1, s1, t0\n srai s1, s1, 11\n add s0, s0, s1\n"
            "sll s0, s0, t5\n add s0, s0, t1\n mulh s0, s0, t2\n sra s0, s0, t6\n"
            "bgeu t4, s0, 2f\n srai s0, s0, 31\n not s0, s0\n"
            "and s0, s0, t4\n 2: add s0, s0, t3\n sb s0, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
"addi a1, a1, 12\n"
"slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
"srli t5, t6, 16\n srli t6, t6, 24\n"
"slli t0, s4, 11\n srai t0, t0, 11\n sub s4, s4, t0\n srli s4, s4, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s4, 11\n sub s5, s5, t0\n slli t0, s5, 10\n srai t0, t0, 10\n"
"sub s5, s5, t0\n srai s5, s5, 11\n add s4, s4, s5\n"
"sll s4, s4, t5\n add s4, s4, t1\n mulh s4, s4, t2\n sra s4, s4, t6\n"
"bgeu t4, s4, 2f\n srai s4, s4, 31\n not s4, s4\n"
"and s4, s4, t4\n 2: add s4, s4, t3\n sb s4, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
);
    __asm__("lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
"addi a1, a1, 12\n"
"slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
"srli t5, t6, 16\n srli t6, t6, 24\n"
"slli t0, s8, 11\n srai t0, t0, 11\n sub s8, s8, t0\n srli s8, s8, 21\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"slli t0, s8, 11\n sub s9, s9, t0\n slli t0, s9, 10\n srai t0, t0, 10\n"
"sub s9, s9, t0\n srai s9, s9, 11\n add s8, s8, s9\n"
"sll s8, s8, t5\n add s8, s8, t1\n mulh s8, s8, t2\n sra s8, s8, t6\n"
"bgeu t4, s8, 2f\n srai s8, s8, 31\n not s8, s8\n"
"and s8, s8, t4\n 2: add s8, s8, t3\n sb s8, 0(a0)\n add a0, a0, a3\n"
"sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
"bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
"and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
"lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"

            "lw t1, 0(a1)\n lw t2, 4(a1)\n lw t6, 8(a1)\n"
            "addi a1, a1, 12\n"
            "slli t3, t6, 24\n srai t3, t3, 24\n srli t4, t6, 8\n andi t4, t4, 255\n"
            "srli t5, t6, 16\n srli t6, t6, 24\n"
            "slli t0, a4, 11\n srai t0, t0, 11\n sub a4, a4, t0\n srli a4, a4, 21\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "slli t0, a4, 11\n sub a5, a5, t0\n slli t0, a5, 10\n srai t0, t0, 10\n"
            "sub a5, a5, t0\n srai a5, a5, 11\n add a4, a4, a5\n"
            "sll a4, a4, t5\n add a4, a4, t1\n mulh a4, a4, t2\n sra a4, a4, t6\n"
            "bgeu t4, a4, 2f\n srai a4, a4, 31\n not a4, a4\n"
            "and a4, a4, t4\n 2: add a4, a4, t3\n sb a4, 0(a0)\n add a0, a0, a3\n"
            "sll t0, t0, t5\n add t0, t0, t1\n mulh t0, t0, t2\n sra t0, t0, t6\n"
            "bgeu t4, t0, 2f\n srai t0, t0, 31\n not t0, t0\n"
            "and t0, t0, t4\n 2: add t0, t0, t3\n sb t0, 0(a0)\n add a0, a0, a3\n"
            "lw a0, 56(sp)\n lw t0, 52(sp)\n addi a0, a0, 1\n sw a0, 56(sp)\n beq a0, t0, 3f\n"
            "3:\n"
            "lw s0, 0(sp)\n lw s1, 4(sp)\n lw s2, 8(sp)\n lw s3, 12(sp)\n"
"lw s4, 16(sp)\n lw s5, 20(sp)\n lw s6, 24(sp)\n lw s7, 28(sp)\n"
"lw s8, 32(sp)\n lw s9, 36(sp)\n lw s10, 40(sp)\n lw s11, 44(sp)\n"
"lw ra, 48(sp)\n addi sp, sp, 64\n ret\n"
);
}
#else
static void multiply_block_outputs_3_8(const int8_t *w, const int32_t *x,
                                       const struct block_outputs *to, int32_t quads)
{
    int32_t sums[4 * 3];
    block_sums(w, x, sums, quads, 8 / 4);
    const int32_t *constants = to->constants;
    for (int32_t i = 0; to->y + i != to->end; i++, constants += 3)
        high_outputs(to->y + i, to->step, sums + 3 * i, constants, 3);
}
#endif

/* Six pixels at a time, three in two words, times the weights of four channels, an int8 each: sums
 * of all of them stay in registers. The last pixels may be three; missing ones repeat others, and
 * their outputs go to scratch. The input's zero point is folded into the biases. */
static void conv2d_pixels_s8_rv32(const int8_t *in, int8_t *out, int8_t *scratch)
{
    /* Four taps each. */
    const int32_t quads = 9;
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
        const int8_t *w = model_conv2d_0_weights;
        const int32_t *stage = model_conv2d_0_stage;
        int8_t *const to = n < count ? spare : out;
        for (int32_t c = 0; c < channels; c += 4, w += 16 * quads) {
            const int32_t end = c + 4 < channels ? c + 4 : channels;
            const struct block_outputs place = { to + c, to + end, channels, stage };
            if (count > 3)
                multiply_block_outputs_6_16(w, packed, &place, quads);
            else
                multiply_block_outputs_3_8(w, packed, &place, quads);
            stage += 4 * 3;
        }
        for (int32_t i = 0; n < count && i < n * channels; i++)
            out[i] = spare[i];
        out += n * channels;
    }
}

/* Six pixels at a time, three in two words, times the weights of four channels, an int8 each: sums
 * of all of them stay in registers. The last pixels may be three; missing ones repeat others, and
 * their outputs go to scratch. The input's zero point is folded into the biases. */
static void conv2d_pixels_s8_rv32_pointwise(const int8_t *in, int8_t *out, int8_t *scratch)
{
    /* Four taps each. */
    const int32_t quads = 2;
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
        const int8_t *w = model_conv2d_1_weights;
        const int32_t *stage = model_conv2d_1_stage;
        int8_t *const to = n < count ? spare : out;
        for (int32_t c = 0; c < channels; c += 4, w += 16 * quads) {
            const int32_t end = c + 4 < channels ? c + 4 : channels;
            const struct block_outputs place = { to + c, to + end, channels, stage };
            if (count > 3)
                multiply_block_outputs_6_16(w, packed, &place, quads);
            else
                multiply_block_outputs_3_8(w, packed, &place, quads);
            stage += 4 * 3;
        }
        for (int32_t i = 0; n < count && i < n * channels; i++)
            out[i] = spare[i];
        out += n * channels;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,5,6]  3x3 stride 2 pad 1,1,1,1
     * rv32/conv2d_pixels, 5400 MAC: test */
    case 0:
        conv2d_pixels_s8_rv32(arena + 0x0000, arena + 0x0144, arena + 0x01dc);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,6] -> [1,5,5,6]  1x1
     * rv32/conv2d_pixels, 900 MAC: test */
    case 1:
        conv2d_pixels_s8_rv32_pointwise(arena + 0x0144, arena + 0x04ac, arena + 0x0544);
        break;
    default:
        break;
    }
}
