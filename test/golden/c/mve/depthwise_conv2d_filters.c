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


struct window {
    int32_t in_h, in_w, in_c, kernel_h, columns, dilation_h, dilation_w, zero_point;
};

/* Assembly for Helium, for GCC only: clang names its registers differently, and unoptimized code
 * leaves too few other registers. */
#if defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__) && !defined(__clang__)
#include <arm_mve.h>
#define BONSAI_MVE
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

/* Restricts the taps *first to *end - 1 of a window that begins at `origin` to those inside [0,
 * extent). */
static inline void clip_taps(int32_t origin, int32_t dilation, int32_t extent, int32_t *first,
                             int32_t *end)
{
    while (*first < *end && origin + *first * dilation < 0)
        ++*first;
    while (*first < *end && origin + (*end - 1) * dilation >= extent)
        --*end;
}

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

/* Two patches of `vectors` times 16 bytes, at x and at x + next. */
struct patches { int32_t vectors; const int8_t *x; int32_t next; };

/* A field lies where the assembly below reads it. */
#define BONSAI_PLACE(type, field, bytes) \
    __extension__ _Static_assert(offsetof(struct type, field) == bytes, #field)

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

/* Four filters by two patches: lane i of *a is bias i plus the sum of x[k] * weight k of filter i,
 * *b is the same for the second patch. The filters are interleaved in groups of 16 values.
 * Advances *weights and *stage.
 *
 * VMLADAVA accumulates in even registers only. Eight registers hold the sums; all else that the
 * loop needs is loaded into fixed registers, which leaves the compiler three, or two where it keeps
 * a frame pointer. */
#if defined(BONSAI_MVE)
BONSAI_PLACE(patches, vectors, 0);
BONSAI_PLACE(patches, x, 4);
BONSAI_PLACE(patches, next, 8);

static inline void dot_lanes_pair(lanes4 *a, lanes4 *b, const struct patches *patches,
                                  const int8_t **weights, const int32_t **stage)
{
    lanes4 sums0, sums1;
    const int8_t *w = *weights;
    const int32_t *biases = *stage;
    register const struct patches *r1 __asm__("r1") = patches;
    __asm__("ldm %[r1], {r1, r9, r11}\n\t"
            "add r11, r9\n\t"
            "ldm %[biases], {r0, r2, r4, r6}\n\t"
            "ldm %[biases]!, {r8, r10, r12, lr}\n"
            "1:\n\t"
            "vldrb.8 q0, [r9], #16\n\t"
            "vldrb.8 q1, [r11], #16\n\t"
            "vldrb.8 q2, [%[w]], #16\n\t"
            "vldrb.8 q3, [%[w]], #16\n\t"
            "vmladava.s8 r0, q0, q2\n\t"
            "vmladava.s8 r8, q1, q2\n\t"
            "vldrb.8 q2, [%[w]], #16\n\t"
            "vmladava.s8 r2, q0, q3\n\t"
            "vmladava.s8 r10, q1, q3\n\t"
            "vldrb.8 q3, [%[w]], #16\n\t"
            "vmladava.s8 r4, q0, q2\n\t"
            "vmladava.s8 r12, q1, q2\n\t"
            "subs r1, #1\n\t"
            "vmladava.s8 r6, q0, q3\n\t"
            "vmladava.s8 lr, q1, q3\n\t"
            "bne 1b\n\t"
            "vmov %q[a][2], %q[a][0], r0, r4\n\t"
            "vmov %q[a][3], %q[a][1], r2, r6\n\t"
            "vmov %q[b][2], %q[b][0], r8, r12\n\t"
            "vmov %q[b][3], %q[b][1], r10, lr"
            : [a] "=&w"(sums0), [b] "=&w"(sums1), [w] "+&r"(w), [biases] "+&r"(biases),
              [r1] "+&r"(r1)
            :
            : "q0", "q1", "q2", "q3", "r0", "r2", "r4", "r6", "r8", "r9", "r10", "r11", "r12",
              "lr", "cc", "memory");
    *a = sums0;
    *b = sums1;
    *weights = w;
    *stage = biases;
}
#else
static inline void dot_lanes_pair(lanes4 *a, lanes4 *b, const struct patches *patches,
                                  const int8_t **weights, const int32_t **stage)
{
    *a = *b = load_lanes(*stage);
    *stage += 4;
    const int8_t *x0 = (const void *)patches->x;
    const int8_t *x1 = (const void *)(patches->x + patches->next);
    for (int32_t n = 0; n < patches->vectors; n++, x0 += 16, x1 += 16) {
        for (int32_t i = 0; i < 4; i++) {
            for (int32_t k = 0; k < 16; k++) {
                a->lane[i] += x0[k] * **weights;
                b->lane[i] += x1[k] * *(*weights)++;
            }
        }
    }
}
#endif

/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. `lanes`: the number of stored channels of those computed at once. */
struct output { int32_t min, max, zero_point, lanes; };

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

/* Stores the first `count` of four bytes, or all if `count` is larger: to y, and those of another
 * pixel to y + next. */
#if defined(BONSAI_MVE)
static inline void store_lanes_pair(int8_t *y, int32_t next, lanes4 a, lanes4 b, int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpstt\n\t"
                     "vstrbt.32 %q[a], [%[y]]\n\t"
                     "vstrbt.32 %q[b], [%[z]]"
                     :
                     : [y] "l"(y), [z] "l"(y + next), [a] "w"(a), [b] "w"(b), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes_pair(int8_t *y, int32_t next, lanes4 a, lanes4 b, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++) {
        y[i] = (int8_t)a.lane[i];
        y[next + i] = (int8_t)b.lane[i];
    }
}
#endif

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
    const struct output output = { -131, 124, 3, 4 };
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
