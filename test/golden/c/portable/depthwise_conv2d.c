#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "multiply_high"
#include "requantize"
#include "output"
#include "to_int8"

struct depthwise_conv2d_s8_args {
    const int8_t *weights;
    const int32_t *stage;
    int16_t scaled_min;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t stride_h;
    uint8_t stride_w;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t out_c;
    uint8_t depth_multiplier;
    uint8_t scaled_max;
};

/* One output channel at a time, for any depth multiplier and any number of channels. Padded taps
 * are the zero point and add nothing, so they are skipped. */
static void depthwise_conv2d_s8(const int8_t *in, int8_t *out,
                                const struct depthwise_conv2d_s8_args *restrict args)
{
    const struct output output = { args->scaled_min, args->scaled_max, 3 };
    const int32_t in_h = args->in_h, in_w = args->in_w, in_c = 3, in_zp = 3;
    const int32_t kernel_h = 3, kernel_w = 3, out_c = args->out_c;
    const int32_t out_h = args->out_h, out_w = args->out_w, depth_multiplier =
        args->depth_multiplier;
    const int32_t stride_h = args->stride_h, stride_w = args->stride_w;
    const int32_t pad_top = args->pad_top, pad_left = args->pad_left;
    const int32_t dilation_h = 1, dilation_w = 1;
    const int8_t *weights = args->weights;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy++) {
            const int32_t y0 = oy * stride_h - pad_top;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < out_w; ox++) {
                const int32_t x0 = ox * stride_w - pad_left;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t *stage = args->stage;
                for (int32_t c = 0, sibling = 0, first = 0; c < out_c; c++) {
                    int32_t acc = stage[0];
                    for (int32_t ky = top; ky < bottom; ky++) {
                        for (int32_t kx = left; kx < right; kx++) {
                            const int32_t line = (y0 + ky * dilation_h) * in_w + x0;
                            const int32_t value = in[(line + kx * dilation_w) * in_c + first];
                            acc += (value - in_zp) * weights[(ky * kernel_w + kx) * out_c + c];
                        }
                    }
                    const int32_t scaled =
                        requantize(acc, stage[1], stage[2]);
                    *out++ = to_int8(scaled, &output);
                    stage += 3;
                    if (++sibling == depth_multiplier) {
                        sibling = 0;
                        first++;
                    }
                }
            }
        }
        in += in_h * in_w * in_c;
    }
}

static const struct depthwise_conv2d_s8_args model_depthwise_conv2d_0_args BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_0_weights, .stage = model_depthwise_conv2d_0_stage,
    .scaled_min = -131, .in_h = 9, .in_w = 9, .stride_h = 2, .stride_w = 2, .pad_top = 1,
    .pad_left = 1, .out_h = 5, .out_w = 5, .out_c = 3, .depth_multiplier = 1, .scaled_max = 124,
};

static const struct depthwise_conv2d_s8_args model_depthwise_conv2d_1_args BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage,
    .scaled_min = 0, .in_h = 5, .in_w = 5, .stride_h = 1, .stride_w = 1, .pad_top = 0,
    .pad_left = 0, .out_h = 3, .out_w = 3, .out_c = 6, .depth_multiplier = 2, .scaled_max = 12,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,5,5,3]  3x3 stride 2 pad
     * 1,1,1,1
     * portable/depthwise_conv2d, 675 MAC: test */
    case 0:
        depthwise_conv2d_s8(arena + 0x0000, arena + 0x00f4, &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,3] -> [1,3,3,6]  3x3 relu6
     * portable/depthwise_conv2d, 486 MAC: test */
    case 1:
        depthwise_conv2d_s8(arena + 0x00f4, arena + 0x0140, &model_depthwise_conv2d_1_args);
        break;
    default:
        break;
    }
}
