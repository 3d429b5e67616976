#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "max_spans"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* Stores a word at an address that is a multiple of four. */
static inline void put_word(int8_t *to, uint32_t word)
{
    *(uint32_t *)(void *)to = word;
}

/* The larger of each pair of signed bytes. x & a and half of ~x add up to half of a + 255 - b,
 * rounded down, of the bytes without a sign: to 128 at least where a is larger. Where the signs
 * differ, it is the smaller one. */
static inline uint32_t max_of_bytes(uint32_t a, uint32_t b)
{
    const uint32_t x = a ^ b;
    const uint32_t half = (x & a) + (~x >> 1 & 0x7f7f7f7f);
    const uint32_t larger = (half ^ x) >> 7 & 0x01010101;
    return b ^ (x & larger * 255);
}

/* The word at an address that is a multiple of four. */
static inline uint32_t word_at(const int8_t *from)
{
    return *(const uint32_t *)(const void *)from;
}

/* The larger of each pair of bytes, by words; `to` may be `a`. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(max_spans, bytes, 0);
BONSAI_PLACE(max_spans, count, 4);
BONSAI_PLACE(max_spans, a_skip, 8);
BONSAI_PLACE(max_spans, b_skip, 12);

/* As max_of_bytes, with r7 = 0x7f7f7f7f. r8: the run's end, r12: the output's. */
BONSAI_NAKED void
max_runs(__attribute__((unused)) int8_t *to, __attribute__((unused)) const int8_t *a,
         __attribute__((unused)) const int8_t *b, __attribute__((unused)) const struct max_spans *s)
{
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "ldm r3!, {r4-r7}\n mov r9, r4\n muls r5, r4\n add r5, r0\n mov r12, r5\n"
            "mov r10, r6\n mov r11, r7\n"
            "movs r7, #0x7f\n lsls r4, r7, #8\n orrs r7, r4\n lsls r4, r7, #16\n orrs r7, r4\n"
            "1: mov r4, r1\n add r4, r9\n mov r8, r4\n"
            "2: ldm r1!, {r3}\n ldm r2!, {r4}\n eors r4, r3\n"
            "mvns r5, r4\n lsrs r5, r5, #1\n ands r5, r7\n mov r6, r3\n ands r6, r4\n"
            "adds r5, r5, r6\n eors r5, r4\n bics r5, r7\n"
            /* A byte of ones for each bit 7. */
            "lsrs r6, r5, #7\n lsls r5, r5, #1\n subs r5, r5, r6\n"
            "bics r4, r5\n eors r4, r3\n stm r0!, {r4}\n cmp r1, r8\n bne 2b\n"
            "add r1, r10\n add r2, r11\n cmp r0, r12\n bne 1b\n"
            "pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
            "pop {r4-r7, pc}\n");
}
#else
BONSAI_SHARED void max_runs(int8_t *to, const int8_t *a, const int8_t *b, const struct max_spans *s)
{
    const int32_t bytes = s->bytes, a_skip = s->a_skip, b_skip = s->b_skip;
    for (int32_t n = s->count; n > 0; n--, a += a_skip, b += b_skip) {
        for (const int8_t *const end = a + bytes; a != end; to += 4, a += 4, b += 4)
            put_word(to, max_of_bytes(word_at(a), word_at(b)));
    }
}
#endif

/* Clamps n bytes. */
BONSAI_SHARED void clamp_bytes(int8_t *to, int32_t n, int32_t low, int32_t high)
{
    for (const int8_t *const end = to + n; to != end; to++)
        *to = (int8_t)(*to < low ? low : *to > high ? high : *to);
}

/* Largest of each window's elements inside the image, four bytes in a word: first of each column of
 * a row of windows, then of a window's columns. */
static void max_pool2d_s8_swar_more_padded(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct max_spans pixels = { 32, 1, 0, 0 };
    const struct max_spans next = { 32, 1, 0, 0 };
    const struct max_spans columns = { 32, 1, 0, 0 };
    const int32_t in_h = 8, row_bytes = 32;
    int8_t *const largest = scratch + 4;
    /* The least element, which is no window's largest, stands for the padding. */
    memset(scratch, -128, 40);
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < 8; oy++) {
            const int32_t top = oy - 1, bottom = top + 3;
            const int32_t y1 = bottom > in_h ? in_h : bottom;
            int32_t y = top < 0 ? 0 : top;
            const int8_t *row = in + y * row_bytes;
            /* A single row is its own second. */
            y = y + 1 < y1 ? y + 1 : y;
            for (; y < y1; y++) {
                max_runs(largest, row, in + y * row_bytes, &columns);
                row = largest;
            }
            max_runs(out, scratch, scratch + 4, &pixels);
            for (int32_t x = 2; x < 3; x++)
                max_runs(out, out, scratch + x * 4, &next);
            out += 32;
        }
    }
}

/* Largest of each window's elements inside the image, four bytes in a word. Windows are one column
 * wide, side by side. */
static void max_pool2d_s8_swar_clamped_whole(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct max_spans columns = { 32, 1, 0, 0 };
    const int32_t in_h = 8, row_bytes = 32;
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t top = oy, bottom = top + 3;
            const int32_t y1 = bottom > in_h ? in_h : bottom;
            int32_t y = top < 0 ? 0 : top;
            const int8_t *row = in + y * row_bytes;
            /* A single row is its own second. */
            y = y + 1 < y1 ? y + 1 : y;
            for (; y < y1; y++) {
                int8_t *const to = y + 1 < y1 ? scratch : out;
                max_runs(to, row, in + y * row_bytes, &columns);
                row = to;
            }
            clamp_bytes(out, 32, 3, 127);
            out += 32;
        }
    }
}

/* Largest of each window's elements, four bytes in a word. Windows are one row high. */
static void max_pool2d_s8_swar_direct_more(const int8_t *in, int8_t *out)
{
    const struct max_spans pixels = { 24, 1, 0, 0 };
    const struct max_spans next = { 24, 1, 0, 0 };
    const int8_t *row = in;
    for (int32_t oy = 0; oy < 6; oy++, row += 32) {
        max_runs(out, row, row + 4, &pixels);
        for (int32_t x = 2; x < 3; x++)
            max_runs(out, out, row + x * 4, &next);
        out += 24;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* max_pool2d_0: "max_pool2d_0"  s8 [1,8,8,4] -> [1,8,8,4]  3x3 pad 1,1,1,1
     * swar/max_pool2d: test */
    case 0:
        max_pool2d_s8_swar_more_padded(arena + 0x0000, arena + 0x0100, arena + 0x0200);
        break;
    /* max_pool2d_1: "max_pool2d_1"  s8 [1,8,8,4] -> [1,6,8,4]  3x1 relu
     * swar/max_pool2d: test */
    case 1:
        max_pool2d_s8_swar_clamped_whole(arena + 0x0100, arena + 0x0228, arena + 0x02e8);
        break;
    /* max_pool2d_2: "max_pool2d_2"  s8 [1,6,8,4] -> [1,6,6,4]  1x3
     * swar/max_pool2d: test */
    case 2:
        max_pool2d_s8_swar_direct_more(arena + 0x0228, arena + 0x0308);
        break;
    default:
        break;
    }
}
