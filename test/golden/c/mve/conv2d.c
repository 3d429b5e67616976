#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "window"
#include "BONSAI_MVE"
#include "fill_bytes"
#include "clip_taps"
#include "copy_rows"
#include "gather_columns"
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

struct conv2d_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t vectors;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t columns;
    uint8_t in_c;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t out_c;
    uint8_t tile;
    uint8_t step;
};

/* A tile of pixels of a row at a time. The
 * inputs of their windows are gathered in scratch, column by column, so that neighbouring windows
 * share columns; then two pixels at a time are multiplied by all filters, four at a time.
 * Vectors extend past a window, where weights are 0. The input's zero point is folded into the
 * biases. */
static void conv2d_s8_mve(const int8_t *in, int8_t *out, int8_t *scratch,
                          const struct conv2d_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const struct window window = { args->in_h, args->in_w, args->in_c, 3, args->columns, 1, 1, 3 };
    const int32_t in_c = args->in_c, out_w = args->out_w, out_c = args->out_c;
    const int32_t tile = args->tile, step = args->step;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                const int32_t y = oy * 2 - 1, x = ox * 2 - 1;
                gather_columns(scratch, in, y, x, &window);
                for (int32_t i = 0; i < count; i += 2) {
                    /* An odd last pixel is computed twice. */
                    const int32_t next = i + 1 < count ? 1 : 0;
                    const struct patches patches =
                        { args->vectors, scratch + i * step, next * step };
                    const int32_t other = next * out_c;
                    const int8_t *weights = args->weights;
                    const int32_t *stage = args->stage;
                    for (int32_t c = 0; c < out_c; c += 4) {
                        lanes4 sums0, sums1;
                        dot_lanes_pair(&sums0, &sums1, &patches, &weights, &stage);
                        sums0 = clamp_lanes(rescale_lanes(sums0, stage), &output);
                        sums1 = clamp_lanes(rescale_lanes(sums1, stage), &output);
                        stage += 8;
                        store_lanes_pair(out + c, other, sums0, sums1, out_c - c);
                    }
                    out += out_c + other;
                }
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

static const struct conv2d_s8_mve_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .stage = model_conv2d_0_stage, .vectors = 2, .in_h = 9,
    .in_w = 9, .columns = 13, .in_c = 3, .out_h = 5, .out_w = 5, .out_c = 8, .tile = 6, .step = 18,
};

static const struct conv2d_s8_mve_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .stage = model_conv2d_1_stage, .vectors = 5, .in_h = 5,
    .in_w = 5, .columns = 9, .in_c = 8, .out_h = 3, .out_w = 3, .out_c = 6, .tile = 4, .step = 48,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * mve/conv2d, 5400 MAC: test */
    case 0:
        conv2d_s8_mve(arena + 0x0000, arena + 0x00f4, arena + 0x01bc, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,3,3,6]  3x3 stride 2 pad 1,1,1,1
     * mve/conv2d, 3888 MAC: test */
    case 1:
        conv2d_s8_mve(arena + 0x00f4, arena + 0x0238, arena + 0x0270, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
