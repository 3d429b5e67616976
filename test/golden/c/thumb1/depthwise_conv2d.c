#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Lines of one channel of a depthwise convolution, for compute_lines. Addresses, offsets and steps
 * are in bytes. Assembly reads the fields at fixed offsets. */
struct depthwise_lines {
    int32_t x, pairs, runs, segments, next_x; /* Bytes: x under a line's pairs, and all taps. */
    int32_t out, to_next_out, last_out;
    int32_t lowest, top, offset, out_step, out_bytes, low, high, base, lane, highest;
    int32_t odd; /* The number of words. */
    int32_t lift, shift, zero_point; /* For outputs on both sides of zero. */
    int32_t low_shift;
    int32_t taps[]; /* For each segment three weights and the step to it; then the step back. */
};

/* Stores the weights and constants of one output channel in `lines`. `steps` holds the steps for
 * each order of segments. Returns the word of x at which the first pair begins. */
static inline int32_t depthwise_channel(struct depthwise_lines *lines, const int8_t *weights,
                                        const int32_t *stage, const int32_t *steps,
                                        int32_t segments, int32_t lifted)
{
    lines->runs = (int8_t)stage[0];
    lines->lowest = (int8_t)(stage[0] >> 8);
    lines->highest = (int8_t)(stage[0] >> 16);
    lines->top = stage[1];
    lines->offset = stage[2];
    lines->low = stage[3];
    lines->high = stage[4];
    lines->base = stage[5];
    if (lifted) {
        lines->lift = stage[6];
        lines->shift = (int8_t)stage[7];
        lines->low_shift = (int8_t)(stage[7] >> 8);
        lines->zero_point = stage[7] >> 16;
    }
    steps += (stage[0] >> 24) * (segments + 1);
    const int32_t first = *steps++;
    for (int32_t *taps = lines->taps; taps != lines->taps + 4 * segments; taps += 4) {
        taps[0] = weights[0];
        taps[1] = weights[1];
        taps[2] = weights[2];
        taps[3] = *steps++;
        weights += 3;
    }
    return first;
}

/* Stores n copies of a word; returns the end. */
static inline uint32_t *fill_words(uint32_t *to, int32_t word, int32_t n)
{
    for (; n > 0; n--)
        *to++ = (uint32_t)word;
    return to;
}

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* How lines of one channel are packed. A word holds a pixel in its lower half and the pixel `lane`
 * bytes after it in the upper half. A line has `before` words of padding, `upper` words with only
 * the upper pixel inside, then `both`, `lower` and `after`. Assembly reads the fields at fixed
 * offsets.
 */
struct gather {
    int32_t step, lane, line; /* Bytes from pixel to pixel, lane to lane, line to line. */
    int32_t start;            /* Bytes from a line's first pixel to its first word's lower pixel. */
    int32_t padding;          /* Two padding pixels. */
    int32_t before, upper, both, lower, after; /* Words. */
};

