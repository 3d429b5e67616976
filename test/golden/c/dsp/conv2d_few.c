#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Writes a line: `left` bytes of the value, n copied bytes, `right` bytes of the value. */
static inline void pad_line(int8_t *to, const int8_t *from, int32_t left, int32_t n, int32_t right,
                            int32_t value)
{
    for (; left > 0; left--)
        *to++ = (int8_t)value;
    for (; n >= 4; n -= 4, to += 4, from += 4)
        memcpy(to, from, 4);
    for (; n > 0; n--)
        *to++ = *from++;
    for (; right > 0; right--)
        *to++ = (int8_t)value;
}

#include "load_word"
#include "smlad"
#include "sxtb16"

/* sum + the products of a window, in words of four int8, by four int16 each: w[0] holds the
 * weights of bytes 0 and 2, w[1] those of bytes 1 and 3. The sum wraps. */
struct dots {
    int32_t words;          /* Words in a run, at least 1, `step` bytes apart. */
    int32_t x_skip, w_skip; /* Bytes from the end of a run to the next run. */
    int32_t runs;           /* 1 or more. */
};

static inline int32_t dot_window(const int8_t *x, int32_t step, const uint32_t *w,
                                 const struct dots *d, int32_t sum)
{
    int32_t runs = d->runs;
#if defined(__ARM_FEATURE_DSP)
    uint32_t n, bytes, w0, w1, lanes;
    /* A run computes an odd word first, then two at a time. No instruction of a word sets flags. */
    __asm__("1:\n\t"
            "ldr %[n], [%[d]]\n\t"
            "lsrs %[n], %[n], #1\n\t"
            "bcc 2f\n\t"
            "ldr %[bytes], [%[x]]\n\t"
            "add %[x], %[x], %[step]\n\t"
            "ldrd %[w0], %[w1], [%[w]], #8\n\t"
            "sxtb16 %[lanes], %[bytes]\n\t"
            "sxtb16 %[bytes], %[bytes], ror #8\n\t"
            "smlad %[sum], %[lanes], %[w0], %[sum]\n\t"
            "smlad %[sum], %[bytes], %[w1], %[sum]\n"
            "2:\n\t"
            "beq 4f\n"
            "3:\n\t"
            ".rept 2\n\t"
            "ldr %[bytes], [%[x]]\n\t"
            "add %[x], %[x], %[step]\n\t"
            "ldrd %[w0], %[w1], [%[w]], #8\n\t"
            "sxtb16 %[lanes], %[bytes]\n\t"
            "sxtb16 %[bytes], %[bytes], ror #8\n\t"
            "smlad %[sum], %[lanes], %[w0], %[sum]\n\t"
            "smlad %[sum], %[bytes], %[w1], %[sum]\n\t"
            ".endr\n\t"
            "subs %[n], #1\n\t"
            "bne 3b\n"
            "4:\n\t"
            "subs %[runs], #1\n\t"
            "beq 5f\n\t"
            "ldrd %[w0], %[w1], [%[d], #4]\n\t"
            "add %[x], %[x], %[w0]\n\t"
            "add %[w], %[w], %[w1]\n\t"
            "b 1b\n"
            "5:"
            : [x] "+&r"(x), [w] "+&r"(w), [runs] "+&r"(runs), [sum] "+&r"(sum), [n] "=&l"(n),
              [bytes] "=&r"(bytes), [w0] "=&r"(w0), [w1] "=&r"(w1), [lanes] "=&r"(lanes)
            : [d] "r"(d), [step] "r"(step)
            : "cc", "memory");
#else
    for (; runs > 0; runs--, x += d->x_skip, w += d->w_skip / 4) {
        for (int32_t n = d->words; n > 0; n--, x += step, w += 2) {
            const uint32_t bytes = load_word(x);
            sum = smlad(sxtb16(bytes), w[0], sum);
            sum = smlad(sxtb16(bytes >> 8), w[1], sum);
        }
    }
#endif
    return sum;
}

#include "smmlar"
#include "saturate8"
#include "finish_twice"

