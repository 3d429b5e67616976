#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Weights of two channels, a pair for each input, and the position up to which they are read.
 * Assembly reads the fields at fixed offsets. */
struct coded_pairs {
    uint32_t held;        /* The next 16 + spare bits, lowest first. */
    int32_t spare;
    const uint16_t *next;
    const int32_t *low;   /* Words of lowest bits. */
    uint32_t mask;        /* A word's bits of the next pair; byte 0: shift to the one after. */
    int32_t step;         /* Pairs per word. */
    const int8_t *x, *end;
    int32_t sums[2];
    const uint32_t *codes;
    const uint8_t *heads;
};

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* The code of pairs of weights, indexed by the next 8 bits. Byte 0: the length of the code in
 * bits; byte 1: the upper 3 bits of the first weight's byte; byte 3: those of the second weight's
 * byte. */
static const uint32_t pair_codes[256] BONSAI_FLASH = {
    0xe000e003u, 0xe000c005u, 0xe0000003u, 0xc000c006u, 0x0000e003u, 0xc0000005u, 0x00000003u,
    0x8000c008u, 0xe000e003u, 0xc000e005u, 0xe0000003u, 0x80008008u, 0x0000e003u, 0xe0002005u,
    0x00000003u, 0x80004008u, 0xe000e003u, 0x0000c005u, 0xe0000003u, 0xc0002006u, 0x0000e003u,
    0x20000005u, 0x00000003u, 0x80000008u, 0xe000e003u, 0x2000e005u, 0xe0000003u, 0x8000a008u,
    0x0000e003u, 0x00002005u, 0x00000003u, 0x80006008u, 0xe000e003u, 0xe000c005u, 0xe0000003u,
    0x2000c006u, 0x0000e003u, 0xc0000005u, 0x00000003u, 0x8000e008u, 0xe000e003u, 0xc000e005u,
    0xe0000003u, 0x00008008u, 0x0000e003u, 0xe0002005u, 0x00000003u, 0x00004008u, 0xe000e003u,
    0x0000c005u, 0xe0000003u, 0x20002006u, 0x0000e003u, 0x20000005u, 0x00000003u, 0x80002008u,
    0xe000e003u, 0x2000e005u, 0xe0000003u, 0x0000a008u, 0x0000e003u, 0x00002005u, 0x00000003u,
    0x00006008u, 0xe000e003u, 0xe000c005u, 0xe0000003u, 0xc000c006u, 0x0000e003u, 0xc0000005u,
    0x00000003u, 0x4000c008u, 0xe000e003u, 0xc000e005u, 0xe0000003u, 0xc0008008u, 0x0000e003u,
    0xe0002005u, 0x00000003u, 0xc0004008u, 0xe000e003u, 0x0000c005u, 0xe0000003u, 0xc0002006u,
    0x0000e003u, 0x20000005u, 0x00000003u, 0x40000008u, 0xe000e003u, 0x2000e005u, 0xe0000003u,
    0xc000a008u, 0x0000e003u, 0x00002005u, 0x00000003u, 0xc0006008u, 0xe000e003u, 0xe000c005u,
    0xe0000003u, 0x2000c006u, 0x0000e003u, 0xc0000005u, 0x00000003u, 0x4000e008u, 0xe000e003u,
    0xc000e005u, 0xe0000003u, 0x40008008u, 0x0000e003u, 0xe0002005u, 0x00000003u, 0x40004008u,
    0xe000e003u, 0x0000c005u, 0xe0000003u, 0x20002006u, 0x0000e003u, 0x20000005u, 0x00000003u,
    0x40002008u, 0xe000e003u, 0x2000e005u, 0xe0000003u, 0x4000a008u, 0x0000e003u, 0x00002005u,
    0x00000003u, 0x40006008u, 0xe000e003u, 0xe000c005u, 0xe0000003u, 0xc000c006u, 0x0000e003u,
    0xc0000005u, 0x00000003u, 0xa000c008u, 0xe000e003u, 0xc000e005u, 0xe0000003u, 0xa0008008u,
    0x0000e003u, 0xe0002005u, 0x00000003u, 0xa0004008u, 0xe000e003u, 0x0000c005u, 0xe0000003u,
    0xc0002006u, 0x0000e003u, 0x20000005u, 0x00000003u, 0xa0000008u, 0xe000e003u, 0x2000e005u,
    0xe0000003u, 0xa000a008u, 0x0000e003u, 0x00002005u, 0x00000003u, 0xa0006008u, 0xe000e003u,
    0xe000c005u, 0xe0000003u, 0x2000c006u, 0x0000e003u, 0xc0000005u, 0x00000003u, 0xa000e008u,
    0xe000e003u, 0xc000e005u, 0xe0000003u, 0x20008008u, 0x0000e003u, 0xe0002005u, 0x00000003u,
    0x20004008u, 0xe000e003u, 0x0000c005u, 0xe0000003u, 0x20002006u, 0x0000e003u, 0x20000005u,
    0x00000003u, 0xa0002008u, 0xe000e003u, 0x2000e005u, 0xe0000003u, 0x2000a008u, 0x0000e003u,
    0x00002005u, 0x00000003u, 0x20006008u, 0xe000e003u, 0xe000c005u, 0xe0000003u, 0xc000c006u,
    0x0000e003u, 0xc0000005u, 0x00000003u, 0x6000c008u, 0xe000e003u, 0xc000e005u, 0xe0000003u,
    0xe0008008u, 0x0000e003u, 0xe0002005u, 0x00000003u, 0xe0004008u, 0xe000e003u, 0x0000c005u,
    0xe0000003u, 0xc0002006u, 0x0000e003u, 0x20000005u, 0x00000003u, 0x60000008u, 0xe000e003u,
    0x2000e005u, 0xe0000003u, 0xe000a008u, 0x0000e003u, 0x00002005u, 0x00000003u, 0xe0006008u,
    0xe000e003u, 0xe000c005u, 0xe0000003u, 0x2000c006u, 0x0000e003u, 0xc0000005u, 0x00000003u,
    0x6000e008u, 0xe000e003u, 0xc000e005u, 0xe0000003u, 0x60008008u, 0x0000e003u, 0xe0002005u,
    0x00000003u, 0x60004008u, 0xe000e003u, 0x0000c005u, 0xe0000003u, 0x20002006u, 0x0000e003u,
    0x20000005u, 0x00000003u, 0x60002008u, 0xe000e003u, 0x2000e005u, 0xe0000003u, 0x6000a008u,
    0x0000e003u, 0x00002005u, 0x00000003u, 0x60006008u,
};

