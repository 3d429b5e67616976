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


/* Restricts the taps *first to *end - 1 of a window that begins at `origin` to those inside [0,
 * extent). */
static inline void clip_taps(int32_t origin, int32_t dilation, int32_t extent, int32_t *first,
                             int32_t *end)
{
    while (*first < *end && origin + *first * dilation < 0)
        ++*first;
    while (*first < *end && origin + (*end - 1) * dilation >= extent)
        --*end;
}

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

/* The sums of `groups` of four rows over one vector x of int16, two in a word. Of each group `w`
 * has the four values from which its sums begin, then for each of `steps` steps of four elements
 * the weights as int16: two words of the first two elements for each row, then those of the others.
 * x begins at a word. Returns the end of the groups. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) const int32_t *
dot_rows(__attribute__((unused)) int32_t *sums, __attribute__((unused)) const void *x,
         __attribute__((unused)) const int32_t *w, __attribute__((unused)) int32_t groups,
         __attribute__((unused)) int32_t steps)
{
    /* r0: x; r1: w; r2 and r3: four elements; r4 to r7: sums; r8 to r11: weights.
     * The frame: 0 sums, 4 x, 8 its end, 12 where the first round begins, 16 groups. */
    __asm__("push {r4-r11, lr}\n"
            "ldr r4, [sp, #36]\n"
            "sub sp, sp, #20\n"
            "strd r0, r1, [sp]\n"
            "add r5, r1, r4, lsl #3\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r4, r4, #0\n"
            "and r4, r4, #15\n"
            "mov r6, #44\n"
            "adr r7, 2f + 1\n"
            "mla r6, r4, r6, r7\n"
            "strd r5, r6, [sp, #8]\n"
            "str r3, [sp, #16]\n"
            "mov r0, r1\n"
            "mov r1, r2\n"
            "1: ldmia r1!, {r4-r7}\n"
            "ldr pc, [sp, #12]\n"
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
            "ldr r12, [sp, #8]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldrd r2, r0, [sp]\n"
            "stmia r2!, {r4-r7}\n"
            "ldr r12, [sp, #16]\n"
            "str r2, [sp]\n"
            "subs r12, r12, #1\n"
            "str r12, [sp, #16]\n"
            "bne 1b\n"
            "mov r0, r1\n"
            "add sp, sp, #20\n"
            "pop {r4-r11, pc}\n");
}

#else

static const int32_t *dot_rows(int32_t *sums, const void *x, const int32_t *w, int32_t groups,
                               int32_t steps)
{
    for (; groups > 0; groups--, sums += 4) {
        const uint32_t *words = x;
        for (int32_t i = 0; i < 4; i++)
            sums[i] = *w++;
        for (int32_t left = 2 * steps; left > 0; left--, words++) {
            for (int32_t i = 0; i < 4; i++)
                sums[i] = smlad((uint32_t)*w++, *words, sums[i]);
        }
    }
    return w;
}

#endif

/* (x * multiplier + half) >> (shift + 16), for a multiplier of 15 bits and 1 <= shift <= 30: the
 * rounding of TensorFlow Lite's 64-bit accumulators, here in 32 bits. With x = h * 2^16 + l the
 * product is h * multiplier * 2^16 + l * multiplier, and half is a multiple of 2^16, so the lower
 * 16 bits of the product change nothing. |h * multiplier| < 2^30, l * multiplier < 2^31. */
static inline int32_t requantize_reduced(int32_t x, int32_t multiplier, int32_t shift)
{
    const uint32_t low = ((uint32_t)x & 0xffff) * (uint32_t)multiplier;
    const int32_t upper = (x >> 16) * multiplier + (int32_t)(low >> 16);
    return (upper + (1 << (shift - 1))) >> shift;
}

/* int16 inputs by int8 weights, four output channels at a time. The values under a window are
 * copied to scratch. Zero points are 0, so taps outside the image are zeros. No sum leaves 32 bits,
 * which the weights prove. */
