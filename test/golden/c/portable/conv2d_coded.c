#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "BONSAI_INLINE"
#include "fields"
#include "take_field"
#include "take_gap"

/* A stream of bit fields, lowest bits first. */
struct bits {
    const uint16_t *next;
    uint32_t held;
    int32_t count;
};

/* Ensures that at least 16 bits are held. It may fetch one unused word, with which streams end. */
BONSAI_INLINE void fetch_bits(struct bits *b)
{
    if (b->count < 16) {
        b->held |= (uint32_t)*b->next++ << b->count;
        b->count += 16;
    }
}

/* A field of n bits. */
BONSAI_INLINE int32_t take_bits(struct bits *b, int32_t n)
{
    fetch_bits(b);
    const int32_t field = (int32_t)(b->held & ((1u << n) - 1));
    b->held >>= n;
    b->count -= n;
    return field;
}

/* A value: its class in n bits, then its position among the entries of the class. A table holds
 * where the entries of each class begin, and the bits of a position. */
BONSAI_INLINE int32_t take_coded(struct bits *b, int32_t n, const uint8_t *classes,
                                 const int8_t *entries)
{
    const uint8_t *const one = classes + 2 * take_bits(b, n);
    return entries[one[0] + take_bits(b, one[1])];
}

#include "lane_window"
#include "gather_lane"
#include "fields_at"
#include "output"
#include "to_int8"
#include "multiply_high"
#include "requantize"
#include "store_sums"

/* The weights of a layer, and the position up to which they are read. */
struct conv2d_packed_s8_stream {
    /* Taps of a channel. */
    int32_t count;
    struct fields fields;
    int32_t tap;
    struct bits bits;
    int32_t value_bits;
    const uint8_t *classes;
    const int8_t *entries;
};

/* Adds one channel's products to the sums of four pixels: x holds a word per tap,
 * with a byte of each pixel.
 * Gaps separate the nonzero weights; a weight follows each gap. */
BONSAI_SHARED void conv2d_packed_s8_channel(int32_t *sums, const int32_t *x,
                                            struct conv2d_packed_s8_stream *stream)
{
    struct fields fields = stream->fields;
    struct bits bits = stream->bits;
    const int32_t value_bits = stream->value_bits;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    int32_t tap = stream->tap;
    for (; tap < stream->count; tap += 1 + take_gap(&fields)) {
        {
            const int32_t weight = take_coded(&bits, value_bits, stream->classes, stream->entries);
            const int32_t word = x[tap];
            sum0 += weight * (int8_t)word;
            sum1 += weight * (int8_t)(word >> 8);
            sum2 += weight * (int8_t)(word >> 16);
            sum3 += weight * (word >> 24);
        }
    }
    stream->tap = tap - stream->count;
    stream->fields = fields;
    stream->bits = bits;
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* Four pixels at a time: the inputs of their windows are gathered in scratch, then multiplied by
 * the weights of one channel after the other.
 * The input's zero point is folded into the biases. */
static void conv2d_packed_s8(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct output output = { -131, 124, 3 };
    const int32_t channels = 64, pixels = 9;
    const struct lane_window window = { 3, 3, 64, 3, 3, 1, 1, 3 };
    int32_t oy = 0, ox = 0;
    enum { lanes = 4 };

    for (int32_t pixel = 0; pixel < pixels; pixel += lanes) {
        const int32_t n = pixels - pixel < lanes ? pixels - pixel : lanes;
        for (int32_t lane = 0; lane < n; lane++) {
            gather_lane(scratch + lane, in, oy - 1, ox - 1, &window);
            if (++ox == 3) {
                ox = 0;
                if (++oy == 3) {
                    oy = 0;
                    in += window.in_h * window.in_w * window.in_c;
                }
            }
        }
        const int32_t *const x = (const int32_t *)(const void *)scratch;
        const int32_t *stage = model_conv2d_0_stage;
        struct conv2d_packed_s8_stream stream = {
            .count = 576,
            .fields = fields_at(model_conv2d_0_fields, 2, 65536),
            .bits = { model_conv2d_0_values, 0, 0 },
            .value_bits = 1,
            .classes = model_conv2d_0_classes, .entries = model_conv2d_0_entries,
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

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,3,3,64] -> [1,3,3,64]  3x3 pad 1,1,1,1
     * portable/conv2d_coded, 331776 MAC: test */
    case 0:
        conv2d_packed_s8(arena + 0x0000, arena + 0x0240, arena + 0x0480);
        break;
    default:
        break;
    }
}
