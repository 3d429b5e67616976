#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "model_conv2d_0_routine"
#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"

/* to[i] = a[i] + (b[i] << 16), i < n: one value of each of two pixels per word. */
BONSAI_SHARED BONSAI_FRAMELESS void pack_pair(int32_t *to, const int8_t *a, const int8_t *b,
                                              int32_t n)
{
#if defined(BONSAI_THUMB1)
    /* Four at a time if both pointers are aligned. */
    if ((((uintptr_t)a | (uintptr_t)b) & 3) == 0 && n >= 4) {
        const int32_t *const end = to + (n & ~3);
        n &= 3;
        __asm__ volatile(".syntax unified\n"
                         "1: ldm %[a]!, {r3}\n"
                         "   ldm %[b]!, {r6}\n"
                         "   sxtb r4, r3\n"
                         "   sxtb r5, r6\n"
                         "   lsls r5, r5, #16\n"
                         "   adds r4, r4, r5\n"
                         "   lsls r5, r3, #16\n"
                         "   asrs r5, r5, #24\n"
                         "   lsls r7, r6, #16\n"
                         "   asrs r7, r7, #24\n"
                         "   lsls r7, r7, #16\n"
                         "   adds r5, r5, r7\n"
                         "   stm %[to]!, {r4, r5}\n"
                         "   lsls r4, r3, #8\n"
                         "   asrs r4, r4, #24\n"
                         "   lsls r5, r6, #8\n"
                         "   asrs r5, r5, #24\n"
                         "   lsls r5, r5, #16\n"
                         "   adds r4, r4, r5\n"
                         "   asrs r3, r3, #24\n"
                         "   asrs r6, r6, #24\n"
                         "   lsls r6, r6, #16\n"
                         "   adds r5, r3, r6\n"
                         "   stm %[to]!, {r4, r5}\n"
                         "   cmp %[to], %[end]\n"
                         "   bne 1b\n"
                         : [to] "+l"(to), [a] "+l"(a), [b] "+l"(b)
                         : [end] "h"(end)
                         : "r3", "r4", "r5", "r6", "r7", "cc", "memory");
    }
#endif
    for (; n > 0; n--)
        *to++ = *a++ + *b++ * 65536;
}

/* Two rows at a time. The inputs of both rows' windows are packed in scratch, column by column, so
 * that windows share columns. When scratch is full, the columns that are needed again move to the
 * front. The routine, which is the weights as code, computes all channels of a pixel of each row.
 * An odd last row is paired with itself. */
static void conv2d_s8_thumb1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, in_c = 4;
    const int32_t out_h = 5, out_w = 5, out_c = 8;
    const int32_t kernel_h = 3, stride_h = 2, stride_w = 2;
    const int32_t dilation_h = 1, pad_top = 1, pad_left = 1;
    /* Columns under a window, columns in scratch, and words of a column. */
    const int32_t span = 3, columns = 9, column = kernel_h * in_c;
    int32_t *const packed = (int32_t *)(void *)scratch;
    int8_t *const padding = scratch + columns * column * 4;

    for (int32_t c = 0; c < in_c; c++)
        padding[c] = (int8_t)3;
    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy += 2) {
            const int32_t next = oy + 1 < out_h ? 1 : 0, below = next * out_w * out_c;
            const int32_t last = (out_w - 1) * stride_w - pad_left + span;
            /* Columns first to end - 1 of the image are packed. */
            int32_t first = -pad_left, end = first;
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t left = ox * stride_w - pad_left;
                if (left + span > end) {
                    const int32_t begin = end > left ? end : left;
                    const int32_t *const from = packed + (left - first) * column;
                    for (int32_t i = 0; i < (begin - left) * column; i++)
                        packed[i] = from[i];
                    first = left;
                    end = first + columns < last ? first + columns : last;
                    for (int32_t ky = 0; ky < kernel_h; ky++) {
                        const int32_t y0 = oy * stride_h - pad_top + ky * dilation_h;
                        const int32_t y1 = y0 + next * stride_h;
                        const int32_t has_y0 = y0 >= 0 && y0 < in_h, has_y1 = y1 >= 0 && y1 < in_h;
                        int32_t *to = packed + (begin - first) * column + ky * in_c;
                        for (int32_t x = begin; x < end; x++, to += column) {
                            const int32_t has_x = x >= 0 && x < in_w;
                            const int8_t *a = padding, *b = padding;
                            if (has_x && has_y0)
                                a = in + (y0 * in_w + x) * in_c;
                            if (has_x && has_y1)
                                b = in + (y1 * in_w + x) * in_c;
                            pack_pair(to, a, b, in_c);
                        }
                    }
                }
                const int32_t *const window = packed + (left - first) * column;
                model_conv2d_0_routine(window, out, out + below);
                out += out_c;
            }
            out += below;
        }
        in += in_h * in_w * in_c;
    }
}

/* Two pixels at a time: their values are packed in scratch, then the routine, which is the weights
 * as code, computes all channels of both. An odd last pixel is paired with itself. */
static void conv2d_s8_thumb1_pointwise(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_c = 8, out_c = 6;
    int32_t *const packed = (int32_t *)(void *)scratch;

    for (int32_t pixels = 25; pixels > 0; pixels -= 2) {
        const int32_t next = pixels > 1 ? 1 : 0;
        pack_pair(packed, in, in + next * in_c, in_c);
        in += 2 * in_c;
        model_conv2d_1_routine(packed, out, out + next * out_c);
        out += 2 * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * thumb1/conv2d, 7200 MAC: test */
    case 0:
        conv2d_s8_thumb1(arena + 0x0000, arena + 0x0144, arena + 0x020c);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,5,5,6]  1x1
     * thumb1/conv2d, 1200 MAC: test */
    case 1:
        conv2d_s8_thumb1_pointwise(arena + 0x0144, arena + 0x03c0, arena + 0x0458);
        break;
    default:
        break;
    }
}
