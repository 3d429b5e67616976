/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif


/* A function that is always inlined into the kernel, so that its state stays in registers. */
#ifndef BONSAI_INLINE
#ifdef __GNUC__
#define BONSAI_INLINE static inline __attribute__((always_inline))
#else
#define BONSAI_INLINE static inline
#endif
#endif

/* Fields of `width` bits, as many per word as fit, lowest first. The marker is the bit above the
 * last field. */
struct fields {
    const uint16_t *next;
    uint32_t held, mask, marker;
    int32_t width;
};

/* The next field. The following word is fetched even if it is unused; streams end with one. */
BONSAI_INLINE int32_t take_field(struct fields *f)
{
    const uint32_t field = f->held & f->mask;
    f->held >>= f->width;
    if (f->held == 1)
        f->held = *f->next++ | f->marker;
    return (int32_t)field;
}

/* A gap: the sum of the fields up to the first that is not all ones. */
BONSAI_INLINE int32_t take_gap(struct fields *f)
{
    int32_t gap = 0, field;
    do {
        field = take_field(f);
        gap += field;
    } while (field == (int32_t)f->mask);
    return gap;
}

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

struct lane_window {
    int32_t in_h, in_w, in_c, kernel_h, kernel_w, dilation_h, dilation_w, zero_point;
};

/* Copies the inputs under a window whose first tap is at (y, x) to every fourth byte; outside the
 * image they are the zero point. */
BONSAI_SHARED void gather_lane(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                               const struct lane_window *window)
{
    const int32_t in_w = window->in_w, in_c = window->in_c;
    const int8_t outside = (int8_t)window->zero_point;
    for (int32_t ky = window->kernel_h; ky > 0; ky--, y += window->dilation_h) {
        for (int32_t kx = window->kernel_w, ix = x; kx > 0; kx--, ix += window->dilation_w) {
            const int32_t inside = y >= 0 && y < window->in_h && ix >= 0 && ix < in_w;
            const int8_t *from = inside ? image + (y * in_w + ix) * in_c : &outside;
            const int32_t step = inside ? 1 : 0;
            for (int32_t c = in_c; c > 0; c--, from += step, to += 4)
                *to = *from;
        }
    }
}

BONSAI_INLINE struct fields fields_at(const uint16_t *words, int32_t width, int32_t marker)
{
    const struct fields fields = { words + 1, *words | (uint32_t)marker, (1u << width) - 1,
                                  (uint32_t)marker, width };
    return fields;
}

/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

/* The int8 output of a scaled accumulator. */
static inline int8_t to_int8(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

/* floor((x * m + nudge * 2^16) / 2^31) for any int32 x, 0 <= m < 2^31, nudge <= 2^14, without a
 * 64-bit product. With x = xh * 2^16 + xl and m = mh * 2^16 + ml (xl, ml, mh >= 0), x * m / 2^16
 * is
 *     xh * mh * 2^16 + xh * ml + xl * mh + xl * ml / 2^16
 * The part that the last floor drops cannot carry, since the nudge is a multiple of 2^16. xh * ml
 * fits an int32, but its sum with xl * mh may not, so its upper part is taken first; the rest
 * stays below 65535 * 32767 + 65534 + 32767 + 2^14 < 2^32. (>> of a negative int32 is arithmetic.)
 */
static inline int32_t multiply_high(int32_t x, int32_t m, uint32_t nudge)
{
    const int32_t xh = x >> 16, xl = x & 0xffff;
    const int32_t mh = m >> 16, ml = m & 0xffff;
    const int32_t cross = xh * ml;
    const uint32_t low = (uint32_t)xl * (uint32_t)ml >> 16;
    const uint32_t middle = (uint32_t)(xl * mh) + low + ((uint32_t)cross & 0x7fffu) + nudge;
    return 2 * (xh * mh) + (cross >> 15) + (int32_t)(middle >> 15);
}

/* x * multiplier * 2^(shift - 31), rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift, halves away from zero. A left shift wraps. */
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0)
        x = (int32_t)((uint32_t)x << shift);
    const int32_t y = multiply_high(x, multiplier, 1u << 14);
    /* y + half - (y < 0), with the halving last, so it cannot overflow; ~shift is the shift minus
     * one. */
    return shift < 0 ? (((y + (y >> 31)) >> ~shift) + 1) >> 1 : y;
}

/* Outputs of one channel of n pixels, `step` bytes apart, from their sums. `stage` holds the
 * channel's bias, multiplier and shift. */
BONSAI_SHARED void store_sums(int8_t *y, int32_t step, const int32_t *sums, const int32_t *stage,
                              int32_t n, const struct output *output)
{
    for (; n > 0; n--, y += step)
        *y = to_int8(requantize(*sums++ + stage[0], stage[1], stage[2]), output);
}

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
    const struct output output = { -131, 124, 3, 1 };
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
