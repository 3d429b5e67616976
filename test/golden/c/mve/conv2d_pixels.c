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


/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

/* Assembly for Helium, for GCC only: clang names its registers differently, and unoptimized code
 * leaves too few other registers. */
#if defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__) && !defined(__clang__)
#include <arm_mve.h>
#define BONSAI_MVE
#endif

/* Copies n > 0 bytes to a lower address, which may overlap, 16 at a time; the tail is predicated.
 */
#if defined(BONSAI_MVE)
static inline void move_down(int8_t *to, const int8_t *from, int32_t n)
{
    __asm__ volatile("dlstp.8 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[from]], #16\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "letp lr, 1b"
                     : [to] "+&r"(to), [from] "+&r"(from)
                     : [n] "r"(n)
                     : "q0", "lr", "memory");
}
#else
static inline void move_down(int8_t *to, const int8_t *from, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        to[i] = from[i];
}
#endif

/* Stores n > 0 bytes of one value, 16 at a time; the tail is predicated. */
#if defined(BONSAI_MVE)
static inline void fill_bytes(int8_t *to, int32_t value, int32_t n)
{
    const int8x16_t values = vdupq_n_s8((int8_t)value);
    __asm__ volatile("dlstp.8 lr, %[n]\n"
                     "1:\n\t"
                     "vstrb.8 %q[values], [%[to]], #16\n\t"
                     "letp lr, 1b"
                     : [to] "+&r"(to)
                     : [values] "w"(values), [n] "r"(n)
                     : "lr", "memory");
}
#else
static inline void fill_bytes(int8_t *to, int32_t value, int32_t n)
{
    memset(to, value, (size_t)n);
}
#endif

/* Copies n > 0 bytes that lie `apart` bytes from each other, eight at a time; the tail is
 * predicated. */
#if defined(BONSAI_MVE)
static inline void take_plane(int8_t *to, const int8_t *from, int32_t apart, int32_t n)
{
    const uint16x8_t offsets = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)apart);
    __asm__ volatile("dlstp.16 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.s16 q0, [%[from], %q[offsets]]\n\t"
                     "vstrb.16 q0, [%[to]], #8\n\t"
                     "add %[from], %[step]\n\t"
                     "letp lr, 1b"
                     : [to] "+&l"(to), [from] "+&r"(from)
                     : [offsets] "w"(offsets), [step] "r"(8 * apart), [n] "r"(n)
                     : "q0", "lr", "memory");
}
#else
static inline void take_plane(int8_t *to, const int8_t *from, int32_t apart, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        to[i] = from[i * apart];
}
#endif

/* A line of the image with its padding: `planes` planes, `pitch` bytes apart, of one channel each,
 * or one plane of all channels. Left, inside and right are bytes of a plane. */
struct line { int32_t planes, pitch, left, inside, right, zero_point; };

/* from: null if the line lies outside the image. */
BONSAI_SHARED void place_line(int8_t *to, const int8_t *from, const struct line *line)
{
    const int32_t inside = from ? line->inside : 0;
    const int32_t left = from ? line->left : line->left + line->inside + line->right;
    const int32_t right = from ? line->right : 0;
    for (int32_t i = 0; i < line->planes; i++, to += line->pitch) {
        if (left > 0)
            fill_bytes(to, line->zero_point, left);
        if (inside > 0 && line->planes > 1)
            take_plane(to + left, from + i, line->planes, inside);
        else if (inside > 0)
            move_down(to + left, from, inside);
        if (right > 0)
            fill_bytes(to + left + inside, line->zero_point, right);
    }
}

/* Four int32 in a vector register, and four from memory. */
#if defined(BONSAI_MVE)
typedef int32x4_t lanes4;

static inline lanes4 load_lanes(const int32_t *p)
{
    return vldrwq_s32(p);
}
#else
typedef struct { int32_t lane[4]; } lanes4;

static inline lanes4 load_lanes(const int32_t *p)
{
    return (lanes4){ { p[0], p[1], p[2], p[3] } };
}
#endif

/* Windows of four pixels: `rows` rows of `bytes` bytes, with `skip` bytes from the end of a row's
 * last vector to the next row. The first window begins at x, the others `next` bytes after it. */
struct pixels { int32_t bias; const int8_t *x; int32_t next[3], rows, skip, bytes; };

/* One filter by four windows: lane i is the bias plus the products with window i. Each row of the
 * filter is padded to whole vectors; the input is not read past the end of a row. Assembly reads
 * the fields in their order; it is volatile, because their values are not operands. */