/* Packs n > 0 lines from `line`; returns the end of the words. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(gather, step, 0);
BONSAI_PLACE(gather, lane, 4);
BONSAI_PLACE(gather, line, 8);
BONSAI_PLACE(gather, start, 12);
BONSAI_PLACE(gather, padding, 16);
BONSAI_PLACE(gather, before, 20);
BONSAI_PLACE(gather, upper, 24);
BONSAI_PLACE(gather, both, 28);
BONSAI_PLACE(gather, lower, 32);
BONSAI_PLACE(gather, after, 36);

BONSAI_NAKED uint32_t *
gather_lines(__attribute__((unused)) uint32_t *to, __attribute__((unused)) const int8_t *line,
             __attribute__((unused)) int32_t n, __attribute__((unused)) const struct gather *gather)
{
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "mov r12, r3\n mov r11, r2\n ldr r4, [r3]\n mov r8, r4\n ldr r2, [r3, #4]\n"
            "ldr r4, [r3, #8]\n mov r9, r4\n ldr r4, [r3, #12]\n adds r1, r4\n mov r10, r1\n"
            "ldr r4, [r3, #16]\n mov lr, r4\n movs r3, #0\n"
            /* A line. r1: the lower pixel; r2: distance to the upper pixel; lr: the padding. */
            "1: mov r7, r12\n mov r4, lr\n ldr r5, [r7, #20]\n cmp r5, #0\n beq 3f\n"
            "2: stm r0!, {r4}\n add r1, r8\n subs r5, #1\n bne 2b\n"
            "3: ldr r5, [r7, #24]\n cmp r5, #0\n beq 5f\n sxth r4, r4\n"
            "4: ldrsb r6, [r1, r2]\n lsls r6, r6, #16\n adds r6, r4\n stm r0!, {r6}\n"
            "add r1, r8\n subs r5, #1\n bne 4b\n"
            "5: ldr r7, [r7, #28]\n lsls r4, r7, #30\n beq 7f\n"
            "6:\n"
            "ldrsb r4, [r1, r3]\n ldrsb r6, [r1, r2]\n add r1, r8\n lsls r6, r6, #16\n"
            "adds r4, r6\n"
            "stm r0!, {r4}\n subs r7, #1\n lsls r4, r7, #30\n bne 6b\n"
            "7: cmp r7, #0\n beq 9f\n"
            "8:\n"
            "ldrsb r4, [r1, r3]\n ldrsb r6, [r1, r2]\n add r1, r8\n lsls r6, r6, #16\n"
            "adds r4, r6\n"
            "ldrsb r5, [r1, r3]\n ldrsb r6, [r1, r2]\n add r1, r8\n lsls r6, r6, #16\n"
            "adds r5, r6\n"
            "stm r0!, {r4, r5}\n"
            "ldrsb r4, [r1, r3]\n ldrsb r6, [r1, r2]\n add r1, r8\n lsls r6, r6, #16\n"
            "adds r4, r6\n"
            "ldrsb r5, [r1, r3]\n ldrsb r6, [r1, r2]\n add r1, r8\n lsls r6, r6, #16\n"
            "adds r5, r6\n"
            "stm r0!, {r4, r5}\n subs r7, #4\n bne 8b\n"
            "9: mov r7, r12\n mov r4, lr\n ldr r5, [r7, #32]\n cmp r5, #0\n beq 11f\n"
            "sxth r6, r4\n subs r4, r4, r6\n"
            "10: ldrsb r6, [r1, r3]\n adds r6, r4\n stm r0!, {r6}\n add r1, r8\n"
            "subs r5, #1\n bne 10b\n mov r4, lr\n"
            "11: ldr r5, [r7, #36]\n cmp r5, #0\n beq 13f\n"
            "12: stm r0!, {r4}\n subs r5, #1\n bne 12b\n"
            "13: add r10, r9\n mov r1, r10\n mov r4, r11\n subs r4, #1\n mov r11, r4\n bne 1b\n"
            "pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
            "pop {r4-r7, pc}\n");
}
#else
static uint32_t *gather_lines(uint32_t *to, const int8_t *line, int32_t n,
                              const struct gather *gather)
{
    const uint32_t padding = (uint32_t)gather->padding;
    const uint32_t padding_low = (uint32_t)(int16_t)gather->padding;
    for (; n > 0; n--, line += gather->line) {
        int32_t at = gather->start;
        for (int32_t i = 0; i < gather->before; i++, at += gather->step)
            *to++ = padding;
        for (int32_t i = 0; i < gather->upper; i++, at += gather->step)
            *to++ = padding_low + ((uint32_t)line[at + gather->lane] << 16);
        for (int32_t i = 0; i < gather->both; i++, at += gather->step)
            *to++ = (uint32_t)line[at] + ((uint32_t)line[at + gather->lane] << 16);
        for (int32_t i = 0; i < gather->lower; i++, at += gather->step)
            *to++ = (uint32_t)line[at] + (padding - padding_low);
        for (int32_t i = 0; i < gather->after; i++)
            *to++ = padding;
    }
    return to;
}
#endif

