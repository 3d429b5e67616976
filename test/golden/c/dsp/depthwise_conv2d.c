#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* One channel, computed column by column. Assembly reads the fields at fixed offsets. */
struct depthwise_channel {
    const uint32_t *x;       /* In the layout of widen_columns. */
    const uint32_t *weights; /* Two taps of a column in a word. */
    int32_t start;           /* Initial value of the sums. */
    int32_t multiplier, offset, shift; /* Output stage. */
    int32_t columns, rows;
    int32_t pitch, step; /* Words of x to the next column, and to the next window. */
    int32_t pixel, row;  /* Bytes of the output to the next column, and to the next row. */
};

/* Two rows of two int8 channels, times 256: the first channel to *to, the second to *to1. */
static inline void split_channels(uint32_t *to, uint32_t *to1, uint32_t upper, uint32_t lower)
{
    const uint32_t rows = upper | lower << 16;
    *to = rows << 8 & 0xff00ff00u;
    *to1 = rows & 0xff00ff00u;
}

/* Two bytes from any address, little-endian. */
static inline uint32_t load_half(const int8_t *from)
{
    uint16_t half;
    memcpy(&half, from, sizeof half);
    return half;
}

/* Two channels of twice `pairs` pairs of int8 rows, `row` bytes apart, times 256: the first
 * channel to `to`, the second to `to1`, two rows in a word. */
static inline void split_rows(uint32_t *to, uint32_t *to1, const int8_t *from, int32_t row,
                              int32_t pairs)
{
    for (; pairs > 0; pairs--) {
#if defined(__ARM_FEATURE_DSP)
        uint32_t a, b, c, d;
        __asm__ volatile("ldrh %[a], [%[from]]\n\t"
                         "ldrh %[b], [%[from], %[row]]\n\t"
                         "add %[from], %[from], %[row], lsl #1\n\t"
                         "orr %[a], %[a], %[b], lsl #16\n\t"
                         "ldrh %[b], [%[from]]\n\t"
                         "ldrh %[c], [%[from], %[row]]\n\t"
                         "add %[from], %[from], %[row], lsl #1\n\t"
                         "orr %[b], %[b], %[c], lsl #16\n\t"
                         "and %[c], %[mask], %[a], lsl #8\n\t"
                         "and %[d], %[mask], %[b], lsl #8\n\t"
                         "strd %[c], %[d], [%[to]], #8\n\t"
                         "and %[a], %[a], %[mask]\n\t"
                         "and %[b], %[b], %[mask]\n\t"
                         "strd %[a], %[b], [%[to1]], #8"
                         : [from] "+r"(from), [to] "+r"(to), [to1] "+r"(to1), [a] "=&r"(a),
                           [b] "=&r"(b),
                           [c] "=&r"(c), [d] "=&r"(d)
                         : [row] "r"(row), [mask] "r"(0xff00ff00u)
                         : "memory");
#else
        for (int32_t i = 0; i < 2; i++, from += 2 * row)
            split_channels(to++, to1++, load_half(from), load_half(from + row));
#endif
    }
}

/* Common values of the channels of an image, two of which are widened at once. */
struct depthwise_image {
    int32_t in_h, in_w;
    int32_t row, column;    /* Bytes to the next row, and to the next column. */
    int32_t top, left;      /* Where the first window begins. */
    int32_t columns, pairs; /* Under all windows; rows in pairs. */
    int32_t before, inside; /* Pairs that begin above the image, and pairs that are inside. */
    int8_t padding[2];      /* Two channels outside the image. */
};

/* Widens the int8 of two channels, times 256: channel by channel, column by column. A word holds
 * the values of two rows, which SMLAD multiplies at once. `in` points to the first of the two
 * channels. The area outside the image is the same for all channels, so its columns are filled
 * only if `first`. */
