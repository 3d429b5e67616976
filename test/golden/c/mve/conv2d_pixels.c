#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "output"
#include "BONSAI_MVE"

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

#include "fill_bytes"
#include "take_plane"

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

#include "load_lanes"

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

#include "clamp_lanes"
#include "multiply_high"
#include "requantize"
#include "rescale_lanes"

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
    const struct output output = { -131, 124, 3 };
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
    const struct output output = { -131, 124, 3 };
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
