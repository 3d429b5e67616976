#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "window"
#include "BONSAI_MVE"
#include "fill_bytes"
#include "clip_taps"
#include "take_plane"

/* Like gather_columns, for one channel of the image, whose taps in a column lie a row apart. */
BONSAI_SHARED void gather_plane(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                const struct window *window)
{
    const int32_t kernel_h = window->kernel_h, dilation_w = window->dilation_w;
    const int32_t in_c = window->in_c, row = window->in_w * in_c;
    const int32_t apart = window->dilation_h * row;
    int32_t top = 0, bottom = kernel_h, left = 0, right = window->columns;
    if (y < 0 || y + (bottom - 1) * window->dilation_h >= window->in_h || x < 0 || x + (right - 1) *
        dilation_w >= window->in_w) {
        fill_bytes(to, window->zero_point, right * kernel_h);
        clip_taps(y, window->dilation_h, window->in_h, &top, &bottom);
        clip_taps(x, dilation_w, window->in_w, &left, &right);
    }
    if (top >= bottom)
        return;
    to += left * kernel_h + top;
    image += y * row + top * apart + (x + left * dilation_w) * in_c;
    for (int32_t kx = left; kx < right; kx++, to += kernel_h, image += dilation_w * in_c)
        take_plane(to, image, apart, bottom - top);
}

#include "patches"
#include "BONSAI_PLACE"
#include "load_lanes"
#include "BONSAI_PLACE, another 3"
#include "output"
#include "clamp_lanes"
#include "multiply_high"
#include "requantize"
#include "rescale_lanes"
#include "store_lanes_pair"

struct depthwise_conv2d_filters_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t stride_h;
    uint8_t stride_w;
    uint8_t in_c;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t multiplier;
    uint8_t columns;
    uint8_t tile;
    uint8_t step;
    uint8_t filter_bytes;
    uint8_t stage_words;
};

/* Each input channel is a convolution of one channel to args->multiplier filters, for a tile of
 * pixels of a row at a time. The channel's inputs under the tile are gathered in scratch, column by
 * column, so that neighbouring windows share columns; then two pixels at a time are multiplied by
 * its filters, four at a time. Vectors extend past a window, where weights are 0. The input's zero
 * point is folded into the biases. */
static void depthwise_conv2d_filters_s8_mve(
    const int8_t *in, int8_t *out, int8_t *scratch,
    const struct depthwise_conv2d_filters_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const struct window window = { 9, 9, args->in_c, 3, args->columns, 1, 1, 3 };
    const int32_t in_c = args->in_c, multiplier = args->multiplier, out_c = in_c * multiplier;
    const int32_t out_w = args->out_w, tile = args->tile, step = args->step;

    for (int32_t batch = 1; batch > 0; batch--, in += window.in_h * window.in_w * in_c) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            const int32_t y = oy * args->stride_h - 1;
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                for (int32_t channel = 0; channel < in_c; channel++) {
                    int8_t *to = out + channel * multiplier;
                    gather_plane(scratch, in + channel, y, ox * args->stride_w - 1, &window);
                    for (int32_t i = 0; i < count; i += 2) {
                        /* An odd last pixel is computed twice. */
                        const int32_t next = i + 1 < count ? 1 : 0;
                        const struct patches patches = { 1, scratch + i * step, next * step };
                        const int32_t other = next * out_c;
                        const int8_t *weights = args->weights + channel * args->filter_bytes;
                        const int32_t *stage = args->stage + channel * args->stage_words;
                        for (int32_t c = 0; c < multiplier; c += 4) {
                            lanes4 sums0, sums1;
                            dot_lanes_pair(&sums0, &sums1, &patches, &weights, &stage);
                            sums0 = clamp_lanes(rescale_lanes(sums0, stage), &output);
                            sums1 = clamp_lanes(rescale_lanes(sums1, stage), &output);
                            stage += 8;
                            store_lanes_pair(to + c, other, sums0, sums1, multiplier - c);
                        }
                        to += out_c + other;
                    }
                }
                out += count * out_c;
            }
        }
    }
}

static const struct depthwise_conv2d_filters_s8_mve_args model_depthwise_conv2d_0_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_0_weights, .stage = model_depthwise_conv2d_0_stage,
    .stride_h = 1, .stride_w = 1, .in_c = 3, .out_h = 9, .out_w = 9, .multiplier = 4, .columns = 10,
    .tile = 8, .step = 3, .filter_bytes = 64, .stage_words = 12,
};

static const struct depthwise_conv2d_filters_s8_mve_args model_depthwise_conv2d_1_args
    BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage,
    .stride_h = 2, .stride_w = 2, .in_c = 12, .out_h = 5, .out_w = 5, .multiplier = 6,
    .columns = 13, .tile = 6, .step = 6, .filter_bytes = 128, .stage_words = 24,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,9,9,12]  3x3 pad 1,1,1,1
     * mve/depthwise_conv2d_filters, 8748 MAC: test */
    case 0:
        depthwise_conv2d_filters_s8_mve(arena + 0x0000, arena + 0x00f4, arena + 0x04c0,
                                        &model_depthwise_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,9,9,12] -> [1,5,5,72]  3x3 stride 2 pad
     * 1,1,1,1
     * mve/depthwise_conv2d_filters, 16200 MAC: test */
    case 1:
        depthwise_conv2d_filters_s8_mve(arena + 0x00f4, arena + 0x04e8, arena + 0x0bf0,
                                        &model_depthwise_conv2d_1_args);
        break;
    default:
        break;
    }
}