BONSAI_SHARED void widen_columns(uint32_t *to, const int8_t *in, int32_t first,
                                 const struct depthwise_image *image)
{
    const int32_t in_h = image->in_h, row = image->row, next = image->column;
    const int32_t pairs = image->pairs, plane = image->columns * pairs;
    const int32_t before = image->before, half = image->inside / 2;
    const int32_t left = image->left < 0 ? -image->left : 0;
    const int32_t right = image->left + image->columns;
    const int32_t columns = right < image->in_w ? image->columns : image->in_w - image->left;
    for (int32_t i = 0; first && i < image->columns; i++) {
        for (int32_t pair = 0; (i < left || i >= columns) && pair < pairs; pair++)
            split_channels(to + i * pairs + pair, to + plane + i * pairs + pair,
                           load_half(image->padding), load_half(image->padding));
    }
    to += left * pairs;
    in += (image->left + left) * next;
    const int8_t *from = in + (image->top + 2 * before) * row;
    uint32_t *column = to + before;
    for (int32_t i = left; i < columns; i++, column += pairs, from += next)
        split_rows(column, column + plane, from, row, half);
    /* Pairs of rows that may be partly outside. */
    for (int32_t pair = 0; pair < pairs; pair++) {
        if (pair == before)
            pair += 2 * half;
        const int32_t upper = image->top + 2 * pair, lower = upper + 1;
        const int32_t has_upper = upper >= 0 && upper < in_h;
        const int32_t has_lower = lower >= 0 && lower < in_h;
        const int8_t *from0 = has_upper ? in + upper * row : image->padding;
        const int8_t *from1 = has_lower ? in + lower * row : image->padding;
        for (int32_t i = left; i < columns && pair < pairs; i++) {
            const int32_t at = (i - left) * pairs + pair;
            split_channels(to + at, to + plane + at, load_half(from0), load_half(from1));
            from0 += has_upper ? next : 0;
            from1 += has_lower ? next : 0;
        }
    }
}

#include "smlad"
#include "smmlar"
#include "saturate8"
#include "finish_twice"

/* For any window. Weights, for each of its columns: `pairs` words for windows that begin in an
 * even row, then those for windows that begin in an odd row. */
BONSAI_SHARED void depthwise_twice(int8_t *y, const struct depthwise_channel *c, int32_t kernel_h,
                                   int32_t kernel_w, int32_t stride_h)
{
    const int32_t pairs = kernel_h / 2 + 1;
    for (int32_t column = 0; column < c->columns; column++) {
        int8_t *to = y + column * c->pixel;
        for (int32_t r = 0; r < c->rows * stride_h; r += stride_h, to += c->row) {
            const uint32_t *x = c->x + column * c->step + r / 2;
            const uint32_t *w = c->weights + r % 2 * kernel_w * pairs;
            int32_t sum = c->start;
            for (int32_t kx = 0; kx < kernel_w; kx++, x += c->pitch - pairs) {
                for (int32_t i = 0; i < pairs; i++)
                    sum = smlad(*x++, *w++, sum);
            }
            *to = finish_twice(sum, c->multiplier, c->offset, c->shift);
        }
    }
}

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"
#include "finish_linear"

