#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"

struct conv2d_f32_f32_args {
    const float *weights;
    const float *biases;
    const float *clamp;
    uint8_t in_c;
    uint8_t kernel_h;
    uint8_t kernel_w;
    uint8_t dilation_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_w;
    uint8_t filter_c;
    uint8_t out_c;
    uint8_t channels;
};

/* float by float, each output a sum in the order of its taps and inputs: two roundings a product,
 * as in the reference, so neither a fused multiply-add nor another order would give its bits. Four
 * channels at a time share their inputs. Taps outside the image add nothing. */
static void conv2d_f32_f32(const float *in, float *out,
                           const struct conv2d_f32_f32_args *restrict args)
{
    const int32_t in_h = 6, in_w = 5, in_c = args->in_c;
    const int32_t kernel_h = args->kernel_h, kernel_w = args->kernel_w, filter_c = args->filter_c;
    const int32_t out_h = 6, out_w = args->out_w, channels = args->channels;
    const int32_t stride_h = 1, stride_w = 1;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = args->dilation_w;
    const int32_t depth = kernel_h * kernel_w * filter_c;
    const float low = args->clamp[0], high = args->clamp[1];

    /* First channel of a group, in the input and in the output. */
    in += 0;
    out += 0;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * in_c) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++, out += args->out_c) {
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
                        float y = sums[lane] + args->biases[c + lane];
                        y = y < low ? low : y;
                        out[c + lane] = high < y ? high : y;
                    }
                }
            }
        }
    }
}

static const struct conv2d_f32_f32_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .biases = model_conv2d_0_biases,
    .clamp = model_conv2d_0_clamp, .in_c = 3, .kernel_h = 3, .kernel_w = 3, .dilation_w = 1,
    .pad_top = 1, .pad_left = 1, .out_w = 5, .filter_c = 3, .out_c = 6, .channels = 6,
};

static const struct conv2d_f32_f32_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .biases = model_conv2d_1_biases,
    .clamp = model_conv2d_1_clamp, .in_c = 6, .kernel_h = 1, .kernel_w = 2, .dilation_w = 2,
    .pad_top = 0, .pad_left = 0, .out_w = 3, .filter_c = 6, .out_c = 2, .channels = 2,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  f32 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * portable/conv2d_f32, 4860 MAC: test */
    case 0:
        conv2d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0168),
                       &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  f32 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2 relu6
     * portable/conv2d_f32, 432 MAC: test */
    case 1:
        conv2d_f32_f32((float *)(void *)(arena + 0x0168), (float *)(void *)(arena + 0x0438),
                       &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