#if !defined(__ARM_ARCH_6M__)
static inline uint32_t run_of_taps(const int32_t *taps, const uint32_t *x, int32_t n)
{
    uint32_t run = 0;
    for (int32_t k = 0; k < n; k++)
        run += (uint32_t)taps[k] * x[k];
    return run;
}

static inline void add_lanes(int32_t lanes[2], uint32_t run)
{
    const int32_t lower = (int16_t)run;
    lanes[0] += lower;
    lanes[1] += (int32_t)(run - (uint32_t)lower) >> 16;
}

static inline int8_t output_of(int32_t lane, const struct depthwise_lines *lines)
{
    const uint32_t a = (uint32_t)lane + (uint32_t)lines->base;
    if (a > (uint32_t)lines->top)
        return (int8_t)((int32_t)a < 0 ? lines->lowest : lines->highest);
    const uint32_t fraction = a * (uint32_t)lines->low >> lines->low_shift;
    const uint32_t product = (uint32_t)lane * (uint32_t)lines->high + fraction;
    const uint32_t sum = product + (uint32_t)lines->offset;
    const uint32_t lifted = sum + (sum >> 31) * (uint32_t)lines->lift;
    return (int8_t)((lifted >> lines->shift) + (uint32_t)lines->zero_point);
}

/* compute_lines in C. */
static void any_depthwise_lines(struct depthwise_lines *lines, const uint32_t *x, int8_t *out,
                                int32_t count, int32_t stride)
{
    const int32_t segments = lines->segments / 16;
    const int32_t words = lines->out_bytes / lines->out_step;
    for (; count > 0; count--, x += lines->next_x / 4) {
        for (int32_t i = 0; i < words; i++) {
            /* Steps lead from the end of a segment of a pair, 3 + stride words, to the next. */
            const uint32_t *word = x + i / 2 * 2 * stride;
            const int32_t second = i % 2 * stride;
            int32_t lanes[2] = { 0, 0 };
            for (int32_t s = 0; s < segments; s++) {
                const int32_t *taps = lines->taps + 4 * s;
                word += taps[3] / 4;
                if (lines->runs < (s == 0 ? 1 : 2)) {
                    add_lanes(lanes, run_of_taps(taps, word + second, 3));
                } else {
                    add_lanes(lanes, run_of_taps(taps, word + second, 2));
                    add_lanes(lanes, run_of_taps(taps + 2, word + second + 2, 1));
                }
                word += 3 + stride;
            }
            int8_t *const y = out + (words - 1 - i) * lines->out_step;
            y[0] = output_of(lanes[0], lines);
            y[lines->lane] = output_of(lanes[1], lines);
        }
        out += lines->to_next_out + lines->out_bytes;
    }
}
#endif

/* A word of x holds two pixels, whose outputs lie `lane` bytes apart: x0 + (x1 << 16). Segments of
 * three neighbouring taps are multiplied by two neighbouring words at once, so that six products
 * overwrite x and weights without copies. The lanes of a run of products are exact while they stay
 * within -32767 ... 32767, which is proved for the weights. Runs are (0) the products of each of
 * three segments, (1) the same, but two and one of the first segment, or (2) two and one of every
 * segment.
 *
 * Lanes wait on the stack and are stored in reverse order, so `out` is the place of a line's last
 * word. With a = lane + base, an output is the highest byte of lane * high + (a * low >>
 * low_shift) + offset; or `lowest` if a < 0, `highest` if a > top. The functions that are not
 * `lifted` have a fixed low_shift of 14. */
