/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif


/* Filters, four output channels at a time. Assembly reads the fields at fixed offsets. */
struct filters {
    const int32_t *weights;
    const int32_t *full;  /* End of the groups that share no channels... */
    const int32_t *end;   /* ... and of all groups; the last one may compute channels again. */
    const int32_t *stage; /* Per group: four biases, then the output stage of each channel. */
    int32_t steps;
    int32_t offset; /* For finish_linear. */
    int32_t back;   /* Channels that the last group computes again. */
};

/* Four bytes from any address, little-endian. */
static inline uint32_t load_word(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/* Widens n int8 to int16, times 256, two in a word, words `step` apart: of each four, bytes 0 and
 * 2, then 1 and 3; fewer than four in their order. */
static inline uint32_t *widen_wide(uint32_t *to, int32_t step, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, from += 4, to += 2 * step) {
        const uint32_t bytes = load_word(from);
        to[0] = bytes << 8 & 0xff00ff00u;
        to[step] = bytes & 0xff00ff00u;
    }
    for (; n > 0; n -= 2, from += 2, to += step) {
        const int8_t next = n > 1 ? from[1] : 0;
        *to = (uint32_t)(uint8_t)from[0] << 8 | (uint32_t)next << 24;
    }
    return to;
}

/* A field lies where the assembly below reads it. */
#define BONSAI_PLACE(type, field, bytes) \
    __extension__ _Static_assert(offsetof(struct type, field) == bytes, #field)

/* A function of assembly alone. GCC would copy one for calls with constant arguments, and pass the
 * copy fewer of them. */
#if defined(__clang__)
#define BONSAI_NAKED static __attribute__((naked, noinline))
#else
#define BONSAI_NAKED static __attribute__((naked, noinline, noclone))
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

#if !defined(__ARM_FEATURE_DSP)
/* The sums of four channels over one pixel, whose words are x_step apart. */
static inline void multiply_sums(int32_t sums[4], const int32_t *biases, const uint32_t *x,
                                 int32_t x_step, const int32_t *w, int32_t steps)
{
    for (int32_t i = 0; i < 4; i++)
        sums[i] = biases[i];
    for (; steps > 0; steps--, x += x_step, w += 4) {
        for (int32_t i = 0; i < 4; i++)
            sums[i] = smlad((uint32_t)w[i], *x, sums[i]);
    }
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

/* x saturated to int8. */
static inline int8_t saturate8(int32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

/* The int8 output of 256 times an accumulator, rounded twice as TensorFlow Lite Micro does: the
 * doubled high half of the product, halves up, then a right shift, halves away from zero. `offset`
 * is half of the shifted-out range plus the output's zero point. */
static inline int8_t finish_twice(int32_t acc, int32_t multiplier, int32_t offset, int32_t shift)
{
    const int32_t y = smmlar(acc >> 7, multiplier, 0);
    return saturate8((y + (y >> 31) + offset) >> shift);
}

/* Multiplies a patch of the input by all filters, four output channels at a time. Outputs are
 * finished by finish_twice.
 *
 * For one pixel: a word of x holds two taps; the number of words is even.
 *
 * Weights as int16: group after group of four channels, in each step after step of two taps, in
 * each a word for each channel. x is 256 times the input. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(filters, weights, 0);
BONSAI_PLACE(filters, full, 4);
BONSAI_PLACE(filters, end, 8);
BONSAI_PLACE(filters, stage, 12);
BONSAI_PLACE(filters, steps, 16);
BONSAI_PLACE(filters, offset, 20);
BONSAI_PLACE(filters, back, 24);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_row_twice(__attribute__((unused)) int8_t *y, __attribute__((unused)) const uint32_t *x,
                   __attribute__((unused)) const struct filters *m)
{
    /* r0: x; r1: weights; r2 and r3: four taps; r8 to r11: weights; r4 to r7: sums. The frame: 0
     * outputs, 8 x, 12 its end, 16 full, 20 end, 24 stage, 28 offset, 32 back, 36 where the first
     * round begins. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #44\n"
            "ldm r2, {r4-r10}\n"
            "str r0, [sp]\n"
            "add r11, r1, r8, lsl #2\n"
            "strd r1, r11, [sp, #8]\n"
            "lsr r8, r8, #1\n"
            "strd r5, r6, [sp, #16]\n"
            "strd r7, r9, [sp, #24]\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r8, r8, #0\n"
            "and r8, r8, #15\n"
            "mov r2, #44\n"
            "adr r3, 2f + 1\n"
            "mla r11, r8, r2, r3\n"
            "strd r10, r11, [sp, #32]\n"
            "mov r1, r4\n"
            "1: ldr r12, [sp, #24]\n"
            "ldmia r12!, {r4-r7}\n"
            "str r12, [sp, #24]\n"
            "ldr r0, [sp, #8]\n"
            "ldr pc, [sp, #36]\n"
            ".balign 4\n"
            "2:\n"
            ".rept 16\n"
            "ldrd r2, r3, [r0], #8\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r2, r4\n"
            "smlad r5, r9, r2, r5\n"
            "smlad r6, r10, r2, r6\n"
            "smlad r7, r11, r2, r7\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r3, r4\n"
            "smlad r5, r9, r3, r5\n"
            "smlad r6, r10, r3, r6\n"
            "smlad r7, r11, r3, r7\n"
            ".endr\n"
            "ldr r12, [sp, #12]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldr r12, [sp, #24]\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r4, r4, #7\n"
            "smmulr r4, r4, r0\n"
            "add r4, r4, r4, asr #31\n"
            "add r4, r4, r2\n"
            "asr r4, r4, r3\n"
            "ssat r4, #8, r4\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r5, r5, #7\n"
            "smmulr r5, r5, r0\n"
            "add r5, r5, r5, asr #31\n"
            "add r5, r5, r2\n"
            "asr r5, r5, r3\n"
            "ssat r5, #8, r5\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r6, r6, #7\n"
            "smmulr r6, r6, r0\n"
            "add r6, r6, r6, asr #31\n"
            "add r6, r6, r2\n"
            "asr r6, r6, r3\n"
            "ssat r6, #8, r6\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r7, r7, #7\n"
            "smmulr r7, r7, r0\n"
            "add r7, r7, r7, asr #31\n"
            "add r7, r7, r2\n"
            "asr r7, r7, r3\n"
            "ssat r7, #8, r7\n"
            "str r12, [sp, #24]\n"
            "ldr r0, [sp]\n"
            "strb r4, [r0], #1\n"
            "strb r5, [r0], #1\n"
            "strb r6, [r0], #1\n"
            "strb r7, [r0], #1\n"
            "str r0, [sp]\n"
            "ldr r12, [sp, #16]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "beq 4f\n"
            /* The last group steps back over computed channels. */
            "str r12, [sp, #16]\n"
            "ldrd r4, r5, [sp]\n"
            "ldr r12, [sp, #32]\n"
            "sub r4, r4, r12\n"
            "sub r5, r5, r12\n"
            "strd r4, r5, [sp]\n"
            "b 1b\n"
            "4: add sp, sp, #44\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_row_twice(int8_t *y, const uint32_t *x, const struct filters *m)
{
    const int32_t *w = m->weights, *stage = m->stage;
    for (const int32_t *end = m->full;; end = m->end) {
        for (; w != end; w += 4 * m->steps, stage += 16) {
            int32_t sums[4];
            multiply_sums(sums, stage, x, 1, w, m->steps);
            for (int32_t i = 0; i < 4; i++)
                *y++ = finish_twice(sums[i], stage[4 + 3 * i], stage[5 + 3 * i], stage[6 + 3 * i]);
        }
        if (w == m->end)
            return;
        y -= m->back;
    }
}

#endif

/* The input is widened to int16 in scratch, then multiplied by four filters at a time. Its zero
 * point is folded into the biases. */
static void fully_connected_s8_dsp_0(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = (const int32_t *)model_fully_connected_0_weights,
        .full = (const int32_t *)model_fully_connected_0_weights + 256,
        .end = (const int32_t *)model_fully_connected_0_weights + 384,
        .stage = model_fully_connected_0_stage,
        .steps = 32,
        .offset = 0,
        .back = 2,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;
    /* Taps are multiplied four at a time, so the last word may lie past them. */
    x[filters.steps - 1] = 0;
    widen_wide(x, 1, in, 64);
    multiply_row_twice(out, x, &filters);
}

/* The input is widened to int16 in scratch, then multiplied by four filters at a time. Its zero
 * point is folded into the biases. */
static void fully_connected_s8_dsp_1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct filters filters = {
        .weights = (const int32_t *)model_fully_connected_1_weights,
        .full = (const int32_t *)model_fully_connected_1_weights + 24,
        .end = (const int32_t *)model_fully_connected_1_weights + 48,
        .stage = model_fully_connected_1_stage,
        .steps = 6,
        .offset = 0,
        .back = 3,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;
    /* Taps are multiplied four at a time, so the last word may lie past them. */
    x[filters.steps - 1] = 0;
    widen_wide(x, 1, in, 10);
    multiply_row_twice(out, x, &filters);
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,10]
     * dsp/fully_connected_packed, 640 MAC: test */
    case 0:
        fully_connected_s8_dsp_0(arena + 0x0000, arena + 0x0040, arena + 0x004c);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,10] -> [1,5]
     * dsp/fully_connected_packed, 50 MAC: test */
    case 1:
        fully_connected_s8_dsp_1(arena + 0x0040, arena + 0x00cc, arena + 0x00d4);
        break;
    default:
        break;
    }
}
