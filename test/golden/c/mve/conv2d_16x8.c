#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "window"
#include "BONSAI_MVE"
#include "fill_bytes"
#include "clip_taps"
#include "copy_rows"
#include "gather_columns"
#include "patches"
#include "BONSAI_PLACE"
#include "load_lanes"

/* Four filters by two patches: lane i of *a is bias i plus the sum of x[k] * weight k of filter i,
 * *b is the same for the second patch. The filters are interleaved in groups of 8 values.
 * Advances *weights and *stage.
 *
 * VMLADAVA accumulates in even registers only. Eight registers hold the sums; all else that the
 * loop needs is loaded into fixed registers, which leaves the compiler three, or two where it keeps
 * a frame pointer. It is volatile since no operand says that it reads the patches. */
#if defined(BONSAI_MVE)
BONSAI_PLACE(patches, vectors, 0);
BONSAI_PLACE(patches, x, 4);
BONSAI_PLACE(patches, next, 8);

static inline void dot_lanes_pair_int16(lanes4 *a, lanes4 *b, const struct patches *patches,
                                        const int8_t **weights, const int32_t **stage)
{
    lanes4 sums0, sums1;
    const int8_t *w = *weights;
    const int32_t *biases = *stage;
    register const struct patches *r1 __asm__("r1") = patches;
    __asm__ volatile("ldm %[r1], {r1, r9, r11}\n\t"
            "add r11, r9\n\t"
            "ldm %[biases], {r0, r2, r4, r6}\n\t"
            "ldm %[biases]!, {r8, r10, r12, lr}\n"
            "1:\n\t"
            "vldrh.16 q0, [r9], #16\n\t"
            "vldrh.16 q1, [r11], #16\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vldrb.s16 q3, [%[w]], #8\n\t"
            "vmladava.s16 r0, q0, q2\n\t"
            "vmladava.s16 r8, q1, q2\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r2, q0, q3\n\t"
            "vmladava.s16 r10, q1, q3\n\t"
            "vldrb.s16 q3, [%[w]], #8\n\t"
            "vmladava.s16 r4, q0, q2\n\t"
            "vmladava.s16 r12, q1, q2\n\t"
            "subs r1, #1\n\t"
            "vmladava.s16 r6, q0, q3\n\t"
            "vmladava.s16 lr, q1, q3\n\t"
            "bne 1b\n\t"
            "vmov %q[a][2], %q[a][0], r0, r4\n\t"
            "vmov %q[a][3], %q[a][1], r2, r6\n\t"
            "vmov %q[b][2], %q[b][0], r8, r12\n\t"
            "vmov %q[b][3], %q[b][1], r10, lr"
            : [a] "=&w"(sums0), [b] "=&w"(sums1), [w] "+&l"(w), [biases] "+&r"(biases),
              [r1] "+&r"(r1)
            :
            : "q0", "q1", "q2", "q3", "r0", "r2", "r4", "r6", "r8", "r9", "r10", "r11", "r12",
              "lr", "cc", "memory");
    *a = sums0;
    *b = sums1;
    *weights = w;
    *stage = biases;
}
#else
static inline void dot_lanes_pair_int16(lanes4 *a, lanes4 *b, const struct patches *patches,
                                        const int8_t **weights, const int32_t **stage)
{
    *a = *b = load_lanes(*stage);
    *stage += 4;
    const int16_t *x0 = (const void *)patches->x;
    const int16_t *x1 = (const void *)(patches->x + patches->next);
    for (int32_t n = 0; n < patches->vectors; n++, x0 += 8, x1 += 8) {
        for (int32_t i = 0; i < 4; i++) {
            for (int32_t k = 0; k < 8; k++) {
                a->lane[i] += x0[k] * **weights;
                b->lane[i] += x1[k] * *(*weights)++;
            }
        }
    }
}
#endif

#include "output"
#include "clamp_lanes"
#include "requantize_reduced"
#include "rescale_lanes_reduced"

/* Stores the first `count` of four int16, or all if `count` is larger: to y, and those of another
 * pixel to y + next. */
