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

/* Operands of gathered_filters. For each filter stage holds the number of vectors after its first,
 * its bias, multiplier and shift. Byte offsets reach a near window. A far window is computed in
 * steps of `step` bytes: the number is then doubled, and odd if no step follows; before the
 * vectors of each further step a byte holds the same for its vectors. Assembly reads the fields at
 * fixed offsets. */
struct gathered {
    const int8_t *x[4];
    const int8_t *weights;
    const int32_t *stage;
    int8_t *out;
    int32_t pairs; /* At least 1. */
    struct output output;
    int32_t step;
    uint16_t offsets[8];
    int32_t pixels; /* Pixels for which the offsets hold. */
};

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

struct strip { int32_t in_h, in_w, in_c, lines, columns, zero_point; };

/* Copies a piece of the image from (y, x), line by line; outside the image it is the zero point. */
BONSAI_SHARED void gather_strip(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                const struct strip *strip)
{
    const int32_t in_w = strip->in_w, in_c = strip->in_c, columns = strip->columns;
    int32_t top = 0, bottom = strip->lines, left = 0, right = columns;
    clip_taps(y, 1, strip->in_h, &top, &bottom);
    clip_taps(x, 1, in_w, &left, &right);
    if (bottom - top < strip->lines || right - left < columns)
        fill_bytes(to, strip->zero_point, strip->lines * columns * in_c);
    if (top < bottom && left < right)
        copy_rows(to + (top * columns + left) * in_c, columns * in_c, image +
                  ((y + top) * in_w + x + left) * in_c, in_w * in_c, bottom - top, (right - left) *
                  in_c);
}

/* Output pixels in the order of memory: `left` in total, `column` in this row, `width` in the
 * others. `x` is the start of the next pixel's window; it moves by pixel_step bytes, or by
 * row_step from the last pixel of a row to the first of the next. */
struct pixel_walk { const int8_t *x; int32_t left, column, width, pixel_step, row_step; };

/* The windows of the next four pixels. If fewer are left, the last one is repeated. */
BONSAI_SHARED void gathered_pixels(struct gathered *m, struct pixel_walk *walk, int32_t out_c)
{
    const int8_t *x = walk->x;
    int32_t left = walk->left, column = walk->column;
    const int32_t count = left < 4 ? left : 4;
    if (count != m->pixels) {
        m->pixels = count;
        for (int32_t i = 0, at = 0; i < 4; i++) {
            m->offsets[2 * i] = (uint16_t)at;
            m->offsets[2 * i + 1] = (uint16_t)(at + 1);
            at += i + 1 < count ? out_c : 0;
        }
    }
    for (int32_t i = 0; i < 4; i++) {
        m->x[i] = x;
        if (--left <= 0)
            continue;
        x += walk->pixel_step;
        if (--column == 0) {
            column = walk->width;
            x += walk->row_step - walk->pixel_step;
        }
    }
    walk->x = x;
    walk->left = left;
    walk->column = column;
}

