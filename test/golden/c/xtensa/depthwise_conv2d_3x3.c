#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Products of a window's row. */
static inline uint32_t row_by_taps(const int32_t *taps, uint32_t a, uint32_t b, uint32_t c)
{
    return (uint32_t)taps[0] * a + (uint32_t)taps[1] * b + (uint32_t)taps[2] * c;
}

/* Sums of n 3x3 windows, two rows below each other, modulo 2^32. The row that two windows share is
 * loaded once. */
BONSAI_SHARED void slide_by_2(int32_t *sums, int32_t n, const uint8_t *p, int32_t pitch,
                              const int32_t *taps, int32_t start)
{
    const uint32_t first = (uint32_t)start;
    uint32_t sum = first + row_by_taps(taps, p[0], p[1], p[2]);
    for (const int32_t *const end = sums + n; sums != end; sums++) {
        p += pitch;
        sum += row_by_taps(taps + 3, p[0], p[1], p[2]);
        p += pitch;
        const uint32_t a = p[0], b = p[1], c = p[2];
        *sums = (int32_t)(sum + row_by_taps(taps + 6, a, b, c));
        sum = first + row_by_taps(taps, a, b, c);
    }
}

/* int8 outputs of n sums of one channel, `step` bytes apart; returns the place of the next one.
 * The constants are those of swar/rescale_sums. */
BONSAI_SHARED int8_t *rescale_column(int8_t *y, int32_t step, const int32_t *sums,
                                     const int32_t *stage, int32_t n)
{
    const uint32_t top = (uint32_t)stage[0], high = (uint32_t)stage[2], low = (uint32_t)stage[3];
    const uint32_t offset = (uint32_t)stage[5];
    const int32_t shift = stage[4];
    const int32_t lowest = stage[1], highest = stage[1] >> 8;
    for (const int32_t *const end = sums + n; sums != end; y += step) {
        const uint32_t a = (uint32_t)*sums++;
        const uint32_t inside = (a * high + (a * low >> shift) + offset) >> 24;
        const int32_t outside = (int32_t)a < 0 ? lowest : highest;
        *y = a > top ? (int8_t)outside : (int8_t)inside;
    }
    return y;
}

/* Sums of n 3x3 windows, one row below the other, modulo 2^32. A row of three pixels is loaded once
 * for the three windows that it is part of. */
BONSAI_SHARED void slide(int32_t *sums, int32_t n, const uint8_t *p, int32_t pitch,
                         const int32_t *taps, int32_t start)
{
    const uint32_t first = (uint32_t)start;
    uint32_t above = first + row_by_taps(taps, p[0], p[1], p[2]);
    p += pitch;
    above += row_by_taps(taps + 3, p[0], p[1], p[2]);
    uint32_t here = first + row_by_taps(taps, p[0], p[1], p[2]);
    for (const int32_t *const end = sums + n; sums != end; sums++) {
        p += pitch;
        const uint32_t a = p[0], b = p[1], c = p[2];
        *sums = (int32_t)(above + row_by_taps(taps + 6, a, b, c));
        above = here + row_by_taps(taps + 3, a, b, c);
        here = first + row_by_taps(taps, a, b, c);
    }
}

/* Channel by channel: a copy with padding, as unsigned values, then column by column of the output.
 * The input's zero point and the offset of unsigned values are folded into the starts. */
