/* A helper that kernels call: one copy, not inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/* A single pixel: x is the int8 input itself; r8 is the sum, r9 the input, r11 the output; r4 to r7:
 * four entries. */
#define sparse_one() one

#if defined(__ARM_FEATURE_DSP)

__asm__(
    ".macro sparse_enter_one\n"
    "    mov r11, r0\n"
    "    mov r9, r1\n"
    ".endm\n"
    ".macro sparse_first_one\n"
    "    ldmia r1!, {r0, r8, r12}\n"
    "    add.w lr, r9, r0, lsr #16\n"
    "    ldrsb.w r2, [lr]\n"
    "    smlabb r8, r2, r0, r8\n"
    ".endm\n"
    ".macro sparse_step_one\n"
    "    ldmia.w r1!, {r4-r7}\n"
    "    .irp w, r4, r5, r6, r7\n"
    "    add.w lr, lr, \\w, lsr #16\n"
    "    ldrsb.w r2, [lr]\n"
    "    smlabb r8, r2, \\w, r8\n"
    "    .endr\n"
    ".endm\n"
    ".macro sparse_finish_one finish\n"
    "    sparse_finish \\finish, r8\n"
    "    strb r8, [r11], #1\n"
    ".endm\n");

#else

typedef const int8_t *sparse_taps_one;
#define sparse_pixels_one 1
#define sparse_words_one 1
#define sparse_step_one 4
#define sparse_step_bytes_one 52

/* The product of an entry's tap; how far that is away. */
static inline int32_t sparse_add_one(int32_t *sum, const int8_t *tap, const int32_t *w)
{
    const int32_t away = (int32_t)((uint32_t)*w >> 16);
    *sum = (int32_t)((uint32_t)*sum + (uint32_t)(tap[away] * (int16_t)*w));
    return away;
}

#endif

