#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* A channel of an image, rows of in_w values, to rows of `pitch` bytes. */
static inline void copy_plane(int8_t *to, int32_t pitch, const int8_t *in, int32_t in_row,
                              int32_t in_c, int32_t rows, int32_t columns)
{
    for (; rows > 0; rows--, to += pitch, in += in_row) {
        const int8_t *from = in;
        int8_t *at = to;
        int32_t i = columns;
        for (; i >= 4; i -= 4, at += 4) {
            at[0] = *from, from += in_c;
            at[1] = *from, from += in_c;
            at[2] = *from, from += in_c;
            at[3] = *from, from += in_c;
        }
        for (; i > 0; i--, from += in_c)
            *at++ = *from;
    }
}

#include "high_stage"
#include "read_stage"

static inline uint32_t row_of_taps(const int8_t *x, const uint32_t *w)
{
    const int32_t a = x[0], b = x[1], c = x[2];
    return (uint32_t)a * w[0] + (uint32_t)b * w[1] + (uint32_t)c * w[2];
}

#include "high_output"

/* A column of outputs of 3x3 windows, two rows apart: a row of pixels is loaded once. */
static inline void slide_down_by_2(const int8_t *x, int32_t pitch, int8_t *out, int32_t out_step,
                                   int32_t count, const int8_t *weights, const int32_t *constants)
{
    enum { columns = 3 };
    const struct high_stage stage = read_stage(constants);
    const uint32_t start = (uint32_t)stage.start;
    /* Without a loop, so that they stay in registers. */
    const uint32_t unit = 1u << stage.scale;
    const uint32_t w[] = {
        (uint32_t)weights[0 * columns] * unit, (uint32_t)weights[0 * columns + 1] * unit,
        (uint32_t)weights[0 * columns + 2] * unit,
        (uint32_t)weights[columns] * unit, (uint32_t)weights[columns + 1] * unit,
        (uint32_t)weights[columns + 2] * unit,
        (uint32_t)weights[2 * columns] * unit, (uint32_t)weights[2 * columns + 1] * unit,
        (uint32_t)weights[2 * columns + 2] * unit,
    };
    /* Sums of outputs whose windows have begun: modulo 2^32, whole ones are in range. */
    uint32_t first = start + row_of_taps(x, w);
    x += pitch;
    for (int8_t *const end = out + count * out_step; out != end; out += out_step, x += pitch) {
        uint32_t sum = first + row_of_taps(x, w + columns);
        x += pitch;
        sum += row_of_taps(x, w + 2 * columns);
        first = start + row_of_taps(x, w);
        *out = high_output((int32_t)sum, &stage);
    }
}

/* A window: `row` is bytes of the plane from tap to tap of a column; `step` is from window to
 * window of a line, and `out_step` from output to output. */
struct plane_window {
    int32_t kernel_h, kernel_w, row, outputs, step, out_step;
};