/* Adds the products of two channels: the inputs from x to end by 8-bit weights. The code holds the
 * bits above the lowest ones. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(coded_pairs, held, 0);
BONSAI_PLACE(coded_pairs, spare, 4);
BONSAI_PLACE(coded_pairs, next, 8);
BONSAI_PLACE(coded_pairs, low, 12);
BONSAI_PLACE(coded_pairs, mask, 16);
BONSAI_PLACE(coded_pairs, step, 20);
BONSAI_PLACE(coded_pairs, x, 24);
BONSAI_PLACE(coded_pairs, end, 28);
BONSAI_PLACE(coded_pairs, sums, 32);
BONSAI_PLACE(coded_pairs, codes, 40);

BONSAI_NAKED void add_coded_pairs(__attribute__((unused)) struct coded_pairs *p)
{
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "mov r7, r0\n ldr r0, [r7, #40]\n mov lr, r0\n ldr r0, [r7, #8]\n mov r12, r0\n"
            "ldr r0, [r7, #16]\n mov r10, r0\n ldr r0, [r7, #28]\n mov r11, r0\n"
            "movs r0, #0\n mov r8, r0\n mov r9, r0\n"
            "ldr r1, [r7, #12]\n ldr r2, [r7, #20]\n push {r1, r2, r7}\n"
            "ldr r0, [r7]\n ldr r1, [r7, #4]\n ldr r5, [r7, #24]\n"
            /* r4: a word of lowest bits; r5: the end of x for this word or row; r6: minus the
             * number of inputs up to there. */
            "1: ldr r3, [sp]\n ldm r3!, {r4}\n str r3, [sp]\n ldr r6, [sp, #4]\n"
            "mov r7, r11\n subs r7, r7, r5\n subs r7, r7, r6\n bmi 4f\n"
            "2: adds r5, r5, r6\n negs r6, r6\n"
            /* A pair. r0: the bits held; r1: the spare bits; r2: the pair. */
            "3: uxtb r7, r0\n lsls r7, r7, #2\n mov r2, lr\n ldr r2, [r2, r7]\n"
            "uxtb r7, r2\n lsrs r0, r7\n subs r1, r1, r7\n bmi 6f\n"
            "5: mov r7, r10\n movs r3, r4\n ands r3, r7\n orrs r2, r3\n rors r4, r7\n"
            "ldrsb r3, [r5, r6]\n asrs r7, r2, #24\n muls r7, r3\n add r9, r7\n"
            "lsls r2, r2, #16\n asrs r2, r2, #24\n muls r2, r3\n add r8, r2\n"
            "adds r6, #1\n bne 3b\n"
            "cmp r5, r11\n bne 1b\n"
            "pop {r2, r3, r7}\n str r2, [r7, #12]\n str r0, [r7]\n str r1, [r7, #4]\n"
            "mov r0, r12\n str r0, [r7, #8]\n mov r0, r8\n str r0, [r7, #32]\n"
            "mov r0, r9\n str r0, [r7, #36]\n"
            "pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"
            /* The row ends before the word does. */
            "4: adds r6, r6, r7\n b 2b\n"
            "6: mov r3, r12\n ldrh r7, [r3]\n adds r3, #2\n mov r12, r3\n adds r1, #16\n"
            "lsls r7, r1\n orrs r0, r7\n b 5b\n");
}
#else
BONSAI_SHARED void add_coded_pairs(struct coded_pairs *p)
{
    const uint32_t mask = p->mask, *const codes = p->codes;
    const uint16_t *next = p->next;
    uint32_t held = p->held;
    int32_t spare = p->spare, sum0 = 0, sum1 = 0;
    const int8_t *x = p->x;

    do {
        uint32_t low = (uint32_t)*p->low++;
        const int8_t *const stop = p->end - x > p->step ? x + p->step : p->end;
#if defined(__thumb2__)
        /* The same as the C below, within the available registers. */
        uint32_t pair, t, w;
        __asm__(".syntax unified\n"
                "1: uxtb %[t], %[held]\n ldr %[pair], [%[codes], %[t], lsl #2]\n"
                "uxtb %[t], %[pair]\n lsrs %[held], %[held], %[t]\n subs %[spare], %[spare], %[t]\n"
                "bpl 2f\n ldrh %[t], [%[next]], #2\n adds %[spare], %[spare], #16\n"
                "lsl %[t], %[t], %[spare]\n orrs %[held], %[held], %[t]\n"
                "2: and %[t], %[low], %[mask]\n orrs %[pair], %[pair], %[t]\n"
                "ror %[low], %[low], %[mask]\n ldrsb %[t], [%[x]], #1\n"
                "sbfx %[w], %[pair], #8, #8\n mla %[sum0], %[w], %[t], %[sum0]\n"
                "asrs %[pair], %[pair], #24\n mla %[sum1], %[pair], %[t], %[sum1]\n"
                "cmp %[x], %[stop]\n bne 1b\n"
                : [held] "+l"(held), [spare] "+l"(spare), [next] "+r"(next), [low] "+r"(low),
                  [x] "+r"(x), [sum0] "+r"(sum0), [sum1] "+r"(sum1), [pair] "=&l"(pair),
                  [t] "=&l"(t),
                  [w] "=&r"(w)
                : [codes] "r"(codes), [mask] "r"(mask), [stop] "r"(stop)
                : "cc", "memory");
#else
        do {
            const uint32_t code = codes[held & 255], bits = code & 255;
            held >>= bits;
            spare -= (int32_t)bits;
            if (spare < 0) {
                spare += 16;
                held |= (uint32_t)*next++ << spare;
            }
            const uint32_t pair = code | (low & mask);
            low = low >> (mask & 31) | low << (-mask & 31);
            sum0 += (int8_t)(pair >> 8) * *x;
            sum1 += (int8_t)(pair >> 24) * *x++;
        } while (x != stop);
#endif
    } while (x != p->end);
    p->next = next;
    p->held = held;
    p->spare = spare;
    p->sums[0] = sum0;
    p->sums[1] = sum1;
}
#endif