#if defined(BONSAI_MVE)
static inline lanes4 dot_pixels(const struct pixels *pixels, const int8_t *weights)
{
    lanes4 sums;
    register const struct pixels *fields __asm__("r0") = pixels;
    __asm__ volatile("ldm r0, {r0, r1, r3, r5, r8, r9, r10, r11}\n\t"
                     "add r3, r1\n\t"
                     "add r5, r1\n\t"
                     "add r8, r1\n\t"
                     "mov r2, r0\n\t"
                     "mov r4, r0\n\t"
                     "mov r6, r0\n"
                     "2:\n\t"
                     "dlstp.8 lr, r11\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[w]], #16\n\t"
                     "vldrb.8 q1, [r1], #16\n\t"
                     "vldrb.8 q2, [r3], #16\n\t"
                     "vmladava.s8 r0, q1, q0\n\t"
                     "vldrb.8 q3, [r5], #16\n\t"
                     "vmladava.s8 r2, q2, q0\n\t"
                     "vldrb.8 q1, [r8], #16\n\t"
                     "vmladava.s8 r4, q3, q0\n\t"
                     "vmladava.s8 r6, q1, q0\n\t"
                     "letp lr, 1b\n\t"
                     "add r1, r10\n\t"
                     "add r3, r10\n\t"
                     "add r5, r10\n\t"
                     "add r8, r10\n\t"
                     "subs r9, #1\n\t"
                     "bne 2b\n\t"
                     "vmov %q[sums][2], %q[sums][0], r0, r4\n\t"
                     "vmov %q[sums][3], %q[sums][1], r2, r6"
                     : [sums] "=&w"(sums), [w] "+&r"(weights), "+r"(fields)
                     :
                     : "q0", "q1", "q2", "q3", "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9",
                       "r10", "r11", "lr", "cc", "memory");
    return sums;
}
#else
static inline lanes4 dot_pixels(const struct pixels *pixels, const int8_t *weights)
{
    const int32_t whole = (pixels->bytes + 15) & ~15;
    const int32_t bias = pixels->bias, biases[4] = { bias, bias, bias, bias };
    lanes4 sums = load_lanes(biases);
    for (int32_t i = 0; i < 4; i++) {
        const int8_t *x = pixels->x + (i > 0 ? pixels->next[i - 1] : 0), *w = weights;
        for (int32_t row = 0; row < pixels->rows; row++, x += whole + pixels->skip, w += whole) {
            for (int32_t k = 0; k < pixels->bytes; k++)
                sums.lane[i] += x[k] * w[k];
        }
    }
    return sums;
}
#endif

/* Stores the first `count` of four bytes, or all if `count` is larger, `apart` bytes from each
 * other. */
#if defined(BONSAI_MVE)
static inline void store_apart(int8_t *y, int32_t apart, lanes4 x, int32_t count)
{
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)apart);
    vstrbq_scatter_offset_p_s32(y, offsets, x, vctp32q((uint32_t)count));
}
#else
static inline void store_apart(int8_t *y, int32_t apart, lanes4 x, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++)
        y[i * apart] = (int8_t)x.lane[i];
}
#endif

/* Four outputs: clamped before the zero point is added, so that the sum cannot overflow. */
#if defined(BONSAI_MVE)
static inline lanes4 clamp_lanes(lanes4 x, const struct output *output)
{
    x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(output->min)), vdupq_n_s32(output->max));
    return vaddq_n_s32(x, output->zero_point);
}
#else
static inline lanes4 clamp_lanes(lanes4 x, const struct output *output)
{
    for (int32_t i = 0; i < 4; i++) {
        const int32_t y = x.lane[i] < output->min ? output->min : x.lane[i];
        x.lane[i] = (y > output->max ? output->max : y) + output->zero_point;
    }
    return x;
}
#endif

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

/* Four sums in the output's scale, rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift by at least 1, halves away from zero (less 1
 * where it is negative, halves up). stage[0] to [3] are the multipliers, [4] to [7] the shifts. */
#if defined(BONSAI_MVE)
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    x = vqrdmulhq_s32(x, vldrwq_s32(stage));
    x = vaddq_s32(x, vshrq_n_s32(x, 31));
    return vrshlq_s32(x, vldrwq_s32(stage + 4));
}
#else
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    for (int32_t i = 0; i < 4; i++)
        x.lane[i] = requantize(x.lane[i], stage[i], stage[4 + i]);
    return x;
}
#endif

struct conv2d_pixels_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t in_h;
    uint8_t row_bytes;
    uint8_t stride_h;
    uint8_t planes;
    uint8_t pitch;
    uint8_t left;
    uint8_t inside;
    uint8_t right;
    uint8_t out_c;
    uint8_t step;
    uint8_t bytes;
    uint8_t skip;
};

/* Scratch holds the padded lines of the image under a row of outputs; a line has a plane for each
 * channel with its own filters. Lines that the next row also needs move up. Then one filter after
 * the other runs over the row, four pixels at a time. The input's zero point is folded into the
 * biases; a tap outside the image counts as the zero point. */