#if defined(BONSAI_MVE)
static inline void store_lanes_pair_int16(int16_t *y, int32_t next, lanes4 a, lanes4 b,
                                          int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpstt\n\t"
                     "vstrht.32 %q[a], [%[y]]\n\t"
                     "vstrht.32 %q[b], [%[z]]"
                     :
                     : [y] "l"(y), [z] "l"(y + next), [a] "w"(a), [b] "w"(b), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes_pair_int16(int16_t *y, int32_t next, lanes4 a, lanes4 b,
                                          int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++) {
        y[i] = (int16_t)a.lane[i];
        y[next + i] = (int16_t)b.lane[i];
    }
}
#endif

/* A tile of pixels of a row at a time. The
 * inputs of their windows are gathered in scratch, column by column, so that neighbouring windows
 * share columns; then two pixels at a time are multiplied by all filters, four at a time.
 * Vectors extend past a window, where weights are 0. The input's zero point is folded into the
 * biases. */
static void conv2d_s16_mve(const int16_t *image, int16_t *out, int8_t *scratch)
{
    /* Channels of inputs are counted in bytes. */
    const int8_t *in = (const int8_t *)image;
    const struct output output = { -32768, 32767, 0 };
    const struct window window = { 6, 5, 6, 3, 8, 1, 1, 0 };
    const int32_t in_c = 6, out_w = 5, out_c = 6;
    const int32_t tile = 6, step = 18;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < 6; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                const int32_t y = oy - 1, x = ox - 1;
                gather_columns(scratch, in, y, x, &window);
                for (int32_t i = 0; i < count; i += 2) {
                    /* An odd last pixel is computed twice. */
                    const int32_t next = i + 1 < count ? 1 : 0;
                    const struct patches patches = { 4, scratch + i * step, next * step };
                    const int32_t other = next * out_c;
                    const int8_t *weights = model_conv2d_0_weights;
                    const int32_t *stage = model_conv2d_0_stage;
                    for (int32_t c = 0; c < out_c; c += 4) {
                        lanes4 sums0, sums1;
                        dot_lanes_pair_int16(&sums0, &sums1, &patches, &weights, &stage);
                        sums0 = clamp_lanes(rescale_lanes_reduced(sums0, stage), &output);
                        sums1 = clamp_lanes(rescale_lanes_reduced(sums1, stage), &output);
                        stage += 8;
                        store_lanes_pair_int16(out + c, other, sums0, sums1, out_c - c);
                    }
                    out += out_c + other;
                }
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

/* A tile of pixels of a row at a time. The
 * inputs of their windows are gathered in scratch, column by column, so that neighbouring windows
 * share columns; then two pixels at a time are multiplied by all filters, four at a time.
 * Vectors extend past a window, where weights are 0. The input's zero point is folded into the
 * biases. */
static void conv2d_s16_mve_dilated(const int16_t *image, int16_t *out, int8_t *scratch)
{
    /* Channels of inputs are counted in bytes. */
    const int8_t *in = (const int8_t *)image;
    const struct output output = { -32768, 32767, 0 };
    const struct window window = { 6, 5, 12, 1, 2, 1, 2, 0 };
    const int32_t in_c = 12, out_w = 3, out_c = 2;
    const int32_t tile = 4, step = 24;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < 6; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                const int32_t y = oy, x = ox;
                for (int32_t i = 0; i < count; i++)
                    gather_columns(scratch + i * step, in, y, x + i, &window);
                for (int32_t i = 0; i < count; i += 2) {
                    /* An odd last pixel is computed twice. */
                    const int32_t next = i + 1 < count ? 1 : 0;
                    const struct patches patches = { 2, scratch + i * step, next * step };
                    const int32_t other = next * out_c;
                    const int8_t *weights = model_conv2d_1_weights;
                    const int32_t *stage = model_conv2d_1_stage;
                    for (int32_t c = 0; c < out_c; c += 4) {
                        lanes4 sums0, sums1;
                        dot_lanes_pair_int16(&sums0, &sums1, &patches, &weights, &stage);
                        sums0 = clamp_lanes(rescale_lanes_reduced(sums0, stage), &output);
                        sums1 = clamp_lanes(rescale_lanes_reduced(sums1, stage), &output);
                        stage += 8;
                        store_lanes_pair_int16(out + c, other, sums0, sums1, out_c - c);
                    }
                    out += out_c + other;
                }
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * mve/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_s16_mve((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x00b4),
                       arena + 0x021c);
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * mve/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_s16_mve_dilated((int16_t *)(void *)(arena + 0x00b4),
                               (int16_t *)(void *)(arena + 0x02b8), arena + 0x0300);
        break;
    default:
        break;
    }
}
