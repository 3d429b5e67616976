#include "BONSAI_FLASH"
#include "BONSAI_SHARED, another 2"
#include "model_conv2d_0_routine"

/* to[i] = a[i] + (b[i] << 16), i < n: a value of each of two pixels in one word. */
static inline void pack_words(int32_t *to, const int8_t *a, const int8_t *b, int32_t n)
{
    for (; n >= 4; n -= 4, a += 4, b += 4, to += 4) {
        to[0] = a[0] + b[0] * 65536;
        to[1] = a[1] + b[1] * 65536;
        to[2] = a[2] + b[2] * 65536;
        to[3] = a[3] + b[3] * 65536;
    }
    for (; n > 0; n--)
        *to++ = *a++ + *b++ * 65536;
}

/* Four rows at a time. What lies under their windows is packed in scratch, column by column, so
 * that windows share columns: as many as fit, then those that are needed again move to the front. A
 * word has values that are two rows of output apart: the first two pixels' windows begin at a
 * column's first row, the other two's a stride below. The routine, which is the weights as code,
 * computes all channels of a pixel of each row. */
static void conv2d_s8_rv32(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, in_c = 4;
    const int32_t out_h = 5, out_w = 5, out_c = 8;
    const int32_t rows = 5, stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1;
    /* Columns under a window, and in scratch; words of one. */
    const int32_t span = 3, columns = 9, column = rows * in_c;
    int32_t *const packed = (int32_t *)(void *)scratch;
    int8_t *const padding = scratch + columns * column * 4;
    int8_t *const spare = padding + in_c;

    for (int32_t c = 0; c < in_c; c++)
        padding[c] = (int8_t)3;
    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy += 4) {
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
                    for (int32_t row = 0; row < rows; row++) {
                        const int32_t y0 = oy * stride_h - pad_top + row, y1 = y0 + 2 * stride_h;
                        const int32_t has_y0 = y0 >= 0 && y0 < in_h, has_y1 = y1 >= 0 && y1 < in_h;
                        int32_t *to = packed + (begin - first) * column + row * in_c;
                        for (int32_t x = begin; x < end; x++, to += column) {
                            const int32_t has_x = x >= 0 && x < in_w;
                            const int8_t *a = padding, *b = padding;
                            if (has_x && has_y0)
                                a = in + (y0 * in_w + x) * in_c;
                            if (has_x && has_y1)
                                b = in + (y1 * in_w + x) * in_c;
                            pack_words(to, a, b, in_c);
                        }
                    }
                }
                int8_t *to[4];
                for (int32_t i = 0; i < 4; i++)
                    to[i] = oy + i < out_h ? out + i * out_w * out_c : spare;
                model_conv2d_0_routine(packed + (left - first) * column, to, 0);
                out += out_c;
            }
            /* The rows below are done as well. */
            const int32_t below = (out_h - oy < 4 ? out_h - oy : 4) - 1;
            out += below * out_w * out_c;
        }
        in += in_h * in_w * in_c;
    }
}

/* Four pixels at a time: their values are packed in scratch, those of pixels 0 and 2 before those
 * of 1 and 3, then the routine, which is the weights as code, computes all channels. Of a last
 * tile's pixels that are not there the last one is packed, and their outputs are not wanted. */
static void conv2d_s8_rv32_pointwise(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_c = 8, out_c = 6;
    int32_t *const packed = (int32_t *)(void *)scratch;
    int8_t *const spare = scratch + in_c * 8;

    for (int32_t pixels = 25; pixels > 0; pixels -= 4) {
        const int8_t *from[4];
        int8_t *to[4];
        for (int32_t i = 0; i < 4; i++) {
            from[i] = in + (i < pixels ? i : pixels - 1) * in_c;
            to[i] = i < pixels ? out + i * out_c : spare;
        }
        pack_words(packed, from[0], from[2], in_c);
        pack_words(packed + in_c, from[1], from[3], in_c);
        model_conv2d_1_routine(packed, to, 0);
        in += 4 * in_c;
        out += 4 * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * rv32/conv2d, 7200 MAC: test */
    case 0:
        conv2d_s8_rv32(arena + 0x0000, arena + 0x0144, arena + 0x020c);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,5,5,6]  1x1
     * rv32/conv2d, 1200 MAC: test */
    case 1:
        conv2d_s8_rv32_pointwise(arena + 0x0144, arena + 0x04e8, arena + 0x0580);
        break;
    default:
        break;
    }
}
