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

/* Copies `rows` rows of `bytes` bytes, all more than 0, that lie from_step and to_step apart, 16
 * bytes at a time; the tail is predicated. */
#if defined(BONSAI_MVE)
static inline void copy_rows(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                             int32_t rows, int32_t bytes)
{
    if (bytes <= 16) {
        __asm__ volatile("vctp.8 %[bytes]\n\t"
                         "dls lr, %[rows]\n"
                         "1:\n\t"
                         "vpstt\n\t"
                         "vldrbt.8 q0, [%[from]]\n\t"
                         "vstrbt.8 q0, [%[to]]\n\t"
                         "add %[from], %[from_step]\n\t"
                         "add %[to], %[to_step]\n\t"
                         "le lr, 1b"
                         : [to] "+&r"(to), [from] "+&r"(from)
                         : [to_step] "r"(to_step), [from_step] "r"(from_step), [rows] "r"(rows),
                           [bytes] "r"(bytes)
                         : "q0", "lr", "cc", "p0", "memory");
        return;
    }
    const int32_t whole = (bytes + 15) & ~15;
    to_step -= whole;
    from_step -= whole;
    __asm__ volatile("1:\n\t"
                     "dlstp.8 lr, %[bytes]\n"
                     "2:\n\t"
                     "vldrb.8 q0, [%[from]], #16\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "letp lr, 2b\n\t"
                     "add %[from], %[from_step]\n\t"
                     "add %[to], %[to_step]\n\t"
                     "subs %[rows], #1\n\t"
                     "bne 1b"
                     : [to] "+&r"(to), [from] "+&r"(from), [rows] "+&r"(rows)
                     : [to_step] "r"(to_step), [from_step] "r"(from_step), [bytes] "r"(bytes)
                     : "q0", "lr", "cc", "memory");
}
#else
static inline void copy_rows(int8_t *to, int32_t to_step, const int8_t *from, int32_t from_step,
                             int32_t rows, int32_t bytes)
{
    for (; rows > 0; rows--, to += to_step, from += from_step)
        memcpy(to, from, (size_t)bytes);
}
#endif

/* The pixels under `columns` columns of taps, the first of which begins at (y, x), column by
 * column. Pixels outside the image are the zero point. */
