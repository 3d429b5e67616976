/* A helper that kernels call: one copy, not inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/* Eight pixels: r4 to r11 are their sums; r0 and r12: two entries; a column is eight int16. */
#define sparse_eight() eight

#if defined(__ARM_FEATURE_DSP)

__asm__(
    ".macro sparse_enter_eight\n"
    "    rsb r3, r3, #8\n"
    "    add r2, r7, r7, lsl #1\n"
    "    lsl r3, r3, #2\n"
    "    strd r2, r3, [sp, #sparse_skipped]\n"
    ".endm\n"
    ".macro sparse_first_eight\n"
    "    ldmia r1!, {r0, r11, r12}\n"
    "    ldr lr, [sp, #sparse_x]\n"
    "    sparse_column_eight r0, r11, r11, r11, r11, r11, r11, r11, r11\n"
    ".endm\n"
    ".macro sparse_step_eight\n"
    "    ldrd r0, r12, [r1], #8\n"
    "    sparse_column_eight r0, r4, r5, r6, r7, r8, r9, r10, r11\n"
    "    sparse_column_eight r12, r4, r5, r6, r7, r8, r9, r10, r11\n"
    ".endm\n"
    ".macro sparse_column_eight w, a, b, c, d, e, f, g, h\n"
    "    add.w lr, lr, \\w, lsr #16\n"
    "    ldrd r2, r3, [lr]\n"
    "    smlabb r4, r2, \\w, \\a\n"
    "    smlatb r5, r2, \\w, \\b\n"
    "    smlabb r6, r3, \\w, \\c\n"
    "    smlatb r7, r3, \\w, \\d\n"
    "    ldrd r2, r3, [lr, #8]\n"
    "    smlabb r8, r2, \\w, \\e\n"
    "    smlatb r9, r2, \\w, \\f\n"
    "    smlabb r10, r3, \\w, \\g\n"
    "    smlatb r11, r3, \\w, \\h\n"
    ".endm\n"
    /* Pixels that are not there are skipped: all stores have the same size. */
    ".macro sparse_finish_eight finish\n"
    "    sparse_finish \\finish, r4, r5, r6, r7, r8, r9, r10, r11\n"
    "    ldm sp, {r0, r2, r3, lr}\n"
    "    add r12, r0, r2, lsl #2\n"
    "    add pc, lr\n"
    "    nop\n"
    "    strb.w r11, [r12, r3]\n"
    "    strb.w r10, [r12, r2, lsl #1]\n"
    "    strb.w r9, [r12, r2]\n"
    "    strb.w r8, [r12]\n"
    "    strb.w r7, [r0, r3]\n"
    "    strb.w r6, [r0, r2, lsl #1]\n"
    "    strb.w r5, [r0, r2]\n"
    "    strb.w r4, [r0], #1\n"
    "    str r0, [sp, #sparse_y]\n"
    ".endm\n");

#else

typedef const int16_t *sparse_taps_eight;
#define sparse_pixels_eight 8
#define sparse_words_eight 1
#define sparse_step_eight 2
#define sparse_step_bytes_eight 92
#define sparse_add_eight(sums, column, w) sparse_add(sums, column, w, 8)

#endif

/* sum + both products of the 16-bit halves of a and b. The sum wraps. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int32_t low = (int16_t)a * (int16_t)b, high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}

/* Bytes 0 and 2 as two int16. */
static inline uint32_t sxtb16(uint32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t lanes;
    __asm__("sxtb16 %0, %1" : "=r"(lanes) : "r"(x));
    return lanes;
#else
    return (uint32_t)(uint16_t)(int8_t)x | (uint32_t)(uint16_t)(int8_t)(x >> 16) << 16;
#endif
}

/* Eight pixels by blocks of four taps: r4 to r11 are their sums, r0 a block's weights, r12 two of them
 * as int16. 64 bytes hold four taps of all, 256 times the input as sparse_quads lays it out. */
#define sparse_blocks(eight) blocks

#if defined(__ARM_FEATURE_DSP)

__asm__(
    ".macro sparse_enter_blocks\n"
    "    sparse_enter_eight\n"
    ".endm\n"
    ".macro sparse_first_blocks\n"
    "    ldmia r1!, {r0, r2, r11}\n"
    "    ldr lr, [sp, #sparse_x]\n"
    "    sparse_block r11, r11, r11, r11, r11, r11, r11, r11\n"
    "    ldr r12, [r1], #4\n"
    ".endm\n"
    ".macro sparse_step_blocks\n"
    "    ldrd r0, r2, [r1], #8\n"
    "    sparse_block r4, r5, r6, r7, r8, r9, r10, r11\n"
    ".endm\n"
    ".macro sparse_block a, b, c, d, e, f, g, h\n"
    "    add.w lr, lr, r2\n"
    "    sxtb16 r12, r0\n"
    "    sparse_pairs 0, \\a, \\b, \\c, \\d, \\e, \\f, \\g, \\h\n"
    "    sxtb16 r12, r0, ror #8\n"
    "    sparse_pairs 32, r4, r5, r6, r7, r8, r9, r10, r11\n"
    ".endm\n"
    ".macro sparse_pairs at, a, b, c, d, e, f, g, h\n"
    "    ldrd r2, r3, [lr, #\\at]\n"
    "    smlad r4, r2, r12, \\a\n"
    "    smlad r5, r3, r12, \\b\n"
    "    ldrd r2, r3, [lr, #\\at + 16]\n"
    "    smlad r6, r2, r12, \\c\n"
    "    smlad r7, r3, r12, \\d\n"
    "    ldrd r2, r3, [lr, #\\at + 8]\n"
    "    smlad r8, r2, r12, \\e\n"
    "    smlad r9, r3, r12, \\f\n"
    "    ldrd r2, r3, [lr, #\\at + 24]\n"
    "    smlad r10, r2, r12, \\g\n"
    "    smlad r11, r3, r12, \\h\n"
    ".endm\n"
    ".macro sparse_finish_blocks finish\n"
    "    sparse_finish_eight \\finish\n"
    ".endm\n");