/* A field lies where the assembly below reads it. */
#define BONSAI_PLACE(type, field, bytes) \
    __extension__ _Static_assert(offsetof(struct type, field) == bytes, #field)

/* A function of assembly alone. GCC would copy one for calls with constant arguments, and pass the
 * copy fewer of them. */
#if defined(__clang__)
#define BONSAI_NAKED static __attribute__((naked, noinline))
#else
#define BONSAI_NAKED static __attribute__((naked, noinline, noclone))
#endif

#if !defined(BONSAI_MVE)
/* The sums of a filter for four pixels. Advances m->weights. */
static inline void gathered_sums(uint32_t *sums, struct gathered *m)
{
    int32_t vectors = 1 + m->stage[0];
    for (int32_t i = 0; i < 4; i++)
        sums[i] = (uint32_t)m->stage[1];
    for (; vectors > 0; vectors--, m->weights += 32) {
        for (int32_t k = 0; k < 16; k++) {
            for (int32_t i = 0; i < 4; i++)
                sums[i] += (uint32_t)(m->x[i][(uint8_t)m->weights[k]] * m->weights[16 + k]);
        }
    }
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

/* The int8 output of a scaled accumulator. */
static inline int8_t to_int8(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

/* Multiplies four pixels by the nonzero weights of filters, two filters at a time: vectors of 16
 * offsets and 16 weights, with inputs gathered from x[i] + offset. Stores an output at out +
 * offsets[2 * pixel + filter]. Advances weights, stage and out. */
#if defined(BONSAI_MVE)

BONSAI_PLACE(gathered, x, 0);
BONSAI_PLACE(gathered, weights, 16);
BONSAI_PLACE(gathered, stage, 20);
BONSAI_PLACE(gathered, out, 24);
BONSAI_PLACE(gathered, pairs, 28);
BONSAI_PLACE(gathered, output, 32);
BONSAI_PLACE(gathered, step, 48);
BONSAI_PLACE(gathered, offsets, 52);

/* r0, r2, r4, r6: sums; r1, r3, r5, r7: x; r8: weights; r9: stage; r10: out; r11: pairs; r12:
 * step; q0: offsets; q1: weights; q2: inputs, sums; q3: results of two filters; q4: their offsets;
 * q5 to q7: the output stage. */
BONSAI_NAKED __attribute__((aligned(4))) void
gathered_filters(__attribute__((unused)) struct gathered *m)
{
    __asm__(".syntax unified\n"
            "push {r0, r4-r11, lr}\n"
            "vpush {d8-d15}\n"
            "ldm r0!, {r1, r3, r5, r7, r8, r9, r10, r11}\n"
            "push {r1, r3, r5, r7}\n"
            "ldm r0!, {r2, r4, r6, r12}\n"
            "vdup.16 q5, r2\n"
            "vdup.16 q6, r4\n"
            "vdup.16 q7, r6\n"
            "ldr r12, [r0], #4\n"
            "vldrh.16 q4, [r0]\n"
            "ldr lr, [r9], #4\n"
            "1:\n"
            /* The first of two filters. */
            "vldrb.8 q0, [r8], #16\n"
            "vldrb.8 q1, [r8], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladav.s8 r0, q2, q1\n"
            "vldrb.u8 q2, [r3, q0]\n"
            "vmladav.s8 r2, q2, q1\n"
            "vldrb.u8 q2, [r5, q0]\n"
            "vmladav.s8 r4, q2, q1\n"
            "vldrb.u8 q2, [r7, q0]\n"
            "vmladav.s8 r6, q2, q1\n"
            "wls lr, lr, 102f\n"
            "101:\n"
            "vldrb.8 q0, [r8], #16\n"
            "vldrb.8 q1, [r8], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r0, q2, q1\n"
            "vldrb.u8 q2, [r3, q0]\n"
            "vmladava.s8 r2, q2, q1\n"
            "vldrb.u8 q2, [r5, q0]\n"
            "vmladava.s8 r4, q2, q1\n"
            "vldrb.u8 q2, [r7, q0]\n"
            "vmladava.s8 r6, q2, q1\n"
            "le lr, 101b\n"
            "102:\n"
            "vmov q2[2], q2[0], r0, r4\n"
            "vmov q2[3], q2[1], r2, r6\n"
            "ldm r9!, {r0, r2, r4, lr}\n"
            "vadd.i32 q2, q2, r0\n"
            "vqrdmulh.s32 q2, q2, r2\n"
            "vshr.s32 q0, q2, #31\n"
            "vadd.i32 q2, q2, q0\n"
            "vrshl.s32 q2, r4\n"
            "vqmovnb.s32 q3, q2\n"
            /* The second one. */
            "vldrb.8 q0, [r8], #16\n"
            "vldrb.8 q1, [r8], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladav.s8 r0, q2, q1\n"
            "vldrb.u8 q2, [r3, q0]\n"
            "vmladav.s8 r2, q2, q1\n"
            "vldrb.u8 q2, [r5, q0]\n"
            "vmladav.s8 r4, q2, q1\n"
            "vldrb.u8 q2, [r7, q0]\n"
            "vmladav.s8 r6, q2, q1\n"
            "wls lr, lr, 102f\n"
            "101:\n"
            "vldrb.8 q0, [r8], #16\n"
            "vldrb.8 q1, [r8], #16\n"
            "vldrb.u8 q2, [r1, q0]\n"
            "vmladava.s8 r0, q2, q1\n"
            "vldrb.u8 q2, [r3, q0]\n"
            "vmladava.s8 r2, q2, q1\n"
            "vldrb.u8 q2, [r5, q0]\n"
            "vmladava.s8 r4, q2, q1\n"
            "vldrb.u8 q2, [r7, q0]\n"
            "vmladava.s8 r6, q2, q1\n"
            "le lr, 101b\n"
            "102:\n"
            "vmov q2[2], q2[0], r0, r4\n"
            "vmov q2[3], q2[1], r2, r6\n"
            "ldm r9!, {r0, r2, r4, lr}\n"
            "vadd.i32 q2, q2, r0\n"
            "vqrdmulh.s32 q2, q2, r2\n"
            "vshr.s32 q0, q2, #31\n"
            "vadd.i32 q2, q2, q0\n"
            "vrshl.s32 q2, r4\n"
            "vqmovnt.s32 q3, q2\n"
            "vmax.s16 q3, q3, q5\n"
            "vmin.s16 q3, q3, q6\n"
            "vadd.i16 q3, q3, q7\n"
            "vstrb.16 q3, [r10, q4]\n"
            "add r10, #2\n"
            "subs r11, #1\n"
            "bne 1b\n"
            "sub r9, #4\n"
            "add sp, #16\n"
            "vpop {d8-d15}\n"
            "pop {r0}\n"
            "add r0, #16\n"
            "stm r0, {r8, r9, r10}\n"
            "pop {r4-r11, pc}\n");
}

#else

static void gathered_filters(struct gathered *m)
{
    for (; m->pairs > 0; m->pairs--, m->out += 2) {
        for (int32_t half = 0; half < 2; half++, m->stage += 4) {
            uint32_t sums[4];
            gathered_sums(sums, m);
            for (int32_t i = 0; i < 4; i++) {
                const int32_t x = requantize((int32_t)sums[i], m->stage[2], m->stage[3]);
                m->out[m->offsets[2 * i + half]] = to_int8(x, &m->output);
            }
        }
    }
}

#endif

/* The image under a tile of pixels is copied to scratch with its padding; then four pixels at a
 * time are multiplied by the nonzero weights, with inputs gathered from there. The input's zero
 * point is folded into the biases. */
static void sparse_conv2d_s8_mve(const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct strip strip = { 9, 9, 3, 7, 11, 3 };
    const int32_t out_h = 9, out_w = 9, out_c = 7;
    const int32_t rows = 5, tile = 9;
    struct gathered gathered = {
        .output = { -131, 124, 3, 4 },
        .step = 0,
    };

    for (int32_t batch = 1; batch > 0; batch--) {
        for (int32_t oy = 0; oy < out_h; oy += rows) {
            for (int32_t ox = 0; ox < out_w; ox += tile) {
                const int32_t width = ox + tile < out_w ? tile : out_w - ox;
                const int32_t count = (oy + rows < out_h ? rows : out_h - oy) * width;
                struct pixel_walk walk = { scratch, count, width, width, 3, 33 - (width - 1) * 3 };
                gather_strip(scratch, in, oy - 1, ox - 1, &strip);
                for (int32_t i = 0; i < count; i += 4) {
                    gathered_pixels(&gathered, &walk, out_c);
                    gathered.weights = model_conv2d_0_weights;
                    gathered.stage = model_conv2d_0_stage;
                    gathered.out = out + i * out_c;
                    if (out_c > 1) {
                        gathered.pairs = out_c / 2;
                        gathered_filters(&gathered);
                    }
                    if (out_c % 2 != 0) {
                        /* The last one is paired with itself. */
                        gathered.pairs = 1;
                        gathered.pixels = 0;
                        for (int32_t k = 0; k < 8; k += 2)
                            gathered.offsets[k + 1] = gathered.offsets[k];
                        gathered_filters(&gathered);
                    }
                }
                out += count * out_c;
            }
        }
        in += strip.in_h * strip.in_w * strip.in_c;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s8 [1,9,9,3] -> [1,9,9,7]  3x3 pad 1,1,1,1
     * mve/sparse_conv2d, 15309 MAC: test */
    case 0:
        sparse_conv2d_s8_mve(arena + 0x0000, arena + 0x00f4, arena + 0x032c);
        break;
    default:
        break;
    }
}
