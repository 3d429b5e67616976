#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_INLINE"
#include "fields"
#include "take_field"
#include "take_gap"
#include "lane_window"
#include "gather_lane"
#include "fields_at"
#include "output"
#include "to_int8"
#include "multiply_high"
#include "requantize"
#include "store_sums"

struct conv2d_packed_s8_args {
    const uint16_t *fields;
    const int8_t *values;
    const int32_t *stage;
    uint8_t in_h;
    uint8_t in_c;
    uint8_t stride_h;
    uint8_t pad_top;
    uint8_t pad_left;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t pixels;
    uint8_t count;
    uint8_t channels;
};

/* The weights of a layer, and the position up to which they are read. */
struct conv2d_packed_s8_stream {
    /* Taps of a channel. */
    int32_t count;
    struct fields fields;
    int32_t tap;
    const int8_t *bytes;
};

/* Adds one channel's products to the sums of four pixels: x holds a word per tap,
 * with a byte of each pixel.
 * Gaps separate the nonzero weights; a weight follows each gap. */
BONSAI_SHARED void conv2d_packed_s8_channel(int32_t *sums, const int32_t *x,
                                            struct conv2d_packed_s8_stream *stream)
{
    struct fields fields = stream->fields;
    const int8_t *byte = stream->bytes;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    int32_t tap = stream->tap;
    for (; tap < stream->count; tap += 1 + take_gap(&fields)) {
        {
            const int32_t weight = *byte++;
            const int32_t word = x[tap];
            sum0 += weight * (int8_t)word;
            sum1 += weight * (int8_t)(word >> 8);
            sum2 += weight * (int8_t)(word >> 16);
            sum3 += weight * (word >> 24);
        }
    }
    stream->tap = tap - stream->count;
    stream->fields = fields;
    stream->bytes = byte;
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* Four pixels at a time: the inputs of their windows are gathered in scratch, then multiplied by
 * the weights of one channel after the other.
 * The input's zero point is folded into the biases. */
static void conv2d_packed_s8(const int8_t *in, int8_t *out, int8_t *scratch,
                             const struct conv2d_packed_s8_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const int32_t channels = args->channels, pixels = args->pixels;
    const struct lane_window window = { args->in_h, 9, args->in_c, 3, 3, 1, 1, 3 };
    int32_t oy = 0, ox = 0;
    enum { lanes = 4 };

    for (int32_t pixel = 0; pixel < pixels; pixel += lanes) {
        const int32_t n = pixels - pixel < lanes ? pixels - pixel : lanes;
        for (int32_t lane = 0; lane < n; lane++) {
            gather_lane(scratch + lane, in, oy * args->stride_h - args->pad_top, ox -
                        args->pad_left, &window);
            if (++ox == args->out_w) {
                ox = 0;
                if (++oy == args->out_h) {
                    oy = 0;
                    in += window.in_h * window.in_w * window.in_c;
                }
            }
        }
        const int32_t *const x = (const int32_t *)(const void *)scratch;
        const int32_t *stage = args->stage;
        struct conv2d_packed_s8_stream stream = {
            .count = args->count,
            .fields = fields_at(args->fields, 3, 32768),
            .bytes = args->values,
        };
        stream.tap = take_gap(&stream.fields);
        for (int32_t c = 0; c < channels; c++, stage += 3) {
            int32_t sums[lanes];
            conv2d_packed_s8_channel(sums, x, &stream);
            store_sums(out + c, channels, sums, stage, n, &output);
        }
        out += n * channels;
    }
}

static const struct conv2d_packed_s8_args model_conv2d_0_args BONSAI_FLASH = {
    .fields = model_conv2d_0_fields, .values = model_conv2d_0_values, .stage = model_conv2d_0_stage,
    .in_h = 9, .in_c = 4, .stride_h = 2, .pad_top = 1, .pad_left = 1, .out_h = 5, .out_w = 9,
    .pixels = 45, .count = 36, .channels = 8,
};

static const struct conv2d_packed_s8_args model_conv2d_1_args BONSAI_FLASH = {
    .fields = model_conv2d_1_fields, .values = model_conv2d_1_values, .stage = model_conv2d_1_stage,
    .in_h = 5, .in_c = 8, .stride_h = 1, .pad_top = 0, .pad_left = 0, .out_h = 3, .out_w = 7,
    .pixels = 21, .count = 72, .channels = 6,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,9,8]  3x3 stride 2x1 pad 1,1,1,1
     * portable/conv2d_packed, 12960 MAC: test */
    case 0:
        conv2d_packed_s8(arena + 0x0000, arena + 0x0144, arena + 0x02ac, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,9,8] -> [1,3,7,6]  3x3
     * portable/conv2d_packed, 9072 MAC: test */
    case 1:
        conv2d_packed_s8(arena + 0x0144, arena + 0x033c, arena + 0x03bc, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
