/* A helper that kernels call: one copy, not inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/* Four bytes from any address, the first one lowest. */
static inline uint32_t load_word(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Half the sum of each of two int16. */
static inline uint32_t shadd16(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t halves;
    __asm__("shadd16 %0, %1, %2" : "=r"(halves) : "r"(a), "r"(b));
    return halves;
#else
    const int32_t low = ((int16_t)a + (int16_t)b) >> 1;
    const int32_t high = ((int16_t)(a >> 16) + (int16_t)(b >> 16)) >> 1;
    return (uint32_t)(uint16_t)low | (uint32_t)high << 16;
#endif
}

/* Half the difference of each of two int16. */
static inline uint32_t shsub16(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t halves;
    __asm__("shsub16 %0, %1, %2" : "=r"(halves) : "r"(a), "r"(b));
    return halves;
#else
    const int32_t low = ((int16_t)a - (int16_t)b) >> 1;
    const int32_t high = ((int16_t)(a >> 16) - (int16_t)(b >> 16)) >> 1;
    return (uint32_t)(uint16_t)low | (uint32_t)high << 16;
#endif
}

/* One step of the transformation of the input: of four pixels of a row or a column, three differences
 * and a sum, halved, `step` words apart. */
static inline void winograd_step(uint32_t *to, int32_t step, uint32_t a, uint32_t b, uint32_t c,
                                 uint32_t d)
{
    to[0] = shsub16(a, c);
    to[step] = shadd16(b, c);
    to[2 * step] = shsub16(c, b);
    to[3 * step] = shsub16(b, d);
}

/* 64 times the transformed window of 4x4 that begins at `from`: to[16][channels / 2], bytes 0 and 2 of
 * four channels in one word, 1 and 3 in the next. 256 times a pixel is halved twice, which loses
 * nothing. Four pixels are added, or two and two subtracted: 64 times as much fits an int16. */
BONSAI_SHARED void winograd_input(uint32_t *to, const int8_t *from, int32_t channels, int32_t row)
{
    const int32_t words = channels / 2;
    for (int32_t c = 0; c < channels; c += 4, from += 4, to += 2) {
        for (int32_t x = 0; x < 4; x++) {
            const uint32_t mask = 0xff00ff00u;
            const int8_t *const top = from + x * channels;
            const uint32_t a = load_word(top), b = load_word(top + row);
            const uint32_t d = load_word(top + 2 * row), e = load_word(top + 3 * row);
            winograd_step(to + x * words, 4 * words, a << 8 & mask, b << 8 & mask, d << 8 & mask,
                          e << 8 & mask);
            winograd_step(to + x * words + 1, 4 * words, a & mask, b & mask, d & mask, e & mask);
        }
        for (int32_t y = 0; y < 16; y += 4) {
            uint32_t *const line = to + y * words;
            winograd_step(line, words, line[0], line[words], line[2 * words], line[3 * words]);
            winograd_step(line + 1, words, line[1], line[words + 1], line[2 * words + 1],
                          line[3 * words + 1]);
        }
    }
}

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

/* sums[16][4]: of 16 transformed pixels and four transformed filters, position by position. x: two
 * channels in a word, an even number of words for each pixel. w: of each four channels two words of
 * every filter, the first of all, then the second. `steps`: fours of channels. */
#if defined(__ARM_FEATURE_DSP)

void winograd_products(int32_t *sums, const uint32_t *x, const int32_t *w, int32_t steps);

/* r0: x; r1: w; r2, r3: four channels of a pixel; r4 to r7: sums; r8 to r11: filters; r12: what is
 * left. The frame: sums and steps, where the first round of 8 steps is entered, rounds. */
__asm__(
    ".syntax unified\n"
    ".pushsection .text.winograd_products, \"ax\", %progbits\n"
    ".balign 4\n"
    ".thumb_func\n"
    ".type winograd_products, %function\n"
    "winograd_products:\n"
    "    push {r4-r11, lr}\n"
    "    sub sp, sp, #12\n"
    "    mov lr, r0\n"
    "    mov r0, r1\n"
    "    mov r1, r2\n"
    "    add r4, r3, #7\n"
    "    lsr r4, r4, #3\n"
    "    rsb r5, r3, #0\n"
    "    and r5, r5, #7\n"
    "    mov r6, #(3f - 2f) / 8\n"
    "    adr r7, 2f + 1\n"
    "    mla r5, r5, r6, r7\n"
    "    strd r4, r5, [sp]\n"
    "    add r4, lr, #256\n"
    "    str r4, [sp, #8]\n"
    "1:  mov r4, #0\n"
    "    mov r5, #0\n"
    "    mov r6, #0\n"
    "    mov r7, #0\n"
    "    ldr r12, [sp]\n"
    "    ldr pc, [sp, #4]\n"
    "    .balign 4\n"
    "2:  .rept 8\n"
    "    ldrd r2, r3, [r0], #8\n"
    "    ldmia r1!, {r8-r11}\n"
    "    smlad r4, r8, r2, r4\n"
    "    smlad r5, r9, r2, r5\n"
    "    smlad r6, r10, r2, r6\n"
    "    smlad r7, r11, r2, r7\n"
    "    ldmia r1!, {r8-r11}\n"
    "    smlad r4, r8, r3, r4\n"
    "    smlad r5, r9, r3, r5\n"
    "    smlad r6, r10, r3, r6\n"
    "    smlad r7, r11, r3, r7\n"
    "    .endr\n"
    "3:  subs r12, r12, #1\n"
    "    bne 2b\n"
    "    stmia lr!, {r4-r7}\n"
    "    ldr r12, [sp, #8]\n"
    "    cmp lr, r12\n"
    "    bne 1b\n"
    "    add sp, sp, #12\n"
    "    pop {r4-r11, pc}\n"
    ".size winograd_products, . - winograd_products\n"
    ".popsection\n");

#else

static void winograd_products(int32_t *sums, const uint32_t *x, const int32_t *w, int32_t steps)
{
    for (int32_t position = 0; position < 16; position++, sums += 4) {
        for (int32_t filter = 0; filter < 4; filter++)
            sums[filter] = 0;
        for (int32_t i = 0; i < 2 * steps; i++, x++, w += 4) {
            for (int32_t filter = 0; filter < 4; filter++)
                sums[filter] = smlad(*x, (uint32_t)w[filter], sums[filter]);
        }
    }
}

#endif

/* The four accumulators of one filter from `start` and its 16 sums, which are four apart. All of it is
 * exact modulo 2^32. */
static inline void winograd_output(int32_t accumulators[4], int32_t start, const int32_t *sums)
{
    const uint32_t *const s = (const uint32_t *)sums;
    const uint32_t upper0 = s[0] + s[16] + s[32], lower0 = s[16] - s[32] - s[48];
    const uint32_t upper1 = s[4] + s[20] + s[36], lower1 = s[20] - s[36] - s[52];
    const uint32_t upper2 = s[8] + s[24] + s[40], lower2 = s[24] - s[40] - s[56];
    const uint32_t upper3 = s[12] + s[28] + s[44], lower3 = s[28] - s[44] - s[60];
    const uint32_t bias = (uint32_t)start;
    accumulators[0] = (int32_t)(bias + upper0 + upper1 + upper2);
    accumulators[1] = (int32_t)(bias + upper1 - upper2 - upper3);
    accumulators[2] = (int32_t)(bias + lower0 + lower1 + lower2);
    accumulators[3] = (int32_t)(bias + lower1 - lower2 - lower3);
}

/* Copies n bytes, a word at a time; none may overlap. */
static inline void copy_pixel(int8_t *to, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
    for (; n > 0; n--)
        *to++ = *from++;
}

/* For activations that leave less than int8. */
BONSAI_SHARED void clamp_outputs(int8_t *y, int32_t n, int32_t lowest, int32_t highest)
{
    for (; n > 0; n--, y++)
        *y = (int8_t)(*y < lowest ? lowest : *y > highest ? highest : *y);
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

/* The int8 output of an accumulator of 256 times its scale: one multiplication with constants that
 * are proved, threshold by threshold, to round as TensorFlow Lite does. */
static inline int8_t finish_linear(int32_t acc, int32_t multiplier, int32_t offset)
{
    const int32_t y = smmlar(acc, multiplier, offset);
#if defined(__ARM_FEATURE_DSP)
    int32_t saturated;
    __asm__("ssat %0, #8, %1, asr #8" : "=r"(saturated) : "r"(y));
    return (int8_t)saturated;
#else
    return saturate8(y >> 8);
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

/* Tiles of 2x2 outputs from windows of 4x4 with 16 products for 36 (Winograd; Lavin and Gray, 2015):
 * input and filters are transformed, the filters when the model was compiled, multiplied position by
 * position, and the sums transformed back. Integers throughout, exact: filters count four times.
 * Windows that are not all inside the image are copied to scratch first. */
static void conv2d_winograd_s8_dsp_twice(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, in_c = 4;
    const int32_t out_h = 9, out_w = 9, out_c = 8;
    const int32_t pad_top = 1, pad_left = 1;
    uint32_t *const pixels = (uint32_t *)(void *)scratch;
    int32_t *const sums = (int32_t *)(void *)(scratch + 32 * in_c);
    int8_t *const patch = scratch + 32 * in_c + 256;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy += 2) {
            for (int32_t ox = 0; ox < out_w; ox += 2) {
                const int32_t y = oy - pad_top, x = ox - pad_left;
                if (y >= 0 && y + 4 <= in_h && x >= 0 && x + 4 <= in_w) {
                    winograd_input(pixels, in + (y * in_w + x) * in_c, in_c, in_w * in_c);
                } else {
                    for (int32_t i = 0; i < 16; i++) {
                        const int32_t iy = y + i / 4, ix = x + i % 4;
                        if (iy >= 0 && iy < in_h && ix >= 0 && ix < in_w)
                            copy_pixel(patch + i * in_c, in + (iy * in_w + ix) * in_c, in_c);
                        else
                            memset(patch + i * in_c, 3, (size_t)in_c);
                    }
                    winograd_input(pixels, patch, in_c, 4 * in_c);
                }
                const int32_t *weights = model_conv2d_0_weights, *stage = model_conv2d_0_stage;
                /* What is beside the image is stored where its neighbour is, which follows. */
                const int32_t right = ox + 1 < out_w ? out_c : 0;
                const int32_t below = oy + 1 < out_h ? out_w * out_c : 0;
                const int32_t tile = (oy * out_w + ox) * out_c;
                for (int32_t c = 0; c < out_c; c += 4, weights += 32 * in_c) {
                    winograd_products(sums, pixels, weights, in_c / 4);
                    for (int32_t i = 0; i < 4; i++) {
                        int32_t acc[4];
                        winograd_output(acc, stage[i], sums + i);
                        const int32_t *const constants = stage + 4 + 3 * i;
                        const int32_t multiplier = constants[0], offset = constants[1];
                        const int32_t shift = constants[2];
                        int8_t outputs[4] = {
                            finish_twice(acc[0], multiplier, offset, shift),
                            finish_twice(acc[1], multiplier, offset, shift),
                            finish_twice(acc[2], multiplier, offset, shift),
                            finish_twice(acc[3], multiplier, offset, shift),
                        };
                        const int32_t at = tile + c + i;
                        out[at + below + right] = outputs[3];
                        out[at + below] = outputs[2];
                        out[at + right] = outputs[1];
                        out[at] = outputs[0];
                    }
                    stage += 16;
                }
            }
        }
        in += in_h * in_w * in_c;
        out += out_h * out_w * out_c;
    }
}

/* Tiles of 2x2 outputs from windows of 4x4 with 16 products for 36 (Winograd; Lavin and Gray, 2015):
 * input and filters are transformed, the filters when the model was compiled, multiplied position by
 * position, and the sums transformed back. Integers throughout, exact: filters count four times.
 * Windows that are not all inside the image are copied to scratch first. */
static void conv2d_winograd_s8_dsp_clamped_linear(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, in_c = 8;
    const int32_t out_h = 9, out_w = 9, out_c = 8;
    const int32_t pad_top = 1, pad_left = 1;
    uint32_t *const pixels = (uint32_t *)(void *)scratch;
    int32_t *const sums = (int32_t *)(void *)(scratch + 32 * in_c);
    int8_t *const patch = scratch + 32 * in_c + 256;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy += 2) {
            for (int32_t ox = 0; ox < out_w; ox += 2) {
                const int32_t y = oy - pad_top, x = ox - pad_left;
                if (y >= 0 && y + 4 <= in_h && x >= 0 && x + 4 <= in_w) {
                    winograd_input(pixels, in + (y * in_w + x) * in_c, in_c, in_w * in_c);
                } else {
                    for (int32_t i = 0; i < 16; i++) {
                        const int32_t iy = y + i / 4, ix = x + i % 4;
                        if (iy >= 0 && iy < in_h && ix >= 0 && ix < in_w)
                            copy_pixel(patch + i * in_c, in + (iy * in_w + ix) * in_c, in_c);
                        else
                            memset(patch + i * in_c, 3, (size_t)in_c);
                    }
                    winograd_input(pixels, patch, in_c, 4 * in_c);
                }
                const int32_t *weights = model_conv2d_1_weights, *stage = model_conv2d_1_stage;
                /* What is beside the image is stored where its neighbour is, which follows. */
                const int32_t right = ox + 1 < out_w ? out_c : 0;
                const int32_t below = oy + 1 < out_h ? out_w * out_c : 0;
                const int32_t tile = (oy * out_w + ox) * out_c;
                for (int32_t c = 0; c < out_c; c += 4, weights += 32 * in_c) {
                    winograd_products(sums, pixels, weights, in_c / 4);
                    for (int32_t i = 0; i < 4; i++) {
                        int32_t acc[4];
                        winograd_output(acc, stage[i], sums + i);
                        const int32_t multiplier = stage[4 + i], offset = 895;
                        int8_t outputs[4] = {
                            finish_linear(acc[0], multiplier, offset),
                            finish_linear(acc[1], multiplier, offset),
                            finish_linear(acc[2], multiplier, offset),
                            finish_linear(acc[3], multiplier, offset),
                        };
                        clamp_outputs(outputs, 4, 3, 15);
                        const int32_t at = tile + c + i;
                        out[at + below + right] = outputs[3];
                        out[at + below] = outputs[2];
                        out[at + right] = outputs[1];
                        out[at] = outputs[0];
                    }
                    stage += 8;
                }
            }
        }
        in += in_h * in_w * in_c;
        out += out_h * out_w * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,9,9,8]  3x3 pad 1,1,1,1
     * kernel dsp/conv2d_winograd (test; 23328 MAC); scratch 448 B at 0x03cc; arena in 0x0000,
     * out 0x0144 */
    case 0:
        conv2d_winograd_s8_dsp_twice(arena + 0x0000, arena + 0x0144, arena + 0x03cc);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,9,9,8] -> [1,9,9,8]  3x3 pad 1,1,1,1 relu6
     * kernel dsp/conv2d_winograd (test; 46656 MAC); scratch 640 B at 0x0814; arena in 0x0144,
     * out 0x058c */
    case 1:
        conv2d_winograd_s8_dsp_clamped_linear(arena + 0x0144, arena + 0x058c, arena + 0x0814);
        break;
    default:
        break;
    }
}
