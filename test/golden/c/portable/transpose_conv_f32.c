#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"

struct conv2d_f32_f32_args {
    const float *weights;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_first;
};

/* float by float, each output a sum in the order of its taps and inputs: two roundings a product,
 * as in the reference, so neither a fused multiply-add nor another order would give its bits. Four
 * channels at a time share their inputs. The pixels are one phase of a transposed convolution: they
 * are spread over the output. Taps outside the image add nothing. */
static void conv2d_f32_f32(const float *in, float *out,
                           const struct conv2d_f32_f32_args *restrict args)
{
    const int32_t in_h = 3, in_w = 4, in_c = 3;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, filter_c = 3;
    const int32_t out_h = 3, out_w = 4, channels = 6;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int32_t depth = kernel_h * kernel_w * filter_c;
    const float low = model_transpose_conv_0_0_clamp[0], high = model_transpose_conv_0_0_clamp[1];

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
                const float *filters = args->weights;
                for (int32_t c = 0, lanes; c < channels; c += lanes, filters += lanes * depth) {
                    float sums[4] = { 0 };
                    lanes = channels - c < 4 ? 1 : 4;
                    for (int32_t ky = top; ky < bottom; ky++) {
                        for (int32_t kx = left; kx < right; kx++) {
                            const float *x = in + ((y0 + ky * dilation_h) * in_w + x0 + kx *
                                                   dilation_w) * in_c;
                            const float *w = filters + (ky * kernel_w + kx) * filter_c;
                            if (lanes == 4) {
                                for (int32_t i = 0; i < filter_c; i++, w++) {
                                    sums[0] += x[i] * w[0];
                                    sums[1] += x[i] * w[depth];
                                    sums[2] += x[i] * w[2 * depth];
                                    sums[3] += x[i] * w[3 * depth];
                                }
                            } else {
                                for (int32_t i = 0; i < filter_c; i++)
                                    sums[0] += x[i] * w[i];
                            }
                        }
                    }
                    for (int32_t lane = 0; lane < lanes; lane++) {
                        float y = sums[lane] + model_transpose_conv_0_0_biases[c + lane];
                        y = y < low ? low : y;
                        out[c + lane] = high < y ? high : y;
                    }
                }
            }
            out += 48;
        }
        out += 0;
    }
}

static const struct conv2d_f32_f32_args model_transpose_conv_0_0_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_0_weights, .kernel_h = 2, .kernel_w = 2, .pad_top = 1,
    .pad_left = 1, .out_first = 0,
};

static const struct conv2d_f32_f32_args model_transpose_conv_0_1_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_1_weights, .kernel_h = 2, .kernel_w = 1, .pad_top = 1,
    .pad_left = 0, .out_first = 6,
};

static const struct conv2d_f32_f32_args model_transpose_conv_0_2_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_2_weights, .kernel_h = 1, .kernel_w = 2, .pad_top = 0,
    .pad_left = 1, .out_first = 48,
};

static const struct conv2d_f32_f32_args model_transpose_conv_0_3_args BONSAI_FLASH = {
    .weights = model_transpose_conv_0_3_weights, .kernel_h = 1, .kernel_w = 1, .pad_top = 0,
    .pad_left = 0, .out_first = 54,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* transpose_conv_0: "transpose_conv_0"  f32 [1,3,4,3] -> [1,6,8,6]  3x3 stride 2 size [6,8]
     * portable/transpose_conv_f32, 1584 MAC: test */
    case 0:
        conv2d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0090),
                       &model_transpose_conv_0_0_args);
        conv2d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0090),
                       &model_transpose_conv_0_1_args);
        conv2d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0090),
                       &model_transpose_conv_0_2_args);
        conv2d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0090),
                       &model_transpose_conv_0_3_args);
        break;
    default:
        break;
    }
}
