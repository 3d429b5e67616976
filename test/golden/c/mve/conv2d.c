/* A helper that kernels call: one copy, not inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/* Four int32 in a vector register, and four from memory. */
#if defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
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

/* Four filters by two patches: lane i of *a is bias[i] plus the sum of x0[k] * weight k of filter i,
 * that of *b the same with x1. Patches and filters are `vectors` times 16 values long; the filters
 * are interleaved, 16 values of each in turn. Returns the end of the weights.
 *
 * Every register with an even number is a sum (VMLADAVA takes no other): written as one piece,
 * since a compiler would spill some of them within the loop. The counter comes from memory and
 * takes the register of `bias`: where this is inlined, no more than four are left. */
#if defined(__ARM_FEATURE_MVE)
static inline const int8_t *dot_lanes_pair(lanes4 *a, lanes4 *b, const int8_t *x0, const int8_t *x1,
                                   const int8_t *weights, const int32_t *bias, int32_t vectors)
{
    lanes4 sums0, sums1;
    __asm__("ldm %[bias], {r0, r2, r4, r6}\n\t"
            "ldm %[bias], {r8, r10, r12, lr}\n\t"
            "ldr %[bias], %[n]\n"
            "1:\n\t"
            "vldrb.8 q0, [%[x0]], #16\n\t"
            "vldrb.8 q1, [%[x1]], #16\n\t"
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
            "subs %[bias], #1\n\t"
            "vmladava.s8 r6, q0, q3\n\t"
            "vmladava.s8 lr, q1, q3\n\t"
            "bne 1b\n\t"
            "vmov %q[a][2], %q[a][0], r0, r4\n\t"
            "vmov %q[a][3], %q[a][1], r2, r6\n\t"
            "vmov %q[b][2], %q[b][0], r8, r12\n\t"
            "vmov %q[b][3], %q[b][1], r10, lr"
            : [a] "=&w"(sums0), [b] "=&w"(sums1), [x0] "+r"(x0), [x1] "+r"(x1),
              [w] "+r"(weights), [bias] "+r"(bias)
            : [n] "m"(vectors)
            : "q0", "q1", "q2", "q3", "r0", "r2", "r4", "r6", "r8", "r10", "r12", "lr", "cc",
              "memory");
    *a = sums0;
    *b = sums1;
    return weights;
}
#else
static inline const int8_t *dot_lanes_pair(lanes4 *a, lanes4 *b, const int8_t *x0, const int8_t *x1,
                                   const int8_t *weights, const int32_t *bias, int32_t vectors)
{
    *a = *b = load_lanes(bias);
    for (int32_t n = 0; n < vectors; n++, x0 += 16, x1 += 16) {
        for (int32_t i = 0; i < 4; i++) {
            for (int32_t k = 0; k < 16; k++) {
                a->lane[i] += x0[k] * *weights;
                b->lane[i] += x1[k] * *weights++;
            }
        }
    }
    return weights;
}
#endif

/* floor((x * m + nudge * 2^16) / 2^31) for any int32 x, 0 <= m < 2^31, nudge <= 2^14, without a
 * 64-bit product. With x = xh * 2^16 + xl and m = mh * 2^16 + ml (xl, ml, mh >= 0), x * m / 2^16 is
 *     xh * mh * 2^16 + xh * ml + xl * mh + xl * ml / 2^16
 * and what the last floor drops cannot carry, the nudge being a multiple of 2^16. xh * ml fits an
 * int32 but its sum with xl * mh may not: its upper part leaves first, the rest stays below
 * 65535 * 32767 + 65534 + 32767 + 2^14 < 2^32. (>> of a negative int32 is arithmetic.) */
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
static inline int32_t requantise(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0)
        x = (int32_t)((uint32_t)x << shift);
    const int32_t y = multiply_high(x, multiplier, 1u << 14);
    /* y + half - (y < 0), halved last so that it cannot overflow; ~shift is the shift less one. */
    return shift < 0 ? (((y + (y >> 31)) >> ~shift) + 1) >> 1 : y;
}

