#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_THUMB1"
#include "pack_pixels"
#include "BONSAI_FRAMELESS"
#include "lane_of"
#include "lane_triple"

#if !defined(BONSAI_THUMB1)
/* multiply_pixels in C. Inlined, so that `words` (2, 4 or 6) is a constant and the accumulators
 * registers. */
__attribute__((always_inline)) static inline void
lane_pixel_sums(const int32_t *w, const int32_t *x, int32_t *sums, int32_t quads, int32_t words)
{
    uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, sum4 = 0, sum5 = 0;
    for (; quads > 0; quads--, w++) {
        for (int32_t byte = 24; byte >= 0; byte -= 8, x += words) {
            const uint32_t weight = (uint32_t)((int32_t)((uint32_t)*w << byte) >> 24);
            sum0 += weight * (uint32_t)x[0];
            sum1 += weight * (uint32_t)x[1];
            sum2 += words > 2 ? weight * (uint32_t)x[2] : 0;
            sum3 += words > 2 ? weight * (uint32_t)x[3] : 0;
            sum4 += words > 4 ? weight * (uint32_t)x[4] : 0;
            sum5 += words > 4 ? weight * (uint32_t)x[5] : 0;
        }
    }
    const uint32_t acc[6] = { sum0, sum1, sum2, sum3, sum4, sum5 };
    for (int32_t i = 0; i < words; i += 2, sums += 3)
        lane_triple(sums, acc[i], acc[i + 1]);
}
#endif

/* sums[i] = the channel `w` times pixel i of 6: int8 weights in `quads` words, times
 * packed pixels, three in two words (pack_pixels), 4 words per tap. The lanes were proved
 * wide enough for the sum over these quads. */
BONSAI_SHARED BONSAI_FRAMELESS void multiply_pixels_6(const int32_t *w, const int32_t *x,
                                                      int32_t *sums, int32_t quads)
{
#if defined(BONSAI_THUMB1)
    /* r0: w; r1: the packed pixels; r2: a weight; r3: four weights; r4 to r7: products; r8 to r12
     * and lr: accumulators. The stack holds sums, and the end of w. */
    register const int32_t *r0 __asm__("r0") = w;
    register const int32_t *r1 __asm__("r1") = x;
    register int32_t *r2 __asm__("r2") = sums;
    register int32_t r3 __asm__("r3") = quads;
    __asm__ volatile(".syntax unified\n"
                     "lsls r4, r3, #2\n adds r4, r0\n push {r2, r4}\n"
                     "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                     "mov r12, r2\n mov lr, r2\n"
                     "lsls r3, #31\n beq 1f\n b 2f\n"
                     "1:\n"
                     "ldm r0!, {r3}\n"
                     "sxtb r2, r3\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "lsls r2, r3, #16\n asrs r2, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "lsls r2, r3, #8\n asrs r2, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "2:\n"
                     "ldm r0!, {r3}\n"
                     "sxtb r2, r3\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "lsls r2, r3, #16\n asrs r2, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "lsls r2, r3, #8\n asrs r2, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4-r7}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                     "ldr r3, [sp, #4]\n cmp r0, r3\n beq 3f\n b 1b\n"
                     "3: pop {r2, r4}\n"
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
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     :
                     : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                       "memory");
#else
    lane_pixel_sums(w, x, sums, quads, 4);
#endif
}

/* sums[i] = the channel `w` times pixel i of 3: int8 weights in `quads` words, times
 * packed pixels, three in two words (pack_pixels), 2 words per tap. The lanes were proved
 * wide enough for the sum over these quads. */
