#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "lane_of"
#include "lane_triple"

#if !defined(BONSAI_THUMB1)
/* multiply_pairs and multiply_triples in C. Inlined, so that `triples` and `words` (5 or 6) are
 * constants and the accumulators registers. */
__attribute__((always_inline)) static inline const int32_t *
lane_sums(const int8_t *x, const int32_t *w, int32_t *sums, int32_t units, int32_t triples,
          int32_t words)
{
    for (; units > 0; units--) {
        const int8_t *in = x;
        int32_t head, n;
        do {
            int32_t lanes[12];
            uint32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0, sum4 = 0, sum5 = 0;
            head = *w++;
            for (int32_t taps = head >> 8 & 0x3fffff; taps > 0; taps--, w += words) {
                const uint32_t value = (uint32_t)*in++;
                sum0 += (uint32_t)w[0] * value;
                sum1 += (uint32_t)w[1] * value;
                sum2 += (uint32_t)w[2] * value;
                sum3 += (uint32_t)w[3] * value;
                sum4 += (uint32_t)w[4] * value;
                sum5 += words == 6 ? (uint32_t)w[5] * value : 0;
            }
            const uint32_t acc[6] = { sum0, sum1, sum2, sum3, sum4, sum5 };
            n = 0;
            for (int32_t i = 0; i < words; i++) {
                if (!triples) {
                    lanes[n++] = lane_of(acc[i], 16);
                    lanes[n] = (int32_t)(acc[i] - (uint32_t)lanes[n - 1]) >> 16;
                    n++;
                } else if (i + 1 < words) {
                    lane_triple(lanes + n, acc[i], acc[i + 1]);
                    i++;
                    n += 3;
                } else {
                    lanes[n++] = (int32_t)acc[i];
                }
            }
            const int32_t *const from = head < 0 ? sums : w;
            for (int32_t i = 0; i < n; i++)
                sums[i] = (int32_t)((uint32_t)from[i] + (uint32_t)lanes[i]);
            w += head < 0 ? 0 : n;
        } while ((head >> 30 & 1) != 0);
        sums += n;
    }
    return w;
}
#endif

/* sums = biases + dot products of the row x with the channels of `units` units of 6 or 5 `words` a
 * tap, three channels in two words: a + 2^21 b and c + 2^11 b. Returns the end of the units.
 *
 * The lanes were proved wide enough for their sums. `w` has units of 6 (or 5) words a tap, for
 * 9 (7) channels. A unit is one or more runs of taps:
 *
 *     a head: bits 0-7 where the run enters the unrolled loop (bytes of code), 8-29 taps,
 *             30: another run follows, 31: one came before
 *     the weights, tap by tap
 *     biases of the unit's channels, in its first run
 *
 * After a run the lanes are separated and added to the biases, or to the sums of earlier runs. */