static void depthwise_conv2d_3x3_s8_xtensa_by_2(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, channels = 3;
    const int32_t out_h = 5, out_w = 5, stride_w = 2;
    const int32_t rows = 11, pitch = 11, pad_top = 1, pad_left = 1;
    /* Rows and columns of the input that lie under windows. */
    const int32_t height = rows - pad_top < in_h ? rows - pad_top : in_h;
    const int32_t width = pitch - pad_left < in_w ? pitch - pad_left : in_w;
    enum { block = 32, stage_words = 6 };
    uint8_t *const plane = (uint8_t *)scratch;
    int32_t sums[block];

    for (int32_t batch = 1; batch > 0; batch--) {
        const int8_t *weights = model_depthwise_conv2d_0_weights;
        const int32_t *stage = model_depthwise_conv2d_0_stage, *starts =
            model_depthwise_conv2d_0_starts;
        memset(plane, 131, (size_t)(rows * pitch));
        for (int32_t c = 0; c < channels; c++, weights += 9, stage += stage_words) {
            const int8_t *from = in + c;
            for (int32_t y = 0; y < height; y++, from += (in_w - width) * channels) {
                uint8_t *to = plane + (pad_top + y) * pitch + pad_left;
                for (uint8_t *const end = to + width; to != end; from += channels)
                    *to++ = (uint8_t)((uint8_t)*from ^ 0x80u);
            }
            int32_t taps[9];
            for (int32_t i = 0; i < 9; i++)
                taps[i] = weights[i];
            for (int32_t ox = 0; ox < out_w; ox++) {
                int8_t *to = out + ox * channels + c;
                for (int32_t oy = 0; oy < out_h; oy += block) {
                    const int32_t n = out_h - oy < block ? out_h - oy : block;
                    const uint8_t *const top = plane + oy * 2 * pitch + ox * stride_w;
                    slide_by_2(sums, n, top, pitch, taps, starts[c]);
                    to = rescale_column(to, out_w * channels, sums, stage, n);
                }
            }
        }
        in += in_h * in_w * channels;
        out += out_h * out_w * channels;
    }
}

/* Channel by channel: a copy with padding, as unsigned values, then column by column of the output.
 * The input's zero point and the offset of unsigned values are folded into the starts. */
static void depthwise_conv2d_3x3_s8_xtensa(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 5, in_w = 5, channels = 3;
    const int32_t out_h = 3, out_w = 3, stride_w = 1;
    const int32_t rows = 5, pitch = 5, pad_top = 0, pad_left = 0;
    /* Rows and columns of the input that lie under windows. */
    const int32_t height = rows - pad_top < in_h ? rows - pad_top : in_h;
    const int32_t width = pitch - pad_left < in_w ? pitch - pad_left : in_w;
    enum { block = 32, stage_words = 6 };
    uint8_t *const plane = (uint8_t *)scratch;
    int32_t sums[block];

    for (int32_t batch = 1; batch > 0; batch--) {
        const int8_t *weights = model_depthwise_conv2d_1_weights;
        const int32_t *stage = model_depthwise_conv2d_1_stage, *starts =
            model_depthwise_conv2d_1_starts;
        memset(plane, 131, (size_t)(rows * pitch));
        for (int32_t c = 0; c < channels; c++, weights += 9, stage += stage_words) {
            const int8_t *from = in + c;
            for (int32_t y = 0; y < height; y++, from += (in_w - width) * channels) {
                uint8_t *to = plane + (pad_top + y) * pitch + pad_left;
                for (uint8_t *const end = to + width; to != end; from += channels)
                    *to++ = (uint8_t)((uint8_t)*from ^ 0x80u);
            }
            int32_t taps[9];
            for (int32_t i = 0; i < 9; i++)
                taps[i] = weights[i];
            for (int32_t ox = 0; ox < out_w; ox++) {
                int8_t *to = out + ox * channels + c;
                for (int32_t oy = 0; oy < out_h; oy += block) {
                    const int32_t n = out_h - oy < block ? out_h - oy : block;
                    const uint8_t *const top = plane + oy * pitch + ox * stride_w;
                    slide(sums, n, top, pitch, taps, starts[c]);
                    to = rescale_column(to, out_w * channels, sums, stage, n);
                }
            }
        }
        in += in_h * in_w * channels;
        out += out_h * out_w * channels;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,5,5,3]  3x3 stride 2 pad
     * 1,1,1,1
     * xtensa/depthwise_conv2d_3x3, 675 MAC: test */
    case 0:
        depthwise_conv2d_3x3_s8_xtensa_by_2(arena + 0x0000, arena + 0x00f4, arena + 0x0140);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,3] -> [1,3,3,3]  3x3 relu6
     * xtensa/depthwise_conv2d_3x3, 243 MAC: test */
    case 1:
        depthwise_conv2d_3x3_s8_xtensa(arena + 0x00f4, arena + 0x01bc, arena + 0x01d8);
        break;
    default:
        break;
    }
}