/* Windows of 3x3 that move down by one row, finished by
 * finish_linear. Weights: rows 0 and 1 of each column, then rows 1 and 2 of each column. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(depthwise_channel, x, 0);
BONSAI_PLACE(depthwise_channel, weights, 4);
BONSAI_PLACE(depthwise_channel, start, 8);
BONSAI_PLACE(depthwise_channel, multiplier, 12);
BONSAI_PLACE(depthwise_channel, offset, 16);
BONSAI_PLACE(depthwise_channel, shift, 20);
BONSAI_PLACE(depthwise_channel, columns, 24);
BONSAI_PLACE(depthwise_channel, rows, 28);
BONSAI_PLACE(depthwise_channel, pitch, 32);
BONSAI_PLACE(depthwise_channel, step, 36);
BONSAI_PLACE(depthwise_channel, pixel, 40);
BONSAI_PLACE(depthwise_channel, row, 44);

BONSAI_NAKED __attribute__((aligned(4))) void
depthwise_3x3_1(__attribute__((unused)) int8_t *y,
                __attribute__((unused)) const struct depthwise_channel *c)
{
    /* r0 to r2: three columns of x; r3: y; r4 to r9: weights; r10, r11: sums of one row and the
     * next. The frame: 0 start, twice, 8 multiplier and offset, 16 y and x, 24 pixel, 28 step, 32
     * pitch, 36 columns, 40 bytes of x for the outputs of a column without an odd last one, 44
     * whether there is one, 48 row, 52 end of x. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #60\n"
            "ldm r1, {r2-r12, lr}\n"
            "strd r4, r4, [sp]\n"
            "strd r5, r6, [sp, #8]\n"
            "strd r0, r2, [sp, #16]\n"
            "lsl r11, r11, #2\n"
            "strd r12, r11, [sp, #24]\n"
            "lsl r10, r10, #2\n"
            "strd r10, r8, [sp, #32]\n"
            "and r7, r9, #1\n"
            "bic r9, r9, #1\n"
            "lsl r9, r9, #1\n"
            "strd r9, r7, [sp, #40]\n"
            "str lr, [sp, #48]\n"
            "ldm r3, {r4-r9}\n"
            "1: ldrd r3, r0, [sp, #16]\n"
            "ldr r12, [sp, #32]\n"
            "add r1, r0, r12\n"
            "add r2, r1, r12\n"
            "ldr r12, [sp, #40]\n"
            "add lr, r0, r12\n"
            "str lr, [sp, #52]\n"
            "cmp r12, #0\n"
            "beq 3f\n"
            "2:\n"
            "ldrd r10, r11, [sp]\n"
            "ldrd r12, lr, [r0], #4\n"
            "smlad r10, r12, r4, r10\n"
            "smlatb r11, r12, r4, r11\n"
            "smlabt r10, lr, r7, r10\n"
            "smlad r11, lr, r7, r11\n"
            "ldrd r12, lr, [r1], #4\n"
            "smlad r10, r12, r5, r10\n"
            "smlatb r11, r12, r5, r11\n"
            "smlabt r10, lr, r8, r10\n"
            "smlad r11, lr, r8, r11\n"
            "ldrd r12, lr, [r2], #4\n"
            "smlad r10, r12, r6, r10\n"
            "smlatb r11, r12, r6, r11\n"
            "smlabt r10, lr, r9, r10\n"
            "smlad r11, lr, r9, r11\n"
            "ldrd r12, lr, [sp, #8]\n"
            "smmlar r10, r10, r12, lr\n"
            "smmlar r11, r11, r12, lr\n"
            "ldr r12, [sp, #48]\n"
            "ssat r10, #8, r10, asr #8\n"
            "ssat r11, #8, r11, asr #8\n"
            "strb r10, [r3]\n"
            "strb r11, [r3, r12]\n"
            "add r3, r3, r12, lsl #1\n"
            "ldr r12, [sp, #52]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "3: ldr r12, [sp, #44]\n"
            "cmp r12, #0\n"
            "beq 4f\n"
            "ldr r10, [sp]\n"
            "ldrd r12, lr, [r0], #4\n"
            "smlad r10, r12, r4, r10\n"
            "smlabt r10, lr, r7, r10\n"
            "ldrd r12, lr, [r1], #4\n"
            "smlad r10, r12, r5, r10\n"
            "smlabt r10, lr, r8, r10\n"
            "ldrd r12, lr, [r2], #4\n"
            "smlad r10, r12, r6, r10\n"
            "smlabt r10, lr, r9, r10\n"
            "ldrd r12, lr, [sp, #8]\n"
            "smmlar r10, r10, r12, lr\n"
            "ldr r11, [sp, #48]\n"
            "ssat r10, #8, r10, asr #8\n"
            "strb r10, [r3]\n"
            "add r3, r3, r11\n"
            "4: ldrd r3, r0, [sp, #16]\n"
            "ldrd r10, r11, [sp, #24]\n"
            "add r3, r3, r10\n"
            "add r0, r0, r11\n"
            "strd r3, r0, [sp, #16]\n"
            "ldr r12, [sp, #36]\n"
            "subs r12, r12, #1\n"
            "str r12, [sp, #36]\n"
            "bne 1b\n"
            "add sp, sp, #60\n"
            "pop {r4-r11, pc}\n");
}

#else

static void depthwise_3x3_1(int8_t *y, const struct depthwise_channel *c)
{
    for (int32_t i = 0; i < c->columns * c->rows; i++) {
        const int32_t column = i / c->rows, row = i % c->rows, odd = row % 2;
        const uint32_t *x = c->x + column * c->step + row / 2;
        int32_t sum = c->start;
        for (int32_t kx = 0; kx < 3; kx++, x += c->pitch) {
            const uint32_t w01 = c->weights[kx], w12 = c->weights[3 + kx];
            sum = odd ? smlad(x[0], w01 << 16, sum) : smlad(x[0], w01, sum);
            sum = odd ? smlad(x[1], w12, sum) : smlad(x[1], w12 >> 16, sum);
        }
        y[row * c->row + column * c->pixel] = finish_linear(sum, c->multiplier, c->offset);
    }
}

#endif

/* Two input channels at a time, over the whole image: the input is widened to int16 in scratch,
 * two rows in a word, then multiplied for each output channel. The input's zero point is folded
 * into the biases; a tap outside the image counts as the zero point. */