/* Four sums in the output's scale, rounded twice as TensorFlow Lite Micro does: the doubled high
 * half of the product, halves up, then a right shift by at least 1, halves away from zero (less 1
 * where it is negative, halves up). stage[4] to [7] are the multipliers, [8] to [11] the shifts. */
#if defined(__ARM_FEATURE_MVE)
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    x = vqrdmulhq_s32(x, vldrwq_s32(stage + 4));
    x = vaddq_s32(x, vshrq_n_s32(x, 31));
    return vrshlq_s32(x, vldrwq_s32(stage + 8));
}
#else
static inline lanes4 rescale_lanes(lanes4 x, const int32_t *stage)
{
    for (int32_t i = 0; i < 4; i++)
        x.lane[i] = requantise(x.lane[i], stage[4 + i], stage[8 + i]);
    return x;
}
#endif

/* What a step does to scaled accumulators: clamps them, before the zero point is added so that the
 * sum cannot overflow. `lanes`: how many of the channels computed at once are stored. */
struct output { int32_t min, max, zero_point, lanes; };

static inline int8_t to_output(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

/* y[i] = x[i], clamped before the zero point is added. */
#if defined(__ARM_FEATURE_MVE)
static inline void store_lanes(int8_t *y, lanes4 x, const struct output *output)
{
    x = vminq_s32(vmaxq_s32(x, vdupq_n_s32(output->min)), vdupq_n_s32(output->max));
    vstrbq_s32(y, vaddq_n_s32(x, output->zero_point));
}
#else
static inline void store_lanes(int8_t *y, lanes4 x, const struct output *output)
{
    for (int32_t i = 0; i < 4; i++)
        y[i] = to_output(x.lane[i], output);
}
#endif

/* n > 0 bytes, 16 at a time and no more than n. */
#if defined(__ARM_FEATURE_MVE)
static inline void copy_bytes(int8_t *to, const int8_t *from, int32_t n)
{
    __asm__ volatile("dlstp.8 lr, %[n]\n"
                     "1:\n\t"
                     "vldrb.8 q0, [%[from]], #16\n\t"
                     "vstrb.8 q0, [%[to]], #16\n\t"
                     "letp lr, 1b"
                     : [to] "+r"(to), [from] "+r"(from)
                     : [n] "r"(n)
                     : "q0", "lr", "memory");
}
#else
static inline void copy_bytes(int8_t *to, const int8_t *from, int32_t n)
{
    memcpy(to, from, (size_t)n);
}
#endif

struct window {
    int32_t in_h, in_w, in_c, kernel_h, kernel_w, dilation_h, dilation_w, zero_point;
};

/* The pixels under the taps of a window whose first tap is at (y, x), side by side: those outside
 * of the image are the zero point. */
BONSAI_SHARED void gather_patch(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                const struct window *window)
{
    const int32_t in_w = window->in_w, in_c = window->in_c, kernel_w = window->kernel_w;
    const int32_t dilation_w = window->dilation_w;
    const int32_t row_bytes = kernel_w * in_c;
    const int32_t whole = dilation_w == 1 && x >= 0 && x + kernel_w <= in_w;
    for (int32_t ky = window->kernel_h; ky > 0; ky--, y += window->dilation_h) {
        const int32_t inside = y >= 0 && y < window->in_h;
        const int8_t *const row = image + y * in_w * in_c;
        if (inside && whole) {
            copy_bytes(to, row + x * in_c, row_bytes);
            to += row_bytes;
            continue;
        }
        for (int32_t kx = 0, ix = x; kx < kernel_w; kx++, ix += dilation_w, to += in_c) {
            if (inside && ix >= 0 && ix < in_w)
                copy_bytes(to, row + ix * in_c, in_c);
            else
                memset(to, window->zero_point, (size_t)in_c);
        }
    }
}

struct conv2d_s8_mve_args {
    const int8_t *weights;
    const int32_t *stage;
    uint8_t vectors;
    uint8_t in_h;
    uint8_t in_w;
    uint8_t in_c;
    uint8_t out_h;
    uint8_t out_w;
    uint8_t out_c;
};

/* Two pixels of a row at a time: what lies under the window of each is gathered in scratch, where it
 * is filled up to whole vectors, then multiplied with all filters, four at a time.
 * Where channels are not a multiple of four, the last four overlap the four before.
 * The input's zero point is folded into the biases; the weights that fill up are 0. */
static void conv2d_s8_mve(const int8_t *in, int8_t *out, int8_t *scratch,
                          const struct conv2d_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3, 4 };
    const int32_t in_c = args->in_c, out_w = args->out_w, out_c = args->out_c, vectors = args->vectors;
    const struct window window = { args->in_h, args->in_w, in_c, 3, 3,
                                   1, 1, 3 };
    const int32_t pad_left = 1, stride_w = 2;
    int8_t *const patch0 = scratch, *const patch1 = scratch + 16 * vectors;

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < args->out_h; oy++) {
            for (int32_t ox = 0; ox < out_w; ox += 2) {
                /* The last of an odd number is computed twice. */
                const int32_t next = ox + 1 < out_w ? 1 : 0;
                const int32_t y = oy * 2 - 1, x = ox * stride_w - pad_left;
                gather_patch(patch0, in, y, x, &window);
                gather_patch(patch1, in, y, x + next * stride_w, &window);
                const int8_t *weights = args->weights;
                const int32_t *stage = args->stage;
                for (int32_t c = 0; c < out_c; c += 4, stage += 12) {
                    lanes4 sums0, sums1;
                    weights = dot_lanes_pair(&sums0, &sums1, patch0, patch1, weights, stage,
                                             vectors);
                    sums0 = rescale_lanes(sums0, stage);
                    sums1 = rescale_lanes(sums1, stage);
                    int8_t *const to = out + (c + 4 > out_c ? out_c - 4 : c);
                    store_lanes(to, sums0, &output);
                    store_lanes(to + next * out_c, sums1, &output);
                }
                out += (1 + next) * out_c;
            }
        }
        in += window.in_h * window.in_w * in_c;
    }
}