BONSAI_SHARED BONSAI_FRAMELESS void multiply_pixels_3(const int32_t *w, const int32_t *x,
                                                      int32_t *sums, int32_t quads)
{
#if defined(BONSAI_THUMB1)
    /* r0: w; r1: the packed pixels; r2: a weight; r3: four weights; r4 to r7: products; r8 to r12
     * and lr: accumulators. The stack holds sums, and the end of w. */
    register const int32_t *r0 __asm__("r0") = w;
    register const int32_t *r1 __asm__("r1") = x;
    register int32_t *r2 __asm__("r2") = sums;
    register int32_t r3 __asm__("r3") = quads;
    __asm__ volatile(".syntax unified\n"
                     "lsls r4, r3, #2\n adds r4, r0\n push {r2, r4}\n"
                     "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                     "mov r12, r2\n mov lr, r2\n"
                     "lsls r3, #31\n beq 1f\n b 2f\n"
                     "1:\n"
                     "ldm r0!, {r3}\n"
                     "sxtb r2, r3\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "lsls r2, r3, #16\n asrs r2, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "lsls r2, r3, #8\n asrs r2, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "2:\n"
                     "ldm r0!, {r3}\n"
                     "sxtb r2, r3\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "lsls r2, r3, #16\n asrs r2, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "lsls r2, r3, #8\n asrs r2, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "asrs r2, r3, #24\n"
                     "ldm r1!, {r4, r5}\n"
                     "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                     "ldr r3, [sp, #4]\n cmp r0, r3\n beq 3f\n b 1b\n"
                     "3: pop {r2, r4}\n"
                     "mov r5, r8\n mov r6, r9\n"
                     "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                     "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                     "subs r6, r7\n"
                     "asrs r6, #11\n adds r5, r6\n"
                     "stm r2!, {r4, r5, r7}\n"
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     :
                     : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                       "memory");
#else
    lane_pixel_sums(w, x, sums, quads, 2);
#endif
}

#include "rescale_pixels"

/* 6 pixels at a time, three in two words: an int8 weight multiplies each word once.
 * The last pixels are computed three at a time; missing ones repeat others and are not stored. The
 * input's zero point is folded into the biases. */
static void conv2d_pixels_s8_swar(const int8_t *in, int8_t *out, int8_t *scratch)
{
    /* Words of four weights: of a whole channel, and of a run whose sum fits the lanes. */
    const int32_t quads = 4, run = 4;
    const int32_t pixels = 25, depth = 16, channels = 16;
    enum { stage_words = 7 };
    int32_t *const packed = (int32_t *)(void *)scratch;

    for (int32_t pixel = 0, count; pixel < pixels; pixel += count) {
        const int32_t left = pixels - pixel;
        count = left > 6 - 3 ? 6 : 3;
        const int32_t words = count / 3 * 2, n = left < count ? left : count;
        const int8_t *x[3] = { in, in, in };
        for (int32_t i = 0, third = 0; i < count; i++) {
            if (i < n) {
                x[third] = in;
                in += depth;
            }
            if (++third == 3) {
                third = 0;
                pack_pixels(packed + (i - 2) / 3 * 2, x[0], x[1], x[2], depth, words);
            }
        }
        const int32_t *w = model_conv2d_0_weights, *stage = model_conv2d_0_stage;
        for (int32_t c = 0; c < channels; c++, w += quads, stage += stage_words) {
            int32_t sums[6];
            for (int32_t quad = 0; quad < quads; quad += run) {
                const int32_t now = quads - quad < run ? quads - quad : run;
                int32_t more[6];
                int32_t *const to = quad == 0 ? sums : more;
                if (count > 3)
                    multiply_pixels_6(w + quad, packed + quad * 4 * words, to, now);
                else
                    multiply_pixels_3(w + quad, packed + quad * 4 * words, to, now);
                for (int32_t i = 0; quad > 0 && i < n; i++)
                    sums[i] += more[i];
            }
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
    /* conv2d_0: "conv2d_0"  s8 [1,5,5,16] -> [1,5,5,16]  1x1 relu
     * swar/conv2d_pixels, 6400 MAC: test */
    case 0:
        conv2d_pixels_s8_swar(arena + 0x0000, arena + 0x0190, arena + 0x0320);
        break;
    default:
        break;
    }
}
