#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "max_spans"

/* Four bytes to any address, little-endian. */
static inline void store_word(int8_t *to, uint32_t word)
{
    memcpy(to, &word, sizeof word);
}

#include "max_bytes"
#include "load_word"

/* The larger of each pair of bytes, by words; `to` may be `a`. */
BONSAI_SHARED void max_runs_simd(int8_t *to, const int8_t *a, const int8_t *b,
                                 const struct max_spans *s)
{
    const int32_t bytes = s->bytes, a_skip = s->a_skip, b_skip = s->b_skip;
    for (int32_t n = s->count; n > 0; n--, a += a_skip, b += b_skip) {
        for (const int8_t *const end = a + bytes; a != end; to += 4, a += 4, b += 4)
            store_word(to, max_bytes(load_word(a), load_word(b)));
    }
}

/* The larger of each pair of bytes, four at least in a run, the last four of which overlap those
 * before; `to` may be `a`. */
BONSAI_SHARED void max_runs_ragged(int8_t *to, const int8_t *a, const int8_t *b,
                                   const struct max_spans *s)
{
    const int32_t bytes = s->bytes, a_skip = s->a_skip, b_skip = s->b_skip;
    for (int32_t n = s->count; n > 0; n--, a += a_skip, b += b_skip) {
        for (const int8_t *const end = a + (bytes & ~3); a != end; to += 4, a += 4, b += 4)
            store_word(to, max_bytes(load_word(a), load_word(b)));
        const int32_t rest = bytes & 3;
        to += rest;
        a += rest;
        b += rest;
        store_word(to - 4, max_bytes(load_word(a - 4), load_word(b - 4)));
    }
}

/* Largest of each window's elements inside the image, four bytes in a word: first of each column of
 * a row of windows, then of a window's columns. */
static void max_pool2d_rows_s8_dsp_0(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct max_spans pixels = { 60, 1, 0, 0 };
    const struct max_spans next = { 60, 1, 0, 0 };
    const struct max_spans columns = { 60, 1, 0, 0 };
    const int32_t in_h = 6, row_bytes = 60;
    int8_t *const largest = scratch + 10;
    /* The least element, which is no window's largest, stands for the padding. */
    memset(scratch, -128, 80);
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t top = oy - 1, bottom = top + 3;
            const int32_t y1 = bottom > in_h ? in_h : bottom;
            int32_t y = top < 0 ? 0 : top;
            const int8_t *row = in + y * row_bytes;
            /* A single row is its own second. */
            y = y + 1 < y1 ? y + 1 : y;
            for (; y < y1; y++) {
                max_runs_simd(largest, row, in + y * row_bytes, &columns);
                row = largest;
            }
            max_runs_simd(out, scratch, scratch + 10, &pixels);
            for (int32_t x = 2; x < 3; x++)
                max_runs_simd(out, out, scratch + x * 10, &next);
            out += 60;
        }
    }
}

/* Largest of each window's elements inside the image, four bytes in a word: first of each column of
 * a row of windows, then of a window's columns. */
static void max_pool2d_rows_s8_dsp_1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct max_spans pixels = { 18, 1, 0, 0 };
    const struct max_spans next = { 18, 1, 0, 0 };
    const struct max_spans columns = { 18, 1, 0, 0 };
    const int32_t in_h = 6, row_bytes = 18;
    int8_t *const largest = scratch + 3;
    /* The least element, which is no window's largest, stands for the padding. */
    memset(scratch, -128, 24);
    for (int32_t n = 0; n < 1; n++, in += in_h * row_bytes) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t top = oy - 1, bottom = top + 3;
            const int32_t y1 = bottom > in_h ? in_h : bottom;
            int32_t y = top < 0 ? 0 : top;
            const int8_t *row = in + y * row_bytes;
            /* A single row is its own second. */
            y = y + 1 < y1 ? y + 1 : y;
            for (; y < y1; y++) {
                max_runs_ragged(largest, row, in + y * row_bytes, &columns);
                row = largest;
            }
            max_runs_ragged(out, scratch, scratch + 3, &pixels);
            for (int32_t x = 2; x < 3; x++)
                max_runs_ragged(out, out, scratch + x * 3, &next);
            out += 18;
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* max_pool2d_0: "max_pool2d_0"  s8 [1,6,6,10] -> [1,6,6,10]  3x3 pad 1,1,1,1
     * dsp/max_pool2d_rows: test */
    case 0:
        max_pool2d_rows_s8_dsp_0(arena + 0x0000, arena + 0x01d4, arena + 0x033c);
        break;
    /* max_pool2d_1: "max_pool2d_1"  s8 [1,6,6,3] -> [1,6,6,3]  3x3 pad 1,1,1,1
     * dsp/max_pool2d_rows: test */
    case 1:
        max_pool2d_rows_s8_dsp_1(arena + 0x0168, arena + 0x038c, arena + 0x03f8);
        break;
    default:
        break;
    }
}