static void conv2d_pixels_s8_mve(const int8_t *in, int8_t *out, int8_t *scratch,
                                 const struct conv2d_pixels_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t out_w = 5, out_c = args->out_c, step = args->step;
    struct pixels pixels = {
        .next = { step, 2 * step, 3 * step },
        .rows = 3,
        .skip = args->skip,
        .bytes = args->bytes,
    };
    const struct line line = {
        args->planes, args->pitch, args->left, args->inside, args->right, 3,
    };
    const int32_t in_h = args->in_h, row_bytes = args->row_bytes, stride_h = args->stride_h;
    const int32_t line_bytes = line.planes * line.pitch;
    /* Lines that a row of outputs shares with the one before. */
    const int32_t kept = pixels.rows > stride_h ? pixels.rows - stride_h : 0;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * row_bytes) {
        for (int32_t oy = 0, top = -1; oy < 5; oy++, top += stride_h) {
            const int32_t first = oy > 0 ? kept : 0;
            if (first > 0)
                move_down(scratch, scratch + stride_h * line_bytes, first * line_bytes);
            for (int32_t i = first; i < pixels.rows; i++) {
                const int32_t y = top + i;
                place_line(scratch + i * line_bytes, y >= 0 && y < in_h ? in + y * row_bytes : 0,
                           &line);
            }
            const int8_t *weights = args->weights;
            const int32_t *stage = args->stage;
            for (int32_t c = 0; c < out_c; c++) {
                int8_t *y = out + c;
                pixels.bias = stage[0];
                pixels.x = scratch + c / 2 * line.pitch;
                for (int32_t left = out_w; left > 0; left -= 4) {
                    const lanes4 sums = dot_pixels(&pixels, weights);
                    store_apart(y, out_c, clamp_lanes(rescale_lanes(sums, stage + 4), &output),
                                left);
                    pixels.x += 4 * step;
                    y += 4 * out_c;
                }
                weights += 48;
                stage += 12;
            }
            out += out_w * out_c;
        }
    }
}

/* One filter after the other over all pixels, four at a time, from the input in place. The input's
 * zero point is folded into the biases. */
static void conv2d_pixels_s8_mve_in_place(const int8_t *in, int8_t *out)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t out_w = 25, out_c = 1, step = 4;
    struct pixels pixels = {
        .next = { step, 2 * step, 3 * step },
        .rows = 1,
        .skip = 96,
        .bytes = 4,
    };
    {
        {
            const int8_t *weights = model_conv2d_2_weights;
            const int32_t *stage = model_conv2d_2_stage;
            for (int32_t c = 0; c < out_c; c++) {
                int8_t *y = out + c;
                pixels.bias = stage[0];
                pixels.x = in;
                for (int32_t left = out_w; left > 0; left -= 4) {
                    /* The last pixel is repeated in the remaining lanes. */
                    for (int32_t i = 1; left < 4 && i < 4; i++)
                        pixels.next[i - 1] = (i < left ? i : left - 1) * step;
                    const lanes4 sums = dot_pixels(&pixels, weights);
                    store_apart(y, out_c, clamp_lanes(rescale_lanes(sums, stage + 4), &output),
                                left);
                    pixels.x += 4 * step;
                    y += 4 * out_c;
                }
                pixels.next[0] = step;
                pixels.next[1] = 2 * step;
                pixels.next[2] = 3 * step;
                weights += 16;
                stage += 12;
            }
        }
    }
}

static const struct conv2d_pixels_s8_mve_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .stage = model_conv2d_0_stage, .in_h = 9, .row_bytes = 27,
    .stride_h = 2, .planes = 1, .pitch = 51, .left = 3, .inside = 27, .right = 3, .out_c = 2,
    .step = 6, .bytes = 9, .skip = 35,
};

static const struct conv2d_pixels_s8_mve_args model_depthwise_conv2d_1_args BONSAI_FLASH = {
    .weights = model_depthwise_conv2d_1_weights, .stage = model_depthwise_conv2d_1_stage, .in_h = 5,
    .row_bytes = 10, .stride_h = 1, .planes = 2, .pitch = 10, .left = 1, .inside = 5, .right = 1,
    .out_c = 4, .step = 1, .bytes = 3, .skip = 4,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,2]  3x3 stride 2 pad 1,1,1,1
     * mve/conv2d_pixels, 1350 MAC: test */
    case 0:
        conv2d_pixels_s8_mve(arena + 0x0000, arena + 0x00f4, arena + 0x0128, &model_conv2d_0_args);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,2] -> [1,5,5,4]  3x3 pad 1,1,1,1
     * mve/conv2d_pixels, 900 MAC: test */
    case 1:
        conv2d_pixels_s8_mve(arena + 0x00f4, arena + 0x01c4, arena + 0x0228,
                             &model_depthwise_conv2d_1_args);
        break;
    /* conv2d_2: "conv2d_2"  s8 [1,5,5,4] -> [1,5,5,1]  1x1
     * mve/conv2d_pixels, 100 MAC: test */
    case 2:
        conv2d_pixels_s8_mve_in_place(arena + 0x01c4, arena + 0x0264);
        break;
    default:
        break;
    }
}