/* Computes `count` lines, the first from x into the word at `out`. Outputs are 1
 * word of x apart and on one side of zero. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(depthwise_lines, x, 0);
BONSAI_PLACE(depthwise_lines, pairs, 4);
BONSAI_PLACE(depthwise_lines, runs, 8);
BONSAI_PLACE(depthwise_lines, segments, 12);
BONSAI_PLACE(depthwise_lines, next_x, 16);
BONSAI_PLACE(depthwise_lines, out, 20);
BONSAI_PLACE(depthwise_lines, to_next_out, 24);
BONSAI_PLACE(depthwise_lines, last_out, 28);
BONSAI_PLACE(depthwise_lines, lowest, 32);
BONSAI_PLACE(depthwise_lines, top, 36);
BONSAI_PLACE(depthwise_lines, offset, 40);
BONSAI_PLACE(depthwise_lines, out_step, 44);
BONSAI_PLACE(depthwise_lines, out_bytes, 48);
BONSAI_PLACE(depthwise_lines, low, 52);
BONSAI_PLACE(depthwise_lines, high, 56);
BONSAI_PLACE(depthwise_lines, base, 60);
BONSAI_PLACE(depthwise_lines, lane, 64);
BONSAI_PLACE(depthwise_lines, highest, 68);
BONSAI_PLACE(depthwise_lines, odd, 72);
BONSAI_PLACE(depthwise_lines, lift, 76);
BONSAI_PLACE(depthwise_lines, shift, 80);
BONSAI_PLACE(depthwise_lines, zero_point, 84);
BONSAI_PLACE(depthwise_lines, low_shift, 88);
BONSAI_PLACE(depthwise_lines, taps, 92);

BONSAI_NAKED void
compute_lines_1(__attribute__((unused)) struct depthwise_lines *lines,
                __attribute__((unused)) const uint32_t *x, __attribute__((unused)) int8_t *out,
                __attribute__((unused)) int32_t count)
{
    /* r0: the structure; r1: x; r2: the output; r3: the number of lines. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r0, r4-r7}\n"
            "str r1, [r0]\n str r2, [r0, #20]\n"
            "ldr r4, [r0, #48]\n ldr r5, [r0, #24]\n adds r4, r5\n muls r3, r4\n adds r2, r3\n"
            "str r2, [r0, #28]\n"
            /* A line. r0: x; lr: its end; r7: the taps. */
            "1: ldr r7, [sp]\n mov r6, r7\n ldm r7!, {r0-r4}\n adds r4, r0\n str r4, [r6]\n"
            "adds r1, r0\n mov lr, r1\n adds r7, #72\n cmp r2, #2\n bne 10f\n b 20f\n"
            "10: movs r1, #128\n lsls r1, #8\n mov r12, r1\n"
            "cmp r0, lr\n beq 13f\n cmp r2, #0\n beq 11f\n b 12f\n"
            "11:\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "adds r4, r6\n adds r1, r3\n"
            "mov r8, r4\n add r4, r12\n asrs r4, #16\n mov r9, r4\n"
            "mov r10, r1\n add r1, r12\n asrs r1, #16\n mov r11, r1\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "adds r4, r6\n adds r1, r3\n"
            "add r8, r4\n add r4, r12\n asrs r4, #16\n add r9, r4\n"
            "add r10, r1\n add r1, r12\n asrs r1, #16\n add r11, r1\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "adds r4, r6\n adds r1, r3\n"
            "asrs r5, r4, #16\n mov r6, r9\n adcs r5, r6\n"
            "add r4, r8\n lsls r6, r5, #16\n subs r4, r4, r6\n"
            "asrs r2, r1, #16\n mov r3, r11\n adcs r2, r3\n"
            "add r1, r10\n lsls r3, r2, #16\n subs r1, r1, r3\n"
            "push {r1, r2, r4, r5}\n subs r7, #48\n cmp r0, lr\n"
            "bne 11b\n"
            "13: subs r7, #20\n ldr r1, [r7]\n adds r7, #20\n cmp r1, #0\n bne 14f\n b 30f\n"
            "14:\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n adds r0, #4\n"
            "muls r4, r1\n muls r5, r2\n adds r4, r5\n muls r6, r3\n"
            "mov r8, r4\n add r4, r12\n asrs r4, #16\n mov r9, r4\n"
            "add r8, r6\n add r6, r12\n asrs r6, #16\n add r9, r6\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n adds r0, #4\n"
            "muls r4, r1\n muls r5, r2\n adds r4, r5\n muls r6, r3\n"
            "adds r4, r6\n"
            "add r8, r4\n add r4, r12\n asrs r4, #16\n add r9, r4\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n adds r0, #4\n"
            "muls r4, r1\n muls r5, r2\n adds r4, r5\n muls r6, r3\n"
            "adds r4, r6\n"
            "asrs r5, r4, #16\n mov r6, r9\n adcs r5, r6\n"
            "add r4, r8\n lsls r6, r5, #16\n subs r4, r4, r6\n"
            "push {r4, r5}\n subs r7, #48\n b 30f\n"
            "12:\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "mov r8, r4\n add r4, r12\n asrs r4, #16\n mov r9, r4\n"
            "mov r10, r1\n add r1, r12\n asrs r1, #16\n mov r11, r1\n"
            "add r8, r6\n add r6, r12\n asrs r6, #16\n add r9, r6\n"
            "add r10, r3\n add r3, r12\n asrs r3, #16\n add r11, r3\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "adds r4, r6\n adds r1, r3\n"
            "add r8, r4\n add r4, r12\n asrs r4, #16\n add r9, r4\n"
            "add r10, r1\n add r1, r12\n asrs r1, #16\n add r11, r1\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "adds r4, r6\n adds r1, r3\n"
            "asrs r5, r4, #16\n mov r6, r9\n adcs r5, r6\n"
            "add r4, r8\n lsls r6, r5, #16\n subs r4, r4, r6\n"
            "asrs r2, r1, #16\n mov r3, r11\n adcs r2, r3\n"
            "add r1, r10\n lsls r3, r2, #16\n subs r1, r1, r3\n"
            "push {r1, r2, r4, r5}\n subs r7, #48\n cmp r0, lr\n"
            "bne 12b\n"
            "b 13b\n");
    __asm__("20: adds r3, r7\n mov r12, r3\n"
            "21: movs r1, #0\n mov r8, r1\n mov r9, r1\n mov r10, r1\n mov r11, r1\n"
            "22:\n"
            "ldm r7!, {r1, r2, r3, r4}\n add r0, r4\n ldm r0!, {r4, r5, r6}\n muls r4, r1\n"
            "muls r1, r5\n"
            "muls r5, r2\n adds r4, r5\n muls r2, r6\n adds r1, r2\n muls r6, r3\n"
            "ldm r0!, {r5}\n muls r3, r5\n"
            "sxth r5, r4\n subs r4, r4, r5\n asrs r4, #16\n add r8, r5\n"
            "add r9, r4\n"
            "sxth r5, r1\n subs r1, r1, r5\n asrs r1, #16\n add r10, r5\n"
            "add r11, r1\n"
            "sxth r5, r6\n subs r6, r6, r5\n asrs r6, #16\n add r8, r5\n"
            "add r9, r6\n"
            "sxth r5, r3\n subs r3, r3, r5\n asrs r3, #16\n add r10, r5\n"
            "add r11, r3\n"
            "cmp r7, r12\n bne 22b\n"
            "mov r1, r10\n mov r2, r11\n mov r4, r8\n mov r5, r9\n push {r1, r2, r4, r5}\n"
            "ldm r7!, {r3}\n add r7, r3\n cmp r0, lr\n bne 21b\n"
            "subs r7, #20\n ldr r1, [r7]\n adds r7, #20\n lsls r1, r1, #3\n add sp, r1\n"
            /* Its outputs. r0: from the last one down to r12; r7: distance to the other lane. */
            "30: subs r7, #72\n mov lr, r7\n ldr r0, [r7]\n"
            "adds r7, #12\n ldm r7!, {r1-r5}\n mov r9, r2\n mov r10, r3\n mov r11, r4\n"
            "adds r5, r0\n mov r12, r5\n ldm r7, {r4-r7}\n"
            "mov r8, r1\n"
            "mov r1, lr\n ldr r1, [r1, #52]\n lsrs r1, r1, #1\n bcs 33f\n"
            "31:\n"
            "pop {r1, r2}\n"
            "adds r3, r1, r6\n bmi 61f\n cmp r3, r9\n bhi 71f\n"
            "muls r1, r5\n muls r3, r4\n lsrs r3, #14\n adds r1, r3\n add r1, r10\n"
            "lsrs r1, #24\n"
            "51:\n"
            "strb r1, [r0]\n"
            "adds r3, r2, r6\n bmi 62f\n cmp r3, r9\n bhi 72f\n"
            "muls r2, r5\n muls r3, r4\n lsrs r3, #14\n adds r2, r3\n add r2, r10\n"
            "lsrs r2, #24\n"
            "52:\n"
            "strb r2, [r0, r7]\n add r0, r11\n"
            "33:\n"
            "pop {r1, r2}\n"
            "adds r3, r1, r6\n bmi 63f\n cmp r3, r9\n bhi 73f\n"
            "muls r1, r5\n muls r3, r4\n lsrs r3, #14\n adds r1, r3\n add r1, r10\n"
            "lsrs r1, #24\n"
            "53:\n"
            "strb r1, [r0]\n"
            "adds r3, r2, r6\n bmi 64f\n cmp r3, r9\n bhi 74f\n"
            "muls r2, r5\n muls r3, r4\n lsrs r3, #14\n adds r2, r3\n add r2, r10\n"
            "lsrs r2, #24\n"
            "54:\n"
            "strb r2, [r0, r7]\n add r0, r11\n"
            "cmp r0, r12\n bne 31b\n"
            "mov r7, lr\n ldm r7!, {r1, r2, r3}\n adds r0, r2\n cmp r0, r3\n beq 32f\n"
            "subs r7, #12\n str r0, [r7]\n b 1b\n"
            "61: mov r1, r8\n b 51b\n"
            "71: mov r3, lr\n ldr r1, [r3, #48]\n b 51b\n"
            "62: mov r2, r8\n b 52b\n"
            "72: mov r3, lr\n ldr r2, [r3, #48]\n b 52b\n"
            "63: mov r1, r8\n b 53b\n"
            "73: mov r3, lr\n ldr r1, [r3, #48]\n b 53b\n"
            "64: mov r2, r8\n b 54b\n"
            "74: mov r3, lr\n ldr r2, [r3, #48]\n b 54b\n"
            "32: pop {r0, r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
            "pop {r4-r7, pc}\n");
}