BONSAI_SHARED BONSAI_FRAMELESS const int32_t *multiply_triples(const int8_t *x, const int32_t *w,
                                                               int32_t *sums, int32_t units,
                                                               int32_t words)
{
#if defined(BONSAI_THUMB1)
    /* r0: end of the run's input; r3: the tap's (negative) offset from it; r2: its value; r1: w;
     * r4 to r7: products; r8 to r12 and lr: accumulators. On the stack: input, sums, remaining
     * units, head. */
    if (words == 6) {
        register const int8_t *r0 __asm__("r0") = x;
        register const int32_t *r1 __asm__("r1") = w;
        register int32_t *r2 __asm__("r2") = sums;
        register int32_t r3 __asm__("r3") = units;
        __asm__ volatile(".syntax unified\n"
                         "sub sp, #16\n str r0, [sp]\n str r2, [sp, #4]\n str r3, [sp, #8]\n"
                         "1: ldr r0, [sp]\n"
                         "2: ldm r1!, {r3}\n str r3, [sp, #12]\n"
                         "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                         "mov r12, r2\n mov lr, r2\n"
                         "lsls r4, r3, #2\n lsrs r4, #10\n adds r0, r4\n uxtb r2, r3\n"
                         "negs r3, r4\n add pc, r2\n nop\n"
                         /* Seven taps per turn. */
                         "3: .rept 7\n ldrsb r2, [r0, r3]\n"
                         "ldm r1!, {r4-r7}\n"
                         "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                         "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                         "ldm r1!, {r4, r5}\n"
                         "muls r4, r2\n add r12, r4\n muls r5, r2\n add lr, r5\n"
                         "adds r3, #1\n .endr\n"
                         "bne 3b\n"
                         "ldr r2, [sp, #4]\n ldr r7, [sp, #12]\n"
                         "movs r3, r1\n cmp r7, #0\n bge 4f\n movs r3, r2\n"
                         "4:\n"
                         "mov r5, r8\n mov r6, r9\n"
                         "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                         "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                         "subs r6, r7\n"
                         "asrs r6, #11\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r4, r6\n ldm r3!, {r6}\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r7, r6\n stm r2!, {r4, r5, r7}\n"
                         "mov r5, r10\n mov r6, r11\n"
                         "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                         "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                         "subs r6, r7\n"
                         "asrs r6, #11\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r4, r6\n ldm r3!, {r6}\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r7, r6\n stm r2!, {r4, r5, r7}\n"
                         "mov r5, r12\n mov r6, lr\n"
                         "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                         "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                         "subs r6, r7\n"
                         "asrs r6, #11\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r4, r6\n ldm r3!, {r6}\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r7, r6\n stm r2!, {r4, r5, r7}\n"
                         "ldr r7, [sp, #12]\n cmp r7, #0\n blt 5f\n movs r1, r3\n"
                         "5: lsls r7, #1\n bpl 6f\n b 2b\n"
                         "6: str r2, [sp, #4]\n ldr r3, [sp, #8]\n subs r3, #1\n"
                         "str r3, [sp, #8]\n beq 7f\n b 1b\n"
                         "7: add sp, #16\n"
                         : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                         :
                         : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                           "memory");
        return r1;
    } else {
        register const int8_t *r0 __asm__("r0") = x;
        register const int32_t *r1 __asm__("r1") = w;
        register int32_t *r2 __asm__("r2") = sums;
        register int32_t r3 __asm__("r3") = units;
        __asm__ volatile(".syntax unified\n"
                         "sub sp, #16\n str r0, [sp]\n str r2, [sp, #4]\n str r3, [sp, #8]\n"
                         "1: ldr r0, [sp]\n"
                         "2: ldm r1!, {r3}\n str r3, [sp, #12]\n"
                         "movs r2, #0\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
                         "mov r12, r2\n mov lr, r2\n"
                         "lsls r4, r3, #2\n lsrs r4, #10\n adds r0, r4\n uxtb r2, r3\n"
                         "negs r3, r4\n add pc, r2\n nop\n"
                         /* Seven taps per turn. */
                         "3: .rept 7\n ldrsb r2, [r0, r3]\n"
                         "ldm r1!, {r4-r7}\n"
                         "muls r4, r2\n add r8, r4\n muls r5, r2\n add r9, r5\n"
                         "muls r6, r2\n add r10, r6\n muls r7, r2\n add r11, r7\n"
                         "ldm r1!, {r4}\n muls r4, r2\n add r12, r4\n"
                         "adds r3, #1\n .endr\n"
                         "bne 3b\n"
                         "ldr r2, [sp, #4]\n ldr r7, [sp, #12]\n"
                         "movs r3, r1\n cmp r7, #0\n bge 4f\n movs r3, r2\n"
                         "4:\n"
                         "mov r5, r8\n mov r6, r9\n"
                         "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                         "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                         "subs r6, r7\n"
                         "asrs r6, #11\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r4, r6\n ldm r3!, {r6}\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r7, r6\n stm r2!, {r4, r5, r7}\n"
                         "mov r5, r10\n mov r6, r11\n"
                         "lsls r4, r5, #11\n asrs r4, #11\n subs r5, r4\n lsrs r5, #21\n"
                         "lsls r7, r5, #11\n subs r6, r7\n lsls r7, r6, #10\n asrs r7, #10\n"
                         "subs r6, r7\n"
                         "asrs r6, #11\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r4, r6\n ldm r3!, {r6}\n adds r5, r6\n"
                         "ldm r3!, {r6}\n adds r7, r6\n stm r2!, {r4, r5, r7}\n"
                         "mov r4, r12\n ldm r3!, {r6}\n adds r4, r6\n stm r2!, {r4}\n"
                         "ldr r7, [sp, #12]\n cmp r7, #0\n blt 5f\n movs r1, r3\n"
                         "5: lsls r7, #1\n bpl 6f\n b 2b\n"
                         "6: str r2, [sp, #4]\n ldr r3, [sp, #8]\n subs r3, #1\n"
                         "str r3, [sp, #8]\n beq 7f\n b 1b\n"
                         "7: add sp, #16\n"
                         : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                         :
                         : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc",
                           "memory");
        return r1;
    }
#else
    if (words == 6)
        return lane_sums(x, w, sums, units, 1, 6);
    return lane_sums(x, w, sums, units, 1, 5);
#endif
}

#include "rescale_sums"

struct conv2d_s8_swar_args {
    const int32_t *stage;
    const int32_t *weights;
    uint8_t depth;
    uint8_t channels;
    uint8_t wide;
};

/* Multiplies rows of the input by channels whose weights share words: a fully connected layer, or
 * a 1x1 convolution, whose rows are pixels.
 * The input's zero point is folded into the biases. */
static void conv2d_s8_swar(const int8_t *in, int8_t *out,
                           const struct conv2d_s8_swar_args *restrict args)
{
    /* Units of six words come before units of five; as many are computed at once as fit. */
    const int32_t wide = args->wide, units = 2, channels = args->channels;
    enum { block = 4, stage_words = 6 };
    int32_t sums[12 * block];

    for (int32_t rows = 25; rows > 0; rows--, in += args->depth) {
        const int8_t *const x = in;
        const int32_t *w = args->weights, *stage = args->stage;
        for (int32_t unit = 0, left = channels; left > 0;) {
            const int32_t is_wide = unit < wide, end = is_wide ? wide : units;
            const int32_t now = end - unit < block ? end - unit : block;
            const int32_t computed = now * (is_wide ? 9 : 7);
            const int32_t n = computed < left ? computed : left;
            w = multiply_triples(x, w, sums, now, is_wide ? 6 : 5);
            int8_t *const y = out;
            rescale_sums(y, sums, stage, n);
            stage += n * stage_words;
            out += n;
            left -= n;
            unit += now;
        }
    }
}

static const struct conv2d_s8_swar_args model_conv2d_0_args BONSAI_FLASH = {
    .stage = model_conv2d_0_stage, .weights = model_conv2d_0_weights, .depth = 64, .channels = 16,
    .wide = 1,
};

static const struct conv2d_s8_swar_args model_conv2d_1_args BONSAI_FLASH = {
    .stage = model_conv2d_1_stage, .weights = model_conv2d_1_weights, .depth = 16, .channels = 10,
    .wide = 0,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,5,5,64] -> [1,5,5,16]  1x1
     * swar/conv2d, 25600 MAC: test */
    case 0:
        conv2d_s8_swar(arena + 0x0000, arena + 0x0640, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,16] -> [1,5,5,10]  1x1
     * swar/conv2d, 4000 MAC: test */
    case 1:
        conv2d_s8_swar(arena + 0x0640, arena + 0x07d0, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