#else

typedef const uint32_t *sparse_taps_blocks;
#define sparse_pixels_blocks sparse_pixels_eight
#define sparse_words_blocks 2
#define sparse_step_blocks 1
#define sparse_step_bytes_blocks 112

/* The products of a block; how many words it is away. */
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

define_sparse(sparse_blocks_twice, sparse_blocks(sparse_eight()), multiply_twice());

/* Four bytes from any address, the first one lowest. */
static inline uint32_t load_word(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* 256 times n int8 of four pixels as int16: for each four a word with bytes 0 and 2 of each pixel,
 * then one with bytes 1 and 3; bytes that there are not are 0. After two words there is room for two
 * of four other pixels. Returns where the next would begin. */
#define sparse_quads() sparse_quads_of

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

#if defined(__ARM_FEATURE_DSP)

uint32_t *sparse_whole_quads(uint32_t *to, int32_t n, const int8_t *const pixels[4]);

__asm__(
    ".syntax unified\n"
    ".pushsection .text.sparse_whole_quads, \"ax\", %progbits\n"
    "    .balign 4\n"
    "    .thumb_func\n"
    "    .type sparse_whole_quads, %function\n"
    "sparse_whole_quads:\n"
    "    push {r4-r9, lr}\n"
    "    ldm r2, {r4-r7}\n"
    "    mov lr, #0xff00ff00\n"
    ".macro sparse_quad_halves a, b\n"
    "    ldr r2, [\\a], #4\n"
    "    ldr r3, [\\b], #4\n"
    "    and r8, lr, r2, lsl #8\n"
    "    and r9, lr, r3, lsl #8\n"
    "    and r2, r2, lr\n"
    "    and r3, r3, lr\n"
    ".endm\n"
    "1:  sparse_quad_halves r6, r7\n"
    "    strd r8, r9, [r0, #16]\n"
    "    strd r2, r3, [r0, #48]\n"
    "    sparse_quad_halves r4, r5\n"
    "    strd r2, r3, [r0, #32]\n"
    "    strd r8, r9, [r0], #64\n"
    "    subs r1, r1, #4\n"
    "    bgt 1b\n"
    "    pop {r4-r9, pc}\n"
    "    .size sparse_whole_quads, . - sparse_whole_quads\n"
    ".popsection\n");

#else

static inline uint32_t *sparse_whole_quads(uint32_t *to, int32_t n, const int8_t *const pixels[4])
{
    for (int32_t i = 0; i < n; i += 4, to += 16)
        sparse_quad(to, load_word(pixels[0] + i), load_word(pixels[1] + i),
                    load_word(pixels[2] + i), load_word(pixels[3] + i));
    return to;
}

#endif

BONSAI_SHARED uint32_t *sparse_quads_of(uint32_t *to, int32_t n, const int8_t *const pixels[4])
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

/* What `widen` makes of `tile` pixels, 4 or 8, of which `count` are there; the last one stands for
 * the others. */
static inline void sparse_pixels(uint32_t *to, int32_t tile,
                                 uint32_t *(*widen)(uint32_t *, int32_t, const int8_t *const[4]),
                                 const int8_t *in, int32_t count, int32_t in_c)
{
    for (int32_t first = 0; first < tile; first += 4) {
        const int8_t *pixels[4];
        for (int32_t i = 0; i < 4; i++)
            pixels[i] = in + (first + i < count ? first + i : count - 1) * in_c;
        widen(to + first / 2, in_c, pixels);
    }
}

/* Eight pixels at a time: their values are widened to int16 in scratch, those of four
 * channels side by side, then multiplied with the blocks of weights that are not 0. The input's
 * zero point is folded into the biases. */
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
        sparse_pixels(columns, 8, sparse_quads(), in, count, in_c);
        in += 8 * in_c;
        const int32_t outputs = count * sparse.out_c;
        sparse_blocks_twice(out, columns, &sparse, count);
        out += outputs;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,6] -> [1,9,9,6]  1x1
     * kernel dsp/sparse_conv2d_blocks (test; 2916 MAC); scratch 128 B at 0x03d0; arena in
     * 0x0000, out 0x01e8 */
    case 0:
        sparse_conv2d_blocks_s8_dsp(arena + 0x0000, arena + 0x01e8, arena + 0x03d0);
        break;
    default:
        break;
    }
}