/* The sums of the next two channels over n inputs at x. Their header holds the number of lowest
 * bits of each weight, plus 8 times the number of exceptions; then, for each exception, 2 * input
 * + channel and the value that it adds to the weight. A weight is an 8-bit weight divided by 2^(5
 * - lowest bits), without remainder. The same holds for its sum, which fits 32 bits for at most
 * 2^15 inputs. */
BONSAI_SHARED void multiply_coded_pairs(struct coded_pairs *p, const int8_t *x, int32_t n)
{
    static const uint8_t pairs_in_word[] = { 0, 16, 8, 5, 4, 3 };
    const uint8_t *head = p->heads;
    const int32_t low_bits = *head & 7, exceptions = *head >> 3;
    head++;
    p->mask = (((1u << low_bits) - 1) << (5 - low_bits)) * 0x1000100u + (uint32_t)low_bits;
    p->step = low_bits == 0 ? n : pairs_in_word[low_bits];
    p->x = x;
    p->end = x + n;
    add_coded_pairs(p);
    p->sums[0] >>= 5 - low_bits;
    p->sums[1] >>= 5 - low_bits;
    for (int32_t i = 0; i < exceptions; i++, head += 3) {
        const int32_t place = head[0] | head[1] << 8;
        p->sums[place & 1] += x[place >> 1] * (int8_t)head[2];
    }
    p->heads = head;
}