static const struct conv2d_s8_mve_args model_conv2d_0_args BONSAI_FLASH = {
    .weights = model_conv2d_0_weights, .stage = model_conv2d_0_stage, .vectors = 2, .in_h = 9,
    .in_w = 9, .in_c = 3, .out_h = 5, .out_w = 5, .out_c = 8,
};

static const struct conv2d_s8_mve_args model_conv2d_1_args BONSAI_FLASH = {
    .weights = model_conv2d_1_weights, .stage = model_conv2d_1_stage, .vectors = 5, .in_h = 5,
    .in_w = 5, .in_c = 8, .out_h = 3, .out_w = 3, .out_c = 6,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,5,5,8]  3x3 stride 2 pad 1,1,1,1
     * kernel mve/conv2d (test; 5400 MAC); scratch 64 B at 0x01bc; arena in 0x0000, out 0x00f4 */
    case 0:
        conv2d_s8_mve(arena + 0x0000, arena + 0x00f4, arena + 0x01bc, &model_conv2d_0_args);
        break;
    /* conv2d_1: "conv2d_1"  s8 [1,5,5,8] -> [1,3,3,6]  3x3 stride 2 pad 1,1,1,1
     * kernel mve/conv2d (test; 3888 MAC); scratch 160 B at 0x0234; arena in 0x00f4, out 0x01fc */
    case 1:
        conv2d_s8_mve(arena + 0x00f4, arena + 0x01fc, arena + 0x0234, &model_conv2d_1_args);
        break;
    default:
        break;
    }
}
