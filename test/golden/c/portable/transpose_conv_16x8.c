#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "dot4_s16"
#include "requantize_reduced"

struct conv2d_16x8_s16_args {
    const uint32_t *weights;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_first;
};

/* int16 inputs by int8 weights, four output channels of a pixel at a time. If their number is not a
 * multiple of four, the last four overlap the four before; with fewer, the other lanes are zero.
 * Zero points are 0, so taps outside the image add nothing.
 * The pixels are one phase of a transposed convolution: they are spread over the output.
 * No sum leaves 32 bits, which the weights prove.
 * A pixel is written before later pixels are read, so `out` may overlap `in` that far. */
static void conv2d_16x8_s16(const int16_t *in, int16_t *out,
                            const struct conv2d_16x8_s16_args *restrict args)
{
    const int32_t in_h = 3, in_w = 4, in_c = 3;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, filter_c = 3;
    const int32_t out_h = 3, out_w = 4, channels = 6, lanes = 4;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int32_t low = -32768, high = 32767;

    /* First channel of a group, in the input and in the output. */
    in += 0;
    out += args->out_first;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++, out += 12) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const uint32_t *w = args->weights;
                const int32_t *stage = model_transpose_conv_0_0_stage;
                for (int32_t c = 0; c < channels; c += 4, w += kernel_h * kernel_w * filter_c) {
                    const int32_t first = c + lanes > channels ? channels - lanes : c;
                    int32_t acc[4] = { stage[0], stage[3], stage[6], stage[9] };
                    for (int32_t ky = top; ky < bottom && left < right; ky++) {
                        const int32_t pixel = (y0 + ky * dilation_h) * in_w + x0 + left *
                            dilation_w;
                        const uint32_t *taps = w + (ky * kernel_w + left) * filter_c;
                        dot4_s16(acc, in + pixel * in_c, taps, (right - left) * filter_c);
                    }
                    for (int32_t lane = 0; lane < 4; lane++, stage += 3) {
                        const int32_t y = requantize_reduced(acc[lane], stage[1], stage[2]);
                        if (lane < lanes)
                            out[first + lane] = (int16_t)(y < low ? low : y > high ? high : y);
                    }
                }
            }
            out += 48;
        }
        out += 0;
    }
}

static const struct conv2d_16x8_s16_args model_transpose_conv_0_0_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_0_weights, .kernel_h = 2, .kernel_w = 2, .pad_top = 1,
    .pad_left = 1, .out_first = 0,
};

static const struct conv2d_16x8_s16_args model_transpose_conv_0_1_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_1_weights, .kernel_h = 2, .kernel_w = 1, .pad_top = 1,
    .pad_left = 0, .out_first = 6,
};

static const struct conv2d_16x8_s16_args model_transpose_conv_0_2_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_2_weights, .kernel_h = 1, .kernel_w = 2, .pad_top = 0,
    .pad_left = 1, .out_first = 48,
};

static const struct conv2d_16x8_s16_args model_transpose_conv_0_3_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_3_weights, .kernel_h = 1, .kernel_w = 1, .pad_top = 0,
    .pad_left = 0, .out_first = 54,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* transpose_conv_0: "transpose_conv_0"  s16 [1,3,4,3] -> [1,6,8,6]  3x3 stride 2 size [6,8]
     * portable/transpose_conv_16x8, 1584 MAC: test */
    case 0:
        conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0048),
                        &model_transpose_conv_0_0_args);
        conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0048),
                        &model_transpose_conv_0_1_args);
        conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0048),
                        &model_transpose_conv_0_2_args);
        conv2d_16x8_s16((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x0048),
                        &model_transpose_conv_0_3_args);
        break;
    default:
        break;
    }
}
