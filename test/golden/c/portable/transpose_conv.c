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

struct conv2d_s8_args {
    const uint32_t *weights;
    const int32_t *stage;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_first;
};

/* Four output channels of a pixel at a time. If their number is not a multiple of four, the last
 * four overlap the four before.
 * The input's zero point is folded into the biases; a tap outside the image counts as the zero
 * point. A pixel is written before later pixels are read, so `out` may overlap `in` that far.
 * The pixels are one phase of a transposed convolution: they are spread over the output.
 * The taps of a row that lie inside the image are one contiguous segment. */
static void conv2d_s8(const int8_t *in, int8_t *out, const struct conv2d_s8_args *restrict args)
{
    const struct output4 output = { { -131, 124, 3 }, 4 };
    const int32_t in_h = 3, in_w = 4, in_c = 3, in_zp = 3;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, filter_c = 3;
    const int32_t out_h = 3, out_w = 4, channels = 5;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = 1;
    /* First channel of a group, in the input and in the output. */
    const int32_t in_first = 0, out_first = args->out_first;

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
                out += 10;
            }
            out += 40;
        }
        out += 0;
    }
}

static const struct conv2d_s8_args model_transpose_conv_0_0_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_0_weights, .stage = model_transpose_conv_0_0_stage,
    .kernel_h = 2, .kernel_w = 2, .pad_top = 1, .pad_left = 1, .out_first = 0,
};

static const struct conv2d_s8_args model_transpose_conv_0_1_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_1_weights, .stage = model_transpose_conv_0_1_stage,
    .kernel_h = 2, .kernel_w = 1, .pad_top = 1, .pad_left = 0, .out_first = 5,
};

static const struct conv2d_s8_args model_transpose_conv_0_2_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_2_weights, .stage = model_transpose_conv_0_2_stage,
    .kernel_h = 1, .kernel_w = 2, .pad_top = 0, .pad_left = 1, .out_first = 40,
};

static const struct conv2d_s8_args model_transpose_conv_0_3_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_3_weights, .stage = model_transpose_conv_0_3_stage,
    .kernel_h = 1, .kernel_w = 1, .pad_top = 0, .pad_left = 0, .out_first = 45,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* transpose_conv_0: "transpose_conv_0"  s8 [1,3,4,3] -> [1,6,8,5]  3x3 stride 2 pad 0,,0,
     * size [6,8]
     * portable/transpose_conv, 1320 MAC: test */
    case 0:
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_0_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_1_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_2_args);
        conv2d_s8(arena + 0x0000, arena + 0x0024, &model_transpose_conv_0_3_args);
        break;
    default:
        break;
    }
}
