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


/* Assembly for Armv6-M that needs r7, which is the frame pointer of clang and of unoptimized
 * code. */
#if defined(__thumb__) && !defined(__thumb2__) && defined(__OPTIMIZE__) && !defined(__clang__)
#define BONSAI_THUMB1
#endif

/* A function whose assembly needs r7 keeps no frame pointer there, whatever the options say. */
#if defined(BONSAI_THUMB1)
#define BONSAI_FRAMELESS __attribute__((optimize("omit-frame-pointer")))
#else
#define BONSAI_FRAMELESS
#endif

/* Copies n bytes, by words if both pointers are aligned. */
BONSAI_SHARED BONSAI_FRAMELESS void copy_bytes(int8_t *to, const int8_t *from, int32_t n)
{
#if defined(BONSAI_THUMB1)
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0 && n >= 16) {
        int8_t *const end = to + (n & ~15);
        n &= 15;
        __asm__ volatile("1: ldm %[from]!, {r4-r7}\n"
                         "   stm %[to]!, {r4-r7}\n"
                         "   cmp %[to], %[end]\n"
                         "   bne 1b\n"
                         : [to] "+l"(to), [from] "+l"(from)
                         : [end] "l"(end)
                         : "r4", "r5", "r6", "r7", "cc", "memory");
    }
#endif
    for (; n > 0; n--)
        *to++ = *from++;
}

struct input_window {
    int32_t in_h, in_w, in_c, kernel_h, kernel_w, dilation_h, dilation_w, zero_point;
};

/* Copies the pixels under a window whose first tap is at (y, x); pixels outside the image are the
 * zero point. */
BONSAI_SHARED void gather_window(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                 const struct input_window *window)
{
    const int32_t in_w = window->in_w, in_c = window->in_c, dilation_w = window->dilation_w;
    /* Taps per copy. */
    const int32_t most = dilation_w == 1 ? window->kernel_w : 1;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        const int32_t iy = y + ky * window->dilation_h;
        const int32_t is_inside = iy >= 0 && iy < window->in_h;
        for (int32_t kx = 0, taps; kx < window->kernel_w; kx += taps) {
            const int32_t ix = x + kx * dilation_w;
            const int32_t left = window->kernel_w - kx < most ? window->kernel_w - kx : most;
            if (is_inside && ix >= 0 && ix < in_w) {
                taps = in_w - ix < left ? in_w - ix : left;
                copy_bytes(to, image + (iy * in_w + ix) * in_c, taps * in_c);
            } else {
                taps = is_inside && ix < 0 && -ix < left ? -ix : left;
                for (int32_t i = 0; i < taps * in_c; i++)
                    to[i] = (int8_t)window->zero_point;
            }
            to += taps * in_c;
        }
    }
}

/* Packs n values of three pixels into two words each, a + 2^21 b and c + 2^11 b, `step` words
 * apart. */