struct conv2d_few_s8_dsp_args {
    const uint32_t *weights;
    const int32_t *stage;
    uint8_t in_h;
    uint8_t row_bytes;
    uint8_t stride_h;
    uint8_t pitch;
    uint8_t row_words;
    uint8_t left;
    uint8_t inside;
    uint8_t right;
    uint8_t line_bytes;
    uint8_t out_w;
    uint8_t out_c;
    uint8_t step;
    uint8_t word_step;
    uint8_t runs;
    int8_t x_skip;
    uint8_t w_skip;
    uint8_t filter_words;
};

/* The image rows under a row of outputs are copied to scratch with their padding, each row once:
 * row y to line y modulo the number of lines. A filter's rows are repeated after its last one, so
 * that it can begin at the row that matches the first line. Then one filter after the other runs
 * over the row. An output sums the products of filter and window, a word of a row at a time;
 * weights past the window are 0. The input's zero point is folded into the biases; a tap outside
 * the image counts as the zero point. */
static void conv2d_few_s8_dsp(const int8_t *in, int8_t *out, int8_t *scratch,
                              const struct conv2d_few_s8_dsp_args *restrict args)
{
    const struct dots dots = { 3, args->x_skip, args->w_skip, args->runs };
    const int32_t out_w = args->out_w, out_c = args->out_c, step = args->step, word_step =
        args->word_step;
    const int32_t in_h = args->in_h, row_bytes = args->row_bytes, kernel_h = 3;
    const int32_t pad_top = 1, stride_h = args->stride_h, pitch = args->pitch;
    for (int32_t batch = 1; batch > 0; batch--, in += in_h * row_bytes) {
        /* Row numbers count from the first padded row. */
        int32_t copied = 0;
        for (int32_t oy = 0, top = 0; oy < 5; oy++, top += stride_h) {
            for (copied = copied < top ? top : copied; copied < top + kernel_h; copied++) {
                const int32_t y = copied - pad_top, is_inside = y >= 0 && y < in_h;
                pad_line(scratch + copied % kernel_h * pitch, in + (is_inside ? y : 0) * row_bytes,
                         is_inside ? args->left : args->line_bytes, is_inside ? args->inside : 0,
                         is_inside ? args->right : 0, 3);
            }
            const int8_t *const lines = scratch;
            const uint32_t *weights =
                args->weights + (kernel_h - top % kernel_h) % kernel_h * args->row_words;
            const int32_t *stage = args->stage;
            for (int32_t c = 0; c < out_c; c++) {
                const int32_t start = stage[0], multiplier = stage[1];
                const int32_t offset = stage[2], shift = stage[3];
                const int8_t *window = lines;
                int8_t *y = out + c;
                for (int32_t ox = out_w; ox > 0; ox--, window += step, y += out_c) {
                    const int32_t sum = dot_window(window, word_step, weights, &dots, start);
                    *y = finish_twice(sum, multiplier, offset, shift);
                }
                weights += args->filter_words;
                stage += 4;
            }
            out += out_w * out_c;
        }
    }
}

static const struct conv2d_few_s8_dsp_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .stage = model_conv2d_0_stage, .in_h = 9, .row_bytes = 36,
    .stride_h = 2, .pitch = 44, .row_words = 6, .left = 4, .inside = 36, .right = 4,
    .line_bytes = 44, .out_w = 5, .out_c = 3, .step = 8, .word_step = 4, .runs = 3, .x_skip = 32,
    .w_skip = 0, .filter_words = 30,
};

static const struct conv2d_few_s8_dsp_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .stage = model_conv2d_1_stage, .in_h = 5, .row_bytes = 15,
    .stride_h = 1, .pitch = 24, .row_words = 2, .left = 3, .inside = 15, .right = 3,
    .line_bytes = 21, .out_w = 6, .out_c = 1, .step = 3, .word_step = 24, .runs = 2, .x_skip = -68,
    .w_skip = 16, .filter_words = 20,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,4] -> [1,5,5,3]  3x3 stride 2 pad 1,1,1,1
     * dsp/conv2d_few, 2700 MAC: test */
    case 0:
        conv2d_few_s8_dsp(arena + 0x0000, arena + 0x0144, arena + 0x0190, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,3] -> [1,5,6,1]  3x2 pad 1,1,1,1
     * dsp/conv2d_few, 540 MAC: test */
    case 1:
        conv2d_few_s8_dsp(arena + 0x0144, arena + 0x0214, arena + 0x0234, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