static void conv2d_16x8_patch_s16(const int16_t *in, int16_t *out, int8_t *scratch)
{
    const int32_t depth = 27, steps = 7;
    enum { block = 8 };
    const int32_t channels = 6, low = -32768, high = 32767;
    int32_t sums[4 * block];
    int16_t *const patch = (int16_t *)(void *)scratch;
    const int32_t in_h = 6, in_w = 5, in_c = 3;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_h = 6, out_w = 5;
    const int32_t dilation_h = 1, dilation_w = 1;

    /* Elements are multiplied four at a time, so the last word may lie past them. */
    for (int32_t i = depth; i < 4 * steps; i++)
        patch[i] = 0;
    for (int32_t pixel = 0, oy = 0, ox = 0; pixel < 30; pixel++) {
        const int32_t y0 = oy - 1, x0 = ox - 1;
        int16_t *to = patch;
        int32_t left = 0, right = kernel_w;
        clip_taps(x0, dilation_w, in_w, &left, &right);
        for (int32_t ky = 0; ky < kernel_h; ky++, to += kernel_w * in_c) {
            const int32_t y = y0 + ky * dilation_h;
            const int32_t is_inside = y >= 0 && y < in_h;
            if (!is_inside || right - left < kernel_w)
                memset(to, 0, (size_t)(kernel_w * in_c) * sizeof *to);
            if (!is_inside || left == right)
                continue;
            const int32_t from = (y * in_w + x0) * in_c;
            memcpy(to + left * in_c, in + from + left * in_c, (size_t)((right - left) * in_c) *
                   sizeof *to);
        }
        if (++ox == out_w) {
            ox = 0;
            if (++oy == out_h) {
                oy = 0;
                in += in_h * in_w * in_c;
            }
        }
        const int32_t *w = (const int32_t *)model_conv2d_0_weights, *stage = model_conv2d_0_stage;
        for (int32_t rest = channels; rest > 0; rest -= 4 * block) {
            const int32_t n = rest < 4 * block ? rest : 4 * block;
            w = dot_rows(sums, patch, w, (n + 3) / 4, steps);
            for (int32_t i = 0; i < n; i++, stage += 2) {
                const int32_t y = requantize_reduced(sums[i], stage[0], stage[1]);
                *out++ = (int16_t)(y < low ? low : y > high ? high : y);
            }
        }
    }
}

/* int16 inputs by int8 weights, four output channels at a time. The values under a window are
 * copied to scratch. Zero points are 0, so taps outside the image are zeros. No sum leaves 32 bits,
 * which the weights prove. */
static void conv2d_16x8_patch_s16_by_tap(const int16_t *in, int16_t *out, int8_t *scratch)
{
    const int32_t depth = 12, steps = 3;
    enum { block = 8 };
    const int32_t channels = 2, low = -32768, high = 32767;
    int32_t sums[4 * block];
    int16_t *const patch = (int16_t *)(void *)scratch;
    const int32_t in_h = 6, in_w = 5, in_c = 6;
    const int32_t kernel_h = 1, kernel_w = 2;
    const int32_t out_h = 6, out_w = 3;
    const int32_t dilation_h = 1, dilation_w = 2;

    /* Elements are multiplied four at a time, so the last word may lie past them. */
    for (int32_t i = depth; i < 4 * steps; i++)
        patch[i] = 0;
    for (int32_t pixel = 0, oy = 0, ox = 0; pixel < 18; pixel++) {
        const int32_t y0 = oy, x0 = ox;
        int16_t *to = patch;
        int32_t left = 0, right = kernel_w;
        clip_taps(x0, dilation_w, in_w, &left, &right);
        for (int32_t ky = 0; ky < kernel_h; ky++, to += kernel_w * in_c) {
            const int32_t y = y0 + ky * dilation_h;
            const int32_t is_inside = y >= 0 && y < in_h;
            if (!is_inside || right - left < kernel_w)
                memset(to, 0, (size_t)(kernel_w * in_c) * sizeof *to);
            if (!is_inside || left == right)
                continue;
            const int32_t from = (y * in_w + x0) * in_c;
            for (int32_t kx = left; kx < right; kx++)
                memcpy(to + kx * in_c, in + from + kx * dilation_w * in_c, (size_t)in_c *
                       sizeof *to);
        }
        if (++ox == out_w) {
            ox = 0;
            if (++oy == out_h) {
                oy = 0;
                in += in_h * in_w * in_c;
            }
        }
        const int32_t *w = (const int32_t *)model_conv2d_1_weights, *stage = model_conv2d_1_stage;
        for (int32_t rest = channels; rest > 0; rest -= 4 * block) {
            const int32_t n = rest < 4 * block ? rest : 4 * block;
            w = dot_rows(sums, patch, w, (n + 3) / 4, steps);
            for (int32_t i = 0; i < n; i++, stage += 2) {
                const int32_t y = requantize_reduced(sums[i], stage[0], stage[1]);
                *out++ = (int16_t)(y < low ? low : y > high ? high : y);
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * dsp/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_16x8_patch_s16((int16_t *)(void *)(arena + 0x0000),
                              (int16_t *)(void *)(arena + 0x00b4), arena + 0x021c);
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * dsp/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_16x8_patch_s16_by_tap((int16_t *)(void *)(arena + 0x00b4),
                                     (int16_t *)(void *)(arena + 0x0254), arena + 0x029c);
        break;
    default:
        break;
    }
}