static void depthwise_conv2d_s8_dsp_any_window_twice(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t kernel_h = 3, kernel_w = 3, stride_h = 2;
    const int32_t out_h = 5, out_w = 5;
    const int32_t channels = 8, multiplier = 1, out_c = channels * multiplier;
    const struct depthwise_image image = {
        .in_h = 9,
        .in_w = 9,
        .row = 72,
        .column = 8,
        .top = -1,
        .left = -1,
        .columns = 11,
        .pairs = 6,
        .before = 1,
        .inside = 4,
        .padding = { (int8_t)3, (int8_t)3 },
    };
    struct depthwise_channel channel = {
        .columns = out_w,
        .rows = out_h,
        .pitch = image.pairs,
        .step = 2 * image.pairs,
        .pixel = 8,
        .row = 40,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t c = 0; c < channels; c += 2) {
            /* An odd last channel is computed with the one before it, which is already done. */
            const int32_t first = c + 1 < channels ? c : c - 1;
            int8_t *const to = out;
            widen_columns(x, in + first, c == 0, &image);
            const int32_t end = (first + 2) * multiplier;
            for (int32_t i = c * multiplier; i < end; i++) {
                const int32_t second = i >= (first + 1) * multiplier;
                channel.x = x + second * image.columns * image.pairs;
                const int32_t *const stage = model_depthwise_conv2d_0_stage + 4 * i;
                channel.weights = model_depthwise_conv2d_0_weights + 12 * i;
                channel.start = stage[0];
                channel.multiplier = stage[1];
                channel.offset = stage[2];
                channel.shift = stage[3];
                depthwise_twice(to + i, &channel, kernel_h, kernel_w, stride_h);
            }
        }
        in += image.in_h * image.in_w * channels;
        out += out_h * out_w * out_c;
    }
}

/* Two input channels at a time, over the whole image: the input is widened to int16 in scratch,
 * two rows in a word, then multiplied for each output channel. The input's zero point is folded
 * into the biases; a tap outside the image counts as the zero point. */
static void depthwise_conv2d_s8_dsp_linear_stride1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t out_h = 5, out_w = 5;
    const int32_t channels = 8, multiplier = 1, out_c = channels * multiplier;
    const struct depthwise_image image = {
        .in_h = 5,
        .in_w = 5,
        .row = 40,
        .column = 8,
        .top = -1,
        .left = -1,
        .columns = 7,
        .pairs = 4,
        .before = 1,
        .inside = 2,
        .padding = { (int8_t)3, (int8_t)3 },
    };
    struct depthwise_channel channel = {
        .offset = 895,
        .columns = out_w,
        .rows = out_h,
        .pitch = image.pairs,
        .step = image.pairs,
        .pixel = 8,
        .row = 40,
    };
    uint32_t *const x = (uint32_t *)(void *)scratch;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t c = 0; c < channels; c += 2) {
            /* An odd last channel is computed with the one before it, which is already done. */
            const int32_t first = c + 1 < channels ? c : c - 1;
            int8_t *const to = out;
            widen_columns(x, in + first, c == 0, &image);
            const int32_t end = (first + 2) * multiplier;
            for (int32_t i = c * multiplier; i < end; i++) {
                const int32_t second = i >= (first + 1) * multiplier;
                channel.x = x + second * image.columns * image.pairs;
                const int32_t *const stage = model_depthwise_conv2d_1_stage + 2 * i;
                channel.weights = model_depthwise_conv2d_1_weights + 6 * i;
                channel.start = stage[0];
                channel.multiplier = stage[1];
                depthwise_3x3_1(to + i, &channel);
            }
        }
        in += image.in_h * image.in_w * channels;
        out += out_h * out_w * out_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,8] -> [1,5,5,8]  3x3 stride 2 pad
     * 1,1,1,1
     * dsp/depthwise_conv2d, 1800 MAC: test */
    case 0:
        depthwise_conv2d_s8_dsp_any_window_twice(arena + 0x0000, arena + 0x0288, arena + 0x0350);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,5,5,8] -> [1,5,5,8]  3x3 pad 1,1,1,1
     * rounding single
     * dsp/depthwise_conv2d, 1800 MAC: test */
    case 1:
        depthwise_conv2d_s8_dsp_linear_stride1(arena + 0x0288, arena + 0x0564, arena + 0x062c);
        break;
    default:
        break;
    }
}