/* sum + the upper half of the 64-bit product, rounded: halves up. */
static inline int32_t smmlar(int32_t a, int32_t b, int32_t sum)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("smmlar %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return sum + (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

/* x within int8. */
static inline int8_t saturate8(int32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

/* The int8 output of an accumulator of 256 times its scale, rounded twice as TensorFlow Lite Micro
 * does: the doubled high half of the product, halves up, then a right shift, halves away from zero.
 * `offset` is half of what is shifted out and the output's zero point. */
static inline int8_t finish_twice(int32_t acc, int32_t multiplier, int32_t offset, int32_t shift)
{
    const int32_t y = smmlar(acc >> 7, multiplier, 0);
    return saturate8((y + (y >> 31) + offset) >> shift);
}

/* finish_twice. r12: multiplier, offset and shift of four channels. */
#define multiply_twice() twice

#if defined(__ARM_FEATURE_DSP)

__asm__(
    ".macro multiply_finish_twice shape\n"
    "    multiply_twice \\shape, r4, r8\n"
    "    multiply_twice \\shape, r5, r9\n"
    "    multiply_twice \\shape, r6, r10\n"
    "    multiply_twice \\shape, r7, r11\n"
    "    str r12, [sp, #multiply_stage]\n"
    ".endm\n"
    ".macro multiply_twice shape, sum, sum1\n"
    "    ldmia r12!, {r0, r2, r3}\n"
    "    multiply_twice_one \\sum\n"
    "    .ifc \\shape, pair\n"
    "    multiply_twice_one \\sum1\n"
    "    .endif\n"
    ".endm\n"
    ".macro multiply_twice_one sum\n"
    "    asr \\sum, \\sum, #7\n"
    "    smmulr \\sum, \\sum, r0\n"
    "    add \\sum, \\sum, \\sum, asr #31\n"
    "    add \\sum, \\sum, r2\n"
    "    asr \\sum, \\sum, r3\n"
    "    ssat \\sum, #8, \\sum\n"
    ".endm\n");

#else

#define multiply_constants_twice 3
#define multiply_finish_twice(sum, with, m) finish_twice(sum, (with)[0], (with)[1], (with)[2])

#endif

/* Functions that multiply columns of taps, one tap of some output pixels each, with the weights that
 * are not 0, one output channel after the other.
 *
 * The stream of a channel: its first entry, what its sums begin with, a jump, steps of one, two or
 * four entries, a word of constants, a jump, and so on until that jump is 0: then the rest of what it
 * takes to finish as finish_linear, finish_twice or finish_once do. An entry has 256 times a weight in
 * its lower half and the distance in bytes from the tap before in its upper one; of a block, four
 * weights, then the distance, or 256 times weights 0 and 2, 1 and 3, then how far it is from the first
 * tap. A jump leads into eight unrolled steps, so late that as many are left as come before the next. */
struct sparse {
    const int32_t *weights;
    const int32_t *end;
    int32_t offset; /* Of finish_linear. */
    int32_t out_c;
};

#define define_sparse(name, shape, finish) define_sparse_of(name, shape, finish)

#if defined(__ARM_FEATURE_DSP)

#define define_sparse_of(name, shape, finish)                                                      \
    void name(int8_t *y, const void *x, const struct sparse *m, int32_t pixels);                   \
    __asm__("sparse " #name ", " #shape ", " #finish)

/* r0: first entry, constant; r1: stream; lr: column; r2, r3: taps; r12: jump; the rest is the
 * shape's. The frame begins with what it takes to store the outputs. */
__asm__(
    ".syntax unified\n"
    ".set sparse_y, 0\n"
    ".set sparse_c, 4\n"
    ".set sparse_skipped, 8\n"
    ".set sparse_x, 16\n"
    ".set sparse_end, 20\n"
    ".set sparse_offset, 24\n"
    ".macro sparse name, shape, finish\n"
    "    .pushsection .text.\\name, \"ax\", %progbits\n"
    "    .balign 4\n"
    "    .thumb_func\n"
    "    .type \\name, %function\n"
    "\\name:\n"
    "    push {r4-r11, lr}\n"
    "    sub sp, sp, #28\n"
    "    ldm r2, {r4-r7}\n"
    "    strd r0, r7, [sp, #sparse_y]\n"
    "    strd r1, r5, [sp, #sparse_x]\n"
    "    str r6, [sp, #sparse_offset]\n"
    "    sparse_enter_\\shape\n"
    "    mov r1, r4\n"
    "1:  sparse_first_\\shape\n"
    "    add pc, r12\n"
    "    nop\n"
    "2:  .rept 8\n"
    "    sparse_step_\\shape\n"
    "    .endr\n"
    "    ldrd r12, r0, [r1], #8\n"
    "    add pc, r12\n"
    "    nop\n"
    "    sparse_finish_\\shape \\finish\n"
    "    ldr r12, [sp, #sparse_end]\n"
    "    cmp r1, r12\n"
    "    bne 1b\n"
    "    add sp, sp, #28\n"
    "    pop {r4-r11, pc}\n"
    "    .size \\name, . - \\name\n"
    "    .popsection\n"
    ".endm\n"
    ".macro sparse_finish finish, sums:vararg\n"
    "    .ifc \\finish, linear\n"
    "    ldr r12, [sp, #sparse_offset]\n"
    "    .irp sum, \\sums\n"
    "    multiply_linear row, r0, \\sum\n"
    "    .endr\n"
    "    .else\n"
    "    ldrd r2, r3, [r1], #8\n"
    "    .irp sum, \\sums\n"
    "    multiply_\\finish\\()_one \\sum\n"
    "    .endr\n"
    "    .endif\n"
    ".endm\n");

#else

#define define_sparse_of(name, shape, finish)                                                      \
    static void name(int8_t *y, const void *x, const struct sparse *m, int32_t pixels)             \
    {                                                                                              \
        for (const int32_t *w = m->weights; w != m->end; y++) {                                    \
            const int32_t words = sparse_words_##shape;                                            \
            int32_t sums[8], jump = w[words + 1];                                                  \
            for (int32_t i = 0; i < sparse_pixels_##shape; i++)                                    \
                sums[i] = w[words];                                                                \
            sparse_taps_##shape column = (sparse_taps_##shape)x + sparse_add_##shape(sums, x, w);  \
            w += words + 2;                                                                        \
            for (int32_t left = 8 - jump / sparse_step_bytes_##shape;;                             \
                 left = (-jump - 8) / sparse_step_bytes_##shape) {                                 \
                for (left *= sparse_step_##shape; left > 0; left--, w += words)                    \
                    column += sparse_add_##shape(sums, column, w);                                 \
                jump = w[0];                                                                       \
                if (jump == 0)                                                                     \
                    break;                                                                         \
                w += 2;                                                                            \
            }                                                                                      \
            w++;                                                                                   \
            for (int32_t i = 0; i < pixels; i++)                                                   \
                y[i * m->out_c] = (int8_t)multiply_finish_##finish(sums[i], w, m);                 \
            w += multiply_constants_##finish;                                                      \
        }                                                                                          \
    }                                                                                              \
    void name(int8_t *y, const void *x, const struct sparse *m, int32_t pixels)

/* The products of an entry's column; how many taps that is away. */
static inline int32_t sparse_add(int32_t *sums, const int16_t *column, const int32_t *w, int32_t n)
{
    const int32_t away = (int32_t)((uint32_t)*w >> 16) / 2;
    for (int32_t i = 0; i < n; i++)
        sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)(column[away + i] * (int16_t)*w));
    return away;
}

#endif

define_sparse(sparse_one_twice, sparse_one(), multiply_twice());

struct sparse_fully_connected_s8_dsp_args {
    const int32_t *weights;
    uint16_t end;
    uint8_t out_c;
};

/* The weights that are not 0, channel after channel, by the input where it lies. Its zero
 * point is folded into the biases. */
static void sparse_fully_connected_s8_dsp(const int8_t *restrict in, int8_t *restrict out,
                                          const struct sparse_fully_connected_s8_dsp_args *restrict args)
{
    const struct sparse sparse = {
        .weights = args->weights,
        .end = args->weights + args->end,
        .offset = 0,
        .out_c = args->out_c,
    };
    sparse_one_twice(out, in, &sparse, 1);
}

static const struct sparse_fully_connected_s8_dsp_args model_fully_connected_0_args BONSAI_FLASH = {
    .weights = model_fully_connected_0_weights, .end = 730, .out_c = 10,
};

static const struct sparse_fully_connected_s8_dsp_args model_fully_connected_1_args BONSAI_FLASH = {
    .weights = model_fully_connected_1_weights, .end = 95, .out_c = 5,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * kernel dsp/sparse_fully_connected (test; 640 MAC); scratch 0 B; arena in 0x0000, out
     * 0x0040 */
    case 0:
        sparse_fully_connected_s8_dsp(arena + 0x0000, arena + 0x0040,
        &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * kernel dsp/sparse_fully_connected (test; 50 MAC); scratch 0 B; arena in 0x0040, out 0x004c */
    case 1:
        sparse_fully_connected_s8_dsp(arena + 0x0040, arena + 0x004c,
        &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
