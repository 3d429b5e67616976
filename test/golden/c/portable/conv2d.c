#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "pad4"
#include "dot4"
#include "output"
#include "output4"
#include "to_int8"
#include "multiply_high"
#include "requantize"
#include "store4"

/* Like dot_few, for taps outside the image, which all have the same value. */
BONSAI_SHARED void pad_few(int32_t *acc, int32_t value, const int8_t *w, int32_t n, int32_t depth,
                           int32_t count)
{
    for (const int32_t *const end = acc + count; acc != end; acc++, w += depth) {
        for (int32_t i = 0; i < n; i++)
            *acc += value * w[i];
    }
}

#include "dot_few"

struct conv2d_s8_args {
    const uint32_t *weights;
    const int32_t *stage;
    int16_t scaled_min;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t in_c;
    uint8_t filter_c;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t scaled_max;
};

/* Four output channels of a pixel at a time. If their number is not a multiple of four, the last
 * four overlap the four before.
 * The input's zero point is folded into the biases; a tap outside the image counts as the zero
 * point. A pixel is written before later pixels are read, so `out` may overlap `in` that far.
 * The taps of a row that lie inside the image are one contiguous segment. */
static void conv2d_s8(const int8_t *in, int8_t *out, const struct conv2d_s8_args *restrict args)
{
    const struct output4 output = { { args->scaled_min, args->scaled_max, 3 }, 4 };
    const int32_t in_h = args->in_h, in_w = args->in_w, in_c = args->in_c, in_zp = 3;
    const int32_t kernel_h = 3, kernel_w = 3, filter_c = args->filter_c;
    const int32_t out_h = args->out_h, out_w = args->out_w, channels = 8;
    const int32_t stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    /* First channel of a group, in the input and in the output. */
    const int32_t in_first = 0, out_first = 0;

    in += in_first;
    out += out_first;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const uint32_t *w = args->weights;
                const int32_t *stage = args->stage;
                for (int32_t c = 0; c < channels; c += 4, stage += 12) {
                    const int32_t first = c + output.lanes > channels ? channels - output.lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = 0; ky < kernel_h; ky++, w += kernel_w * filter_c) {
                        /* Taps before the image, inside it and after it. */
                        const int32_t inside = ky < top || ky >= bottom ? 0 : right - left;
                        const int32_t before = inside > 0 ? left : kernel_w;
                        const int32_t behind = kernel_w - before - inside;
                        const int32_t iy = y0 + ky * dilation_h, ix = x0 + left * dilation_w;
                        if (before > 0)
                            pad4(acc, in_zp, w, before * filter_c);
                        if (inside > 0)
                            dot4(acc, in + (iy * in_w + ix) * in_c, w + before * filter_c, inside *
                                 filter_c);
                        if (behind > 0)
                            pad4(acc, in_zp, w + (before + inside) * filter_c, behind * filter_c);
                    }
                    store4(out + first, acc, stage, &output);
                }
                out += 8;
            }
        }
    }
}

/* Fewer than four output channels per pixel, one after the other.
 * The input's zero point is folded into the biases; a tap outside the image counts as the zero
 * point. A pixel is written before later pixels are read, so `out` may overlap `in` that far.
 * The taps of a row that lie inside the image are one contiguous segment. */
static void conv2d_s8_few(const int8_t *in, int8_t *out)
{
    const struct output4 output = { { -131, 124, 3 }, 3 };
    const int32_t in_h = 3, in_w = 3, in_c = 8, in_zp = 3;
    const int32_t kernel_h = 3, kernel_w = 3, filter_c = 8;
    const int32_t depth = kernel_h * kernel_w * filter_c;
    const int32_t out_h = 2, out_w = 2, channels = 3;
    const int32_t stride_h = 2, stride_w = 2;
    const int32_t pad_top = 1, pad_left = 1;
    const int32_t dilation_h = 1, dilation_w = 1;
    /* First channel of a group, in the input and in the output. */
    const int32_t in_first = 0, out_first = 0;

    in += in_first;
    out += out_first;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int8_t *w = model_conv2d_2_weights;
                const int32_t *stage = model_conv2d_2_stage;
                for (int32_t c = 0; c < channels; c += 4, stage += 12) {
                    const int32_t first = c + output.lanes > channels ? channels - output.lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = 0; ky < kernel_h; ky++, w += kernel_w * filter_c) {
                        /* Taps before the image, inside it and after it. */
                        const int32_t inside = ky < top || ky >= bottom ? 0 : right - left;
                        const int32_t before = inside > 0 ? left : kernel_w;
                        const int32_t behind = kernel_w - before - inside;
                        const int32_t iy = y0 + ky * dilation_h, ix = x0 + left * dilation_w;
                        if (before > 0)
                            pad_few(acc, in_zp, w, before * filter_c, depth, output.lanes);
                        if (inside > 0)
                            dot_few(acc, in + (iy * in_w + ix) * in_c, w + before * filter_c,
                                    inside * filter_c, depth, output.lanes);
                        if (behind > 0)
                            pad_few(acc, in_zp, w + (before + inside) * filter_c, behind * filter_c,
                                    depth, output.lanes);
                    }
                    store4(out + first, acc, stage, &output);
                }
                out += 3;
            }
        }
    }
}

static const struct conv2d_s8_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .stage = model_conv2d_0_stage, .scaled_min = -131, .in_h = 9,
    .in_w = 9, .in_c = 3, .filter_c = 3, .out_h = 5, .out_w = 5, .scaled_max = 124,
};

static const struct conv2d_s8_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .stage = model_conv2d_1_stage, .scaled_min = 0, .in_h = 5,
    .in_w = 5, .in_c = 8, .filter_c = 8, .out_h = 3, .out_w = 3, .scaled_max = 12,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * portable/conv2d, 5400 MAC: test */
    case 0:
        conv2d_s8(arena + 0x0000, arena + 0x00f4, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,3,3,8]  3x3 stride 2 pad 1,1,1,1 relu6
     * portable/conv2d, 5184 MAC: test */
    case 1:
        conv2d_s8(arena + 0x00f4, arena + 0x01bc, &model_conv2d_1_args);
        break;
    /* conv2d_2: "conv2d_2"  s8 [1,3,3,8] -> [1,2,2,3]  3x3 stride 2 pad 1,1,1,1
     * portable/conv2d, 864 MAC: test */
    case 2:
        conv2d_s8_few(arena + 0x01bc, arena + 0x0204);
        break;
    default:
        break;
    }
}
