#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "copy_bytes"
#include "input_window"
#include "gather_window"
#include "pack_pixels"

/* The current position in a channel's stream, and the packed tap after the last one read. */
struct sparse_pixels {
    const int32_t *w;
    const int32_t *x;
};

#include "lane_of"
#include "lane_triple"

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

#include "rescale_pixels"

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
        const int32_t *w = model_conv2d_0_weights, *stage = model_conv2d_0_stage;
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