BONSAI_SHARED void pack_pixels(int32_t *to, const int8_t *a, const int8_t *b, const int8_t *c,
                               int32_t n, int32_t step)
{
#if defined(BONSAI_THUMB1) && !defined(__OPTIMIZE_SIZE__)
    /* With -Os GCC neither allocates high registers nor saves clobbered ones. */
    if ((((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) & 3) == 0 && n >= 4) {
        const int8_t *const end = a + (n & ~3);
        n &= 3;
        __asm__ volatile(".syntax unified\n"
                         "1: ldm %[a]!, {r2}\n"
                         "mov r5, %[b]\n ldm r5!, {r3}\n mov %[b], r5\n"
                         "mov r5, %[c]\n ldm r5!, {r4}\n mov %[c], r5\n"
                         "lsls r5, r3, #24\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #24\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #24\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #16\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #16\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #16\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #8\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #8\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #8\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #0\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #0\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #0\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "cmp %[a], %[end]\n"
                         "bne 1b\n"
                         : [to] "+l"(to), [a] "+l"(a), [b] "+h"(b), [c] "+h"(c)
                         : [end] "h"(end), [step] "h"(step * 4)
                         : "r2", "r3", "r4", "r5", "r6", "cc", "memory");
    }
#endif
    for (; n > 0; n--, to += step) {
        const uint32_t shared = (uint32_t)*b++ << 11;
        to[0] = (int32_t)((uint32_t)*a++ + (shared << 10));
        to[1] = (int32_t)((uint32_t)*c++ + shared);
    }
}

/* The current position in a channel's stream, and the packed tap after the last one read. */
struct sparse_pixels {
    const int32_t *w;
    const int32_t *x;
};

#if !defined(BONSAI_THUMB1)
/* The lowest `bits` of a word, signed. */
static inline int32_t lane_of(uint32_t word, int32_t bits)
{
    return (int32_t)(word << (32 - bits)) >> (32 - bits);
}
#endif

#if !defined(BONSAI_THUMB1)
/* Lanes of 32-bit accumulators. A pair is one word, a + 2^16 b. A triple is two words, a + 2^21 b
 * and c + 2^11 b: the first has the low 11 bits of b, the second the other bits. */
static inline void lane_triple(int32_t lanes[3], uint32_t word0, uint32_t word1)
{
    const int32_t a = lane_of(word0, 21);
    const uint32_t low = (word0 - (uint32_t)a) >> 21;
    const uint32_t rest = word1 - (low << 11);
    const int32_t c = lane_of(rest, 22);
    lanes[0] = a;
    lanes[1] = (int32_t)low + ((int32_t)(rest - (uint32_t)c) >> 11);
    lanes[2] = c;
}
#endif

#if !defined(BONSAI_THUMB1)
/* multiply_sparse_pixels in C. Inlined, so that `words` (2, 4 or 6) and `step` are constants. The
 * two taps of a word are written out: in a loop, -O2 asks each time which one it is. */
__attribute__((always_inline)) static inline void
sparse_pixel_sums(struct sparse_pixels *at, int32_t *sums, int32_t words, int32_t step)
{
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, sum4 = 0, sum5 = 0, pair, weight;
    const int32_t *w = at->w, *x = at->x;
    do {
        pair = (uint32_t)*w++;
        x += 2 * (pair >> 8 & 255);
        weight = (uint32_t)(int32_t)(int8_t)(pair);
        sum0 += weight * (uint32_t)x[0], sum1 += weight * (uint32_t)x[1];
        if (words > 2)
            sum2 += weight * (uint32_t)x[2], sum3 += weight * (uint32_t)x[3];
        if (words > 4)
            sum4 += weight * (uint32_t)x[4], sum5 += weight * (uint32_t)x[5];
        x += step;
        x += 2 * (pair >> 16 & 127);
        weight = (uint32_t)(int32_t)(int8_t)(pair >> 24);
        sum0 += weight * (uint32_t)x[0], sum1 += weight * (uint32_t)x[1];
        if (words > 2)
            sum2 += weight * (uint32_t)x[2], sum3 += weight * (uint32_t)x[3];
        if (words > 4)
            sum4 += weight * (uint32_t)x[4], sum5 += weight * (uint32_t)x[5];
        x += step;
    } while ((pair >> 23 & 1) != 0);
    at->w = w, at->x = x;
    const uint32_t acc[6] = { sum0, sum1, sum2, sum3, sum4, sum5 };
    for (int32_t i = 0; i < words; i += 2, sums += 3)
        lane_triple(sums, acc[i], acc[i + 1]);
}
#endif

/* sums[i] = one run of a channel's weights times pixel i of 9, as in multiply_pixels. A
 * tap has 6 words in x, of which 6 are multiplied. A word of the stream holds two
 * weights:
 *
 *     bits 0-7, 24-31     the weights
 *     bits 8-15, 16-22    how much of x is skipped before each, in two words
 *     bit 23              another word follows
 */
BONSAI_SHARED BONSAI_FRAMELESS void multiply_sparse_pixels_9_9(struct sparse_pixels *at,
                                                               int32_t *sums)
{
#if defined(BONSAI_THUMB1)
    /* r0: w; r1: the packed pixels; r2: a weight; r3: a word of the stream; r4 to r7: products; r8
     * to r12 and lr: accumulators. Bit 23 is the carry of the last shift, which products do not
     * change. */
    register const int32_t *r0 __asm__("r0") = at->w;
    register const int32_t *r1 __asm__("r1") = at->x;
    register int32_t *r2 __asm__("r2") = sums;
    __asm__ volatile(".syntax unified\n"
                     "push {r2}\n"
                     "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                     "mov r12, r2\n mov lr, r2\n b 2f\n"
                     "1:\n"
                     "2:\n"
                     "ldm r0!, {r3}\n"
                     "lsls r4, r3, #16\n lsrs r4, #24\n lsls r4, #3\n adds r1, r4\n sxtb r2, r3\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r12, r4\n muls r5, r2\n add lr, r5\n"
                     "lsls r4, r3, #9\n lsrs r4, #25\n lsls r4, #3\n adds r1, r4\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r12, r4\n muls r5, r2\n add lr, r5\n"
                     "bcs 1b\n"
                     "pop {r2}\n"
                     "mov r5, r8\n mov r6, r9\n"
                     "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                     "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                     "subs r6, r7\n"
                     "asrs r6, #11\n adds r5, r6\n"
                     "stm r2!, {r4, r5, r7}\n"
                     "mov r5, r10\n mov r6, r11\n"
                     "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                     "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                     "subs r6, r7\n"
                     "asrs r6, #11\n adds r5, r6\n"
                     "stm r2!, {r4, r5, r7}\n"
                     "mov r5, r12\n mov r6, lr\n"
                     "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                     "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                     "subs r6, r7\n"
                     "asrs r6, #11\n adds r5, r6\n"
                     "stm r2!, {r4, r5, r7}\n"
                     : "+r"(r0), "+r"(r1), "+r"(r2)
                     :
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                       "memory");
    at->w = r0;
    at->x = r1;
#else
    sparse_pixel_sums(at, sums, 6, 6);
#endif
}

/* sums[i] = one run of a channel's weights times pixel i of 3, as in multiply_pixels. A
 * tap has 6 words in x, of which 2 are multiplied. A word of the stream holds two
 * weights:
 *
 *     bits 0-7, 24-31     the weights
 *     bits 8-15, 16-22    how much of x is skipped before each, in two words
 *     bit 23              another word follows
 */
BONSAI_SHARED BONSAI_FRAMELESS void multiply_sparse_pixels_3_9(struct sparse_pixels *at,
                                                               int32_t *sums)
{
#if defined(BONSAI_THUMB1)
    /* r0: w; r1: the packed pixels; r2: a weight; r3: a word of the stream; r4 to r7: products; r8
     * to r12 and lr: accumulators. Bit 23 is the carry of the last shift, which products do not
     * change. */
    register const int32_t *r0 __asm__("r0") = at->w;
    register const int32_t *r1 __asm__("r1") = at->x;
    register int32_t *r2 __asm__("r2") = sums;
    __asm__ volatile(".syntax unified\n"
                     "push {r2}\n"
                     "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                     "mov r12, r2\n mov lr, r2\n b 2f\n"
                     "1:\n"
                     "adds r1, #16\n"
                     "2:\n"
                     "ldm r0!, {r3}\n"
                     "lsls r4, r3, #16\n lsrs r4, #24\n lsls r4, #3\n adds r1, r4\n sxtb r2, r3\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "adds r1, #16\n"
                     "lsls r4, r3, #9\n lsrs r4, #25\n lsls r4, #3\n adds r1, r4\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "bcs 1b\n"
                     "adds r1, #16\n"
                     "pop {r2}\n"
                     "mov r5, r8\n mov r6, r9\n"
                     "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                     "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                     "subs r6, r7\n"
                     "asrs r6, #11\n adds r5, r6\n"
                     "stm r2!, {r4, r5, r7}\n"
                     : "+r"(r0), "+r"(r1), "+r"(r2)
                     :
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                       "memory");
    at->w = r0;
    at->x = r1;
#else
    sparse_pixel_sums(at, sums, 2, 6);
#endif
}

/* int8 outputs of one channel of n > 0 pixels, `step` bytes apart, by two 32-bit multiplications
 * each. `stage` holds the bias, top, the outputs for sums below 0 (low byte) and above top (next
 * byte), and high, low, shift and offset. A sum a within 0 ... top becomes the upper byte of a *
 * high + (a * low >> shift) + offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_pixels(int8_t *y, int32_t step, const int32_t *sums,
                                                   const int32_t *stage, int32_t n)
{
    const int32_t *const end = sums + n;
#if defined(BONSAI_THUMB1) && !defined(__OPTIMIZE_SIZE__)
    /* With -Os GCC neither allocates high registers nor saves clobbered ones. */
    __asm__ volatile(".syntax unified\n"
                     "   ldm %[stage]!, {r3, r4, r5}\n"
                     "   mov r8, r4\n"
                     "   mov r9, r5\n"
                     "   mov r10, r3\n"
                     "   ldm %[stage]!, {r3, r4, r5, r6}\n"
                     "1: ldm %[sums]!, {r7}\n"
                     "   add r7, r10\n"
                     "   cmp r7, r8\n"
                     "   bhi 3f\n"
                     "   movs %[stage], r7\n"
                     "   muls %[stage], r4\n"
                     "   lsrs %[stage], r5\n"
                     "   muls r7, r3\n"
                     "   adds r7, %[stage]\n"
                     "   adds r7, r6\n"
                     "   lsrs r7, #24\n"
                     "2: strb r7, [%[y]]\n"
                     "   add %[y], %[step]\n"
                     "   cmp %[sums], %[end]\n"
                     "   bne 1b\n"
                     "   b 5f\n"
                     "3: mov %[stage], r9\n"
                     "   cmp r7, #0\n"
                     "   blt 4f\n"
                     "   lsrs %[stage], #8\n"
                     "4: movs r7, %[stage]\n"
                     "   b 2b\n"
                     "5:\n"
                     : [y] "+l"(y), [sums] "+l"(sums), [stage] "+l"(stage)
                     : [end] "h"(end), [step] "h"(step)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
#else
    for (; sums != end; y += step) {
        const uint32_t a = (uint32_t)*sums++ + (uint32_t)stage[0], top = (uint32_t)stage[1];
        const uint32_t low = a * (uint32_t)stage[4] >> stage[5];
        const uint32_t inside = (a * (uint32_t)stage[3] + low + (uint32_t)stage[6]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[2] : stage[2] >> 8;
        *y = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

/* 9 pixels at a time, three in two words: the inputs of their windows are gathered, then an
 * int8 weight multiplies each word once.
 * Zero weights are skipped.
 * The last pixels are computed three at a time; missing ones repeat others and are not stored. The
 * input's zero point is folded into the biases. */
static void sparse_conv2d_pixels_s8_swar(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t pixels = 25, depth = 144, channels = 16;
    enum { stage_words = 7 };
    int32_t *const packed = (int32_t *)(void *)scratch;
    const struct input_window window = { 5, 5, 16, 3, 3, 1, 1, 3 };
    const int32_t out_h = 5, out_w = 5;
    int8_t *const patches = scratch + 3480;
    int32_t oy = 0, ox = 0;

    for (int32_t pixel = 0, count; pixel < pixels; pixel += count) {
        const int32_t left = pixels - pixel;
        count = left > 9 - 3 ? 9 : 3;
        const int32_t words = 9 / 3 * 2, n = left < count ? left : count;
        const int8_t *x[3] = { in, in, in };
        for (int32_t i = 0, third = 0; i < count; i++) {
            int8_t *const patch = patches + third * 144;
            x[third] = patch;
            if (i < n) {
                gather_window(patch, in, oy - 1, ox - 1, &window);
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
                pack_pixels(packed + (i - 2) / 3 * 2, x[0], x[1], x[2], depth, words);
            }
        }
        const int32_t *w = (const int32_t *)model_conv2d_0_weights, *stage = model_conv2d_0_stage;
        for (int32_t c = 0; c < channels; c++, stage += stage_words) {
            int32_t sums[9];
            struct sparse_pixels at = { w + 1, packed };
            for (int32_t run = 0; run < *w; run++) {
                int32_t more[9];
                int32_t *const to = run == 0 ? sums : more;
                if (count > 3)
                    multiply_sparse_pixels_9_9(&at, to);
                else
                    multiply_sparse_pixels_3_9(&at, to);
                for (int32_t i = 0; run > 0 && i < n; i++)
                    sums[i] += more[i];
            }
            w = at.w;
            int8_t *const y = out + c;
            const int32_t step = channels;
            rescale_pixels(y, step, sums, stage, n);
        }
        out += n * channels;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,5,5,16] -> [1,5,5,16]  3x3 pad 1,1,1,1 relu
     * swar/sparse_conv2d_pixels, 57600 MAC: test */
    case 0:
        sparse_conv2d_pixels_s8_swar(arena + 0x0000, arena + 0x0190, arena + 0x0320);
        break;
    default:
        break;
    }
}