#else

static void compute_lines_1(struct depthwise_lines *lines, const uint32_t *x, int8_t *out,
                            int32_t count)
{
    any_depthwise_lines(lines, x, out, count, 1);
}

#endif

struct depthwise_conv2d_s8_thumb1_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t lines_in;
    uint8_t lines_stride;
    uint8_t in_image;
};

/* One channel after the other: its image, or a band of its lines, is packed with padding, two
 * pixels in a word, then multiplied and written where it was. A line is a row or a column. */
static void depthwise_conv2d_s8_thumb1(const int8_t *in, int8_t *out, int8_t *scratch,
                                       const struct depthwise_conv2d_s8_thumb1_args *restrict args)
{
    struct depthwise_lines *const lines =
        (struct depthwise_lines *)(void *)scratch;
    uint32_t *const plane = (uint32_t *)(void *)(scratch + 144);
    const struct gather gather = {
        .step = 3, .lane = 12, .line = 27, .start = -3,
        .padding = 196611, .before = 0, .upper = 1,
        .both = 5, .lower = 1, .after = 0,
    };
    const int32_t segments = 3, channels = 3;
    const int32_t lines_in = args->lines_in, lines_out = 5, band = 5;
    const int32_t lines_pad = 1, lines_stride = args->lines_stride;
    const int32_t lines_taps = 3, pitch = 7;
    const int32_t words = 5, pair_bytes = 8;
    const int32_t out_step = 3, out_line = 27;
    const int32_t in_image = args->in_image, out_image = 135;
    const int32_t stage_words = 6;
    const int8_t *weights = args->weights;
    const int32_t *stage = args->stage, *const steps = model_depthwise_conv2d_0_steps;

    lines->segments = 16 * segments;
    lines->next_x = 4 * pitch * lines_stride;
    lines->out_step = -out_step;
    lines->to_next_out = out_line + words * out_step;
    lines->out_bytes = -words * out_step;
    lines->odd = words & 1;
    lines->lane = 12;
    lines->lift = lines->zero_point = 0;
    lines->shift = 24;
    lines->low_shift = 14;
    lines->taps[4 * segments] = -(16 * segments + 4);
    for (int32_t c = 0; c < channels; c++, in++) {
        const uint32_t *const x =
            plane + depthwise_channel(lines, weights, stage, steps, segments, 0);
        /* An odd last word is computed separately, or as half of a pair if all runs are cut. */
        lines->pairs = pair_bytes * ((words + (lines->runs == 2 ? 1 : 0)) >> 1);
        weights += 3 * segments;
        stage += stage_words;
        const int8_t *image = in;
        int8_t *outputs = out + (words - 1) * out_step;
        for (int32_t batch = 1; batch > 0; batch--) {
            /* The lines of the image before `next` are packed; `line` is their end. */
            int32_t next = -lines_pad;
            uint32_t *line = plane;
            for (int32_t oy = 0; oy < lines_out; oy += band) {
                const int32_t top = oy * lines_stride - lines_pad;
                const int32_t count = lines_out - oy < band ? lines_out - oy : band;
                const int32_t end = top + (count - 1) * lines_stride + lines_taps;
                const int32_t kept = next > top ? next - top : 0;
                const uint32_t *again = line - kept * pitch;
                for (line = plane; line != plane + kept * pitch;)
                    *line++ = *again++;
                const int32_t to = end < lines_in ? end : lines_in;
                int32_t from = top + kept;
                for (; from < 0 && from < end; from++)
                    line = fill_words(line, gather.padding, pitch);
                if (from < to) {
                    line = gather_lines(line, image + from * gather.line, to - from, &gather);
                    from = to;
                }
                for (; from < end; from++)
                    line = fill_words(line, gather.padding, pitch);
                compute_lines_1(lines, x, outputs + oy * out_line, count);
                next = end;
            }
            image += in_image;
            outputs += out_image;
        }
        out++;
    }
}

static const struct depthwise_conv2d_s8_thumb1_args model_depthwise_conv2d_0_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_0_weights, .stage = model_depthwise_conv2d_0_stage,
    .lines_in = 9, .lines_stride = 2, .in_image = 243,
};

static const struct depthwise_conv2d_s8_thumb1_args model_depthwise_conv2d_1_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage,
    .lines_in = 5, .lines_stride = 1, .in_image = 135,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,5,9,3]  3x3 stride 2x1 pad
     * 1,1,1,1 relu
     * thumb1/depthwise_conv2d, 1215 MAC: test */
    case 0:
        depthwise_conv2d_s8_thumb1(arena + 0x0000, arena + 0x00f4, arena + 0x017c,
                                   &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,9,3] -> [1,5,9,3]  3x3 pad 1,1,1,1 relu
     * thumb1/depthwise_conv2d, 1215 MAC: test */
    case 1:
        depthwise_conv2d_s8_thumb1(arena + 0x00f4, arena + 0x0344, arena + 0x03cc,
                                   &model_depthwise_conv2d_1_args);
        break;
    default:
        break;
    }
}