BONSAI_SHARED void gather_columns(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                  const struct window *window)
{
    const int32_t in_h = window->in_h, in_w = window->in_w, in_c = window->in_c;
    const int32_t kernel_h = window->kernel_h, column_bytes = kernel_h * in_c;
    const int32_t dilation_h = window->dilation_h, dilation_w = window->dilation_w;
    int32_t left = 0, right = window->columns;
    if (y < 0 || y + (kernel_h - 1) * dilation_h >= in_h || x < 0 || x + (right - 1) *
        dilation_w >= in_w) {
        fill_bytes(to, window->zero_point, right * column_bytes);
        clip_taps(x, dilation_w, in_w, &left, &right);
    }
    if (left == right)
        return;
    to += left * column_bytes;
    image += (x + left * dilation_w) * in_c;
    for (int32_t ky = 0; ky < kernel_h; ky++, y += dilation_h, to += in_c) {
        if (y >= 0 && y < in_h)
            copy_rows(to, column_bytes, image + y * in_w * in_c, dilation_w * in_c, right - left,
                      in_c);
    }
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
 * *b is the same for the second patch. The filters are interleaved in groups of 8 values.
 * Advances *weights and *stage.
 *
 * VMLADAVA accumulates in even registers only. Eight registers hold the sums; all else that the
 * loop needs is loaded into fixed registers, which leaves the compiler three, or two where it keeps
 * a frame pointer. */
#if defined(BONSAI_MVE)
BONSAI_PLACE(patches, vectors, 0);
BONSAI_PLACE(patches, x, 4);
BONSAI_PLACE(patches, next, 8);

static inline void dot_lanes_pair_int16(lanes4 *a, lanes4 *b, const struct patches *patches,
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
            "vldrh.16 q0, [r9], #16\n\t"
            "vldrh.16 q1, [r11], #16\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vldrb.s16 q3, [%[w]], #8\n\t"
            "vmladava.s16 r0, q0, q2\n\t"
            "vmladava.s16 r8, q1, q2\n\t"
            "vldrb.s16 q2, [%[w]], #8\n\t"
            "vmladava.s16 r2, q0, q3\n\t"
            "vmladava.s16 r10, q1, q3\n\t"
            "vldrb.s16 q3, [%[w]], #8\n\t"
            "vmladava.s16 r4, q0, q2\n\t"
            "vmladava.s16 r12, q1, q2\n\t"
            "subs r1, #1\n\t"
            "vmladava.s16 r6, q0, q3\n\t"
            "vmladava.s16 lr, q1, q3\n\t"
            "bne 1b\n\t"
            "vmov %q[a][2], %q[a][0], r0, r4\n\t"
            "vmov %q[a][3], %q[a][1], r2, r6\n\t"
            "vmov %q[b][2], %q[b][0], r8, r12\n\t"
            "vmov %q[b][3], %q[b][1], r10, lr"
            : [a] "=&w"(sums0), [b] "=&w"(sums1), [w] "+&l"(w), [biases] "+&r"(biases),
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
static inline void dot_lanes_pair_int16(lanes4 *a, lanes4 *b, const struct patches *patches,
                                        const int8_t **weights, const int32_t **stage)
{
    *a = *b = load_lanes(*stage);
    *stage += 4;
    const int16_t *x0 = (const void *)patches->x;
    const int16_t *x1 = (const void *)(patches->x + patches->next);
    for (int32_t n = 0; n < patches->vectors; n++, x0 += 8, x1 += 8) {
        for (int32_t i = 0; i < 4; i++) {
            for (int32_t k = 0; k < 8; k++) {
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

/* (x * multiplier + half) >> (shift + 16), for a multiplier of 15 bits and 1 <= shift <= 30: the
 * rounding of TensorFlow Lite's 64-bit accumulators, here in 32 bits. With x = h * 2^16 + l the
 * product is h * multiplier * 2^16 + l * multiplier, and half is a multiple of 2^16, so the lower
 * 16 bits of the product change nothing. |h * multiplier| < 2^30, l * multiplier < 2^31. */
static inline int32_t requantize_reduced(int32_t x, int32_t multiplier, int32_t shift)
{
    const uint32_t low = ((uint32_t)x & 0xffff) * (uint32_t)multiplier;
    const int32_t upper = (x >> 16) * multiplier + (int32_t)(low >> 16);
    return (upper + (1 << (shift - 1))) >> shift;
}

/* Four sums in the output's scale, with the bits of requantize_reduced: stage[0] to [3] are the
 * multipliers times 2^16, [4] to [7] the shifts, negative. The upper half of a product by 2^16
 * times the multiplier is the product by the multiplier, shifted right by 16. */
#if defined(BONSAI_MVE)
static inline lanes4 rescale_lanes_reduced(lanes4 x, const int32_t *stage)
{
    return vrshlq_s32(vmulhq_s32(x, vldrwq_s32(stage)), vldrwq_s32(stage + 4));
}
#else
static inline lanes4 rescale_lanes_reduced(lanes4 x, const int32_t *stage)
{
    for (int32_t i = 0; i < 4; i++)
        x.lane[i] = requantize_reduced(x.lane[i], stage[i] / 65536, -stage[4 + i]);
    return x;
}
#endif

/* Stores the first `count` of four int16, or all if `count` is larger: to y, and those of another
 * pixel to y + next. */
#if defined(BONSAI_MVE)
static inline void store_lanes_pair_int16(int16_t *y, int32_t next, lanes4 a, lanes4 b,
                                          int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpstt\n\t"
                     "vstrht.32 %q[a], [%[y]]\n\t"
                     "vstrht.32 %q[b], [%[z]]"
                     :
                     : [y] "l"(y), [z] "l"(y + next), [a] "w"(a), [b] "w"(b), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes_pair_int16(int16_t *y, int32_t next, lanes4 a, lanes4 b,
                                          int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++) {
        y[i] = (int16_t)a.lane[i];
        y[next + i] = (int16_t)b.lane[i];
    }
}
#endif

/* A tile of pixels of a row at a time. The
 * inputs of their windows are gathered in scratch, column by column, so that neighbouring windows
 * share columns; then two pixels at a time are multiplied by all filters, four at a time.
 * Vectors extend past a window, where weights are 0. The input's zero point is folded into the
 * biases. */
static void conv2d_s16_mve(const int16_t *image, int16_t *out, int8_t *scratch)
{
    /* Channels of inputs are counted in bytes. */
    const int8_t *in = (const int8_t *)image;
    const struct output output = { -32768, 32767, 0, 4 };
    const struct window window = { 6, 5, 6, 3, 8, 1, 1, 0 };
    const int32_t in_c = 6, out_w = 5, out_c = 6;
    const int32_t tile = 6, step = 18;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < 6; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                const int32_t y = oy - 1, x = ox - 1;
                gather_columns(scratch, in, y, x, &window);
                for (int32_t i = 0; i < count; i += 2) {
                    /* An odd last pixel is computed twice. */
                    const int32_t next = i + 1 < count ? 1 : 0;
                    const struct patches patches = { 4, scratch + i * step, next * step };
                    const int32_t other = next * out_c;
                    const int8_t *weights = model_conv2d_0_weights;
                    const int32_t *stage = model_conv2d_0_stage;
                    for (int32_t c = 0; c < out_c; c += 4) {
                        lanes4 sums0, sums1;
                        dot_lanes_pair_int16(&sums0, &sums1, &patches, &weights, &stage);
                        sums0 = clamp_lanes(rescale_lanes_reduced(sums0, stage), &output);
                        sums1 = clamp_lanes(rescale_lanes_reduced(sums1, stage), &output);
                        stage += 8;
                        store_lanes_pair_int16(out + c, other, sums0, sums1, out_c - c);
                    }
                    out += out_c + other;
                }
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

/* A tile of pixels of a row at a time. The
 * inputs of their windows are gathered in scratch, column by column, so that neighbouring windows
 * share columns; then two pixels at a time are multiplied by all filters, four at a time.
 * Vectors extend past a window, where weights are 0. The input's zero point is folded into the
 * biases. */
static void conv2d_s16_mve_dilated(const int16_t *image, int16_t *out, int8_t *scratch)
{
    /* Channels of inputs are counted in bytes. */
    const int8_t *in = (const int8_t *)image;
    const struct output output = { -32768, 32767, 0, 4 };
    const struct window window = { 6, 5, 12, 1, 2, 1, 2, 0 };
    const int32_t in_c = 12, out_w = 3, out_c = 2;
    const int32_t tile = 4, step = 24;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < 6; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t count = ox + tile < out_w ? tile : out_w - ox;
                const int32_t y = oy, x = ox;
                for (int32_t i = 0; i < count; i++)
                    gather_columns(scratch + i * step, in, y, x + i, &window);
                for (int32_t i = 0; i < count; i += 2) {
                    /* An odd last pixel is computed twice. */
                    const int32_t next = i + 1 < count ? 1 : 0;
                    const struct patches patches = { 2, scratch + i * step, next * step };
                    const int32_t other = next * out_c;
                    const int8_t *weights = model_conv2d_1_weights;
                    const int32_t *stage = model_conv2d_1_stage;
                    for (int32_t c = 0; c < out_c; c += 4) {
                        lanes4 sums0, sums1;
                        dot_lanes_pair_int16(&sums0, &sums1, &patches, &weights, &stage);
                        sums0 = clamp_lanes(rescale_lanes_reduced(sums0, stage), &output);
                        sums1 = clamp_lanes(rescale_lanes_reduced(sums1, stage), &output);
                        stage += 8;
                        store_lanes_pair_int16(out + c, other, sums0, sums1, out_c - c);
                    }
                    out += out_c + other;
                }
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * mve/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_s16_mve((int16_t *)(void *)(arena + 0x0000), (int16_t *)(void *)(arena + 0x00b4),
                       arena + 0x021c);
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * mve/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_s16_mve_dilated((int16_t *)(void *)(arena + 0x00b4),
                               (int16_t *)(void *)(arena + 0x02b8), arena + 0x0300);
        break;
    default:
        break;
    }
}