/* sums[i] = a window times the plane, 4 windows, `step` bytes apart. */
static inline void window_sums_4(int32_t *sums, const int8_t *x0, int32_t step,
                                 const int8_t *weights, const struct plane_window *taps)
{
    int32_t w, s0 = 0;
    int32_t s1 = 0, s2 = 0, s3 = 0;
    const int8_t *x1 = x0 + step, *x2 = x1 + step, *x3 = x2 + step;
    const int32_t rest = taps->row - taps->kernel_w;
    for (int32_t ky = taps->kernel_h; ky > 0; ky--) {
        int32_t kx = taps->kernel_w;
        for (; kx >= 3; kx -= 3) {
            w = *weights++;
            s0 += w * x0[0];
            s1 += w * x1[0];
            s2 += w * x2[0];
            s3 += w * x3[0];
            w = *weights++;
            s0 += w * x0[1];
            s1 += w * x1[1];
            s2 += w * x2[1];
            s3 += w * x3[1];
            w = *weights++;
            s0 += w * x0[2];
            s1 += w * x1[2];
            s2 += w * x2[2];
            s3 += w * x3[2];
            x0 += 3;
            x1 += 3;
            x2 += 3;
            x3 += 3;
        }
        for (; kx > 0; kx--) {
            w = *weights++;
            s0 += w * x0[0];
            s1 += w * x1[0];
            s2 += w * x2[0];
            s3 += w * x3[0];
            x0 += 1;
            x1 += 1;
            x2 += 1;
            x3 += 1;
        }
        x0 += rest;
        x1 += rest;
        x2 += rest;
        x3 += rest;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

/* sums[i] = a window times the plane, 1 window, `step` bytes apart. */
static inline void window_sums_1(int32_t *sums, const int8_t *x0, int32_t step,
                                 const int8_t *weights, const struct plane_window *taps)
{
    int32_t w, s0 = 0;
    (void)step;
    const int32_t rest = taps->row - taps->kernel_w;
    for (int32_t ky = taps->kernel_h; ky > 0; ky--) {
        int32_t kx = taps->kernel_w;
        for (; kx >= 3; kx -= 3) {
            w = *weights++;
            s0 += w * x0[0];
            w = *weights++;
            s0 += w * x0[1];
            w = *weights++;
            s0 += w * x0[2];
            x0 += 3;
        }
        for (; kx > 0; kx--) {
            w = *weights++;
            s0 += w * x0[0];
            x0 += 1;
        }
        x0 += rest;
    }
    sums[0] = s0;
}

/* A line of outputs of any windows: four at a time, which share the weights. */
static inline void walk_line(const int8_t *x, int8_t *out, const int8_t *weights,
                             const int32_t *constants, const struct plane_window *taps)
{
    const struct high_stage stage = read_stage(constants);
    const int32_t step = taps->step;
    int32_t count = taps->outputs;
    for (int32_t n; count > 0; count -= n, x += n * step) {
        int32_t sums[4] = { 0 };
        n = count < 4 ? 1 : 4;
        if (n == 4)
            window_sums_4(sums, x, step, weights, taps);
        else
            window_sums_1(sums, x, step, weights, taps);
        for (int32_t i = 0; i < n; i++, out += taps->out_step) {
            const int32_t sum = (int32_t)((uint32_t)stage.start +
                                          ((uint32_t)sums[i] << stage.scale));
            *out = high_output(sum, &stage);
        }
    }
}

/* Channel by channel: its plane is copied with padding to scratch, weights stay in registers while
 * the window walks down a column of outputs. */
static void depthwise_conv2d_s8_rv32_by_2_sliding(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 9, in_w = 9, in_c = 3, in_zp = 3;
    const int32_t out_h = 5, out_w = 9, out_c = 3;
    const int32_t pad_top = 1, pad_left = 1, rows = 11, pitch = 11;
    const int32_t stride_w = 1;
    /* The image's part of the plane; around it is padding, the same for all channels. */
    const int32_t inside_h = in_h < rows - pad_top ? in_h : rows - pad_top;
    const int32_t inside_w = in_w < pitch - pad_left ? in_w : pitch - pad_left;
    int8_t *const inside = scratch + pad_top * pitch + pad_left;
    for (int32_t i = 0; i < rows * pitch; i++)
        scratch[i] = (int8_t)in_zp;

    for (int32_t batch = 1; batch > 0; batch--) {
        const int8_t *weights = model_depthwise_conv2d_0_weights;
        const int32_t *stage = model_depthwise_conv2d_0_stage;
        for (int32_t c = 0; c < in_c; c++) {
            copy_plane(inside, pitch, in + c, in_w * in_c, in_c, inside_h, inside_w);
            {
                int8_t *to = out + c;
                for (int32_t ox = 0; ox < out_w; ox++, to += out_c)
                    slide_down_by_2(scratch + ox * stride_w, pitch, to, out_w * out_c, out_h,
                                    weights, stage);
                weights += 9;
                stage += 3;
            }
        }
        in += in_h * in_w * in_c;
        out += out_h * out_w * out_c;
    }
}

/* Channel by channel: its plane is copied with padding to scratch, with rows and columns exchanged
 * where windows are higher than wide. Windows walk along the plane in the direction in which there
 * are more outputs. */
static void depthwise_conv2d_s8_rv32_siblings(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t in_h = 5, in_w = 9, in_c = 3, in_zp = 3;
    const int32_t out_h = 2, out_w = 9, out_c = 6;
    const int32_t pad_top = 1, pad_left = 1, rows = 6, pitch = 11;
    const int32_t multiplier = 2;
    /* Bytes of the input from row to row and from column to column of the plane. */
    const int32_t in_row = 27, in_column = 3;
    /* Bytes of the plane and of the output from line to line. */
    const int32_t lines = 2, line_step = 33, line_out = 54;
    const struct plane_window taps = {
        .kernel_h = 3, .kernel_w = 3, .row = pitch,
        .outputs = 9, .step = 1, .out_step = 6,
    };
    /* The image's part of the plane; around it is padding, the same for all channels. */
    const int32_t inside_h = in_h < rows - pad_top ? in_h : rows - pad_top;
    const int32_t inside_w = in_w < pitch - pad_left ? in_w : pitch - pad_left;
    int8_t *const inside = scratch + pad_top * pitch + pad_left;
    for (int32_t i = 0; i < rows * pitch; i++)
        scratch[i] = (int8_t)in_zp;

    for (int32_t batch = 1; batch > 0; batch--) {
        const int8_t *weights = model_depthwise_conv2d_1_weights;
        const int32_t *stage = model_depthwise_conv2d_1_stage;
        for (int32_t c = 0; c < in_c; c++) {
            copy_plane(inside, pitch, in + c, in_row, in_column, inside_h, inside_w);
            for (int32_t i = 0; i < multiplier; i++) {
                int8_t *to = out + c * multiplier + i;
                for (int32_t line = 0; line < lines; line++, to += line_out)
                    walk_line(scratch + line * line_step, to, weights, stage, &taps);
                weights += taps.kernel_h * taps.kernel_w;
                stage += 3;
            }
        }
        in += in_h * in_w * in_c;
        out += out_h * out_w * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,3] -> [1,5,9,3]  3x3 stride 2x1 pad
     * 1,1,1,1
     * rv32/depthwise_conv2d, 1215 MAC: test */
    case 0:
        depthwise_conv2d_s8_rv32_by_2_sliding(arena + 0x0000, arena + 0x00f4, arena + 0x017c);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,9,3] -> [1,2,9,6]  3x3 stride 3x1 pad
     * 1,1,1,1 relu
     * rv32/depthwise_conv2d, 972 MAC: test */
    case 1:
        depthwise_conv2d_s8_rv32_siblings(arena + 0x00f4, arena + 0x01f8, arena + 0x0264);
        break;
    default:
        break;
    }
}