#include "output"
#include "to_int8"
#include "multiply_high"
#include "requantize"

struct fully_connected_coded_s8_args {
    const int32_t *biases;
    const uint8_t *heads;
    const uint16_t *codes;
    const int32_t *lows;
    uint8_t depth;
    uint8_t channels;
};

/* Multiplies rows by coded weights, two channels at a time. The input's zero point is folded into
 * the biases. */
static void fully_connected_coded_s8(const int8_t *in, int8_t *out,
                                     const struct fully_connected_coded_s8_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const int32_t depth = args->depth, channels = args->channels;

    for (int32_t row = 1; row > 0; row--, in += depth) {
        const uint16_t *const codes = args->codes;
        const int32_t *bias = args->biases;
        const int32_t multiplier = 1374389504, shift = -5;
        struct coded_pairs pairs = {
            .held = codes[0] | (uint32_t)codes[1] << 16, .spare = 16, .next = codes + 2,
            .low = args->lows, .codes = pair_codes, .heads = args->heads,
        };
        for (int32_t c = 0; c < channels; c++) {
            if ((c & 1) == 0)
                multiply_coded_pairs(&pairs, in, depth);
            const int32_t sum = pairs.sums[c & 1] + *bias++;
            *out++ = to_int8(requantize(sum, multiplier, shift), &output);
        }
    }
}

static const struct fully_connected_coded_s8_args model_fully_connected_0_args BONSAI_FLASH = {
    .biases = model_fully_connected_0_biases, .heads = model_fully_connected_0_heads,
    .codes = model_fully_connected_0_codes, .lows = model_fully_connected_0_lows, .depth = 64,
    .channels = 32,
};

static const struct fully_connected_coded_s8_args model_fully_connected_1_args BONSAI_FLASH = {
    .biases = model_fully_connected_1_biases, .heads = model_fully_connected_1_heads,
    .codes = model_fully_connected_1_codes, .lows = model_fully_connected_1_lows, .depth = 32,
    .channels = 31,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* fully_connected_0: "fully_connected_0"  s8 [1,64] -> [1,32]
     * portable/fully_connected_coded, 2048 MAC: test */
    case 0:
        fully_connected_coded_s8(arena + 0x0000, arena + 0x0040, &model_fully_connected_0_args);
        break;
    /* fully_connected_1: "fully_connected_1"  s8 [1,32] -> [1,31]
     * portable/fully_connected_coded, 992 MAC: test */
    case 1:
        fully_connected_coded_s8(arena + 0x0040, arena + 0x0060, &model_fully_connected_1_args);
        break;
    default:
        break;
    }
}
