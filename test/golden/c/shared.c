/// BONSAI_FLASH
/* The place of constant tables: define it as your compiler's section attribute. Empty: .rodata. */
#ifndef BONSAI_FLASH
#define BONSAI_FLASH
#endif

/// BONSAI_SHARED
/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif


/// filters
/* Filters, four output channels at a time. Assembly reads the fields at fixed offsets. */
struct filters {
    const uint32_t *weights;
    const uint32_t *full; /* End of the groups that share no channels... */
    const uint32_t *end;  /* ... and of all groups; the last one may compute channels again. */
    const int32_t *stage; /* Per group: four biases, then the output stage of each channel. */
    int32_t steps;
    int32_t offset; /* For finish_linear. */
    int32_t back;   /* Channels that the last group computes again. */
};

/// load_word
/* Four bytes from any address, little-endian. */
static inline uint32_t load_word(const int8_t *from)
{
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/// widen_wide
/* Widens n int8 to int16, times 256, two in a word, words `step` apart: of each four, bytes 0 and
 * 2, then 1 and 3; fewer than four in their order. */
static inline uint32_t *widen_wide(uint32_t *to, int32_t step, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, from += 4, to += 2 * step) {
        const uint32_t bytes = load_word(from);
        to[0] = bytes << 8 & 0xff00ff00u;
        to[step] = bytes & 0xff00ff00u;
    }
    for (; n > 0; n -= 2, from += 2, to += step) {
        const int8_t next = n > 1 ? from[1] : 0;
        *to = (uint32_t)(uint8_t)from[0] << 8 | (uint32_t)next << 24;
    }
    return to;
}

/// BONSAI_PLACE
/* A field lies where the assembly below reads it. */
#define BONSAI_PLACE(type, field, bytes) \
    __extension__ _Static_assert(offsetof(struct type, field) == bytes, #field)

/// BONSAI_NAKED
/* A function of assembly alone. GCC would copy one for calls with constant arguments, and pass the
 * copy fewer of them. */
#if defined(__clang__)
#define BONSAI_NAKED static __attribute__((naked, noinline))
#else
#define BONSAI_NAKED static __attribute__((naked, noinline, noclone))
#endif

/// smlad
/* sum + both products of the 16-bit halves of a and b. The sum wraps. */
static inline int32_t smlad(uint32_t a, uint32_t b, int32_t sum)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    const int32_t low = (int16_t)a * (int16_t)b, high = (int16_t)(a >> 16) * (int16_t)(b >> 16);
    return (int32_t)((uint32_t)sum + (uint32_t)low + (uint32_t)high);
#endif
}

/// multiply_sums
#if !defined(__ARM_FEATURE_DSP)
/* The sums of four channels over one pixel, whose words are x_step apart. */
static inline void multiply_sums(int32_t sums[4], const int32_t *biases, const uint32_t *x,
                                 int32_t x_step, const uint32_t *w, int32_t steps)
{
    for (int32_t i = 0; i < 4; i++)
        sums[i] = biases[i];
    for (; steps > 0; steps--, x += x_step, w += 4) {
        for (int32_t i = 0; i < 4; i++)
            sums[i] = smlad(w[i], *x, sums[i]);
    }
}
#endif

/// smmlar
/* sum + the upper half of the 64-bit product, rounded: halves up. */
static inline int32_t smmlar(int32_t a, int32_t b, int32_t sum)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("smmlar %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return sum + (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

/// saturate8
/* x saturated to int8. */
static inline int8_t saturate8(int32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    __asm__("ssat %0, #8, %0" : "+r"(x));
    return (int8_t)x;
#else
    return (int8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
#endif
}

/// finish_twice
/* The int8 output of 256 times an accumulator, rounded twice as TensorFlow Lite Micro does: the
 * doubled high half of the product, halves up, then a right shift, halves away from zero. `offset`
 * is half of the shifted-out range plus the output's zero point. */
static inline int8_t finish_twice(int32_t acc, int32_t multiplier, int32_t offset, int32_t shift)
{
    const int32_t y = smmlar(acc >> 7, multiplier, 0);
    return saturate8((y + (y >> 31) + offset) >> shift);
}

/// sxtb16
/* Bytes 0 and 2 as two int16. */
static inline uint32_t sxtb16(uint32_t x)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t lanes;
    __asm__("sxtb16 %0, %1" : "=r"(lanes) : "r"(x));
    return lanes;
#else
    return (uint32_t)(uint16_t)(int8_t)x | (uint32_t)(uint16_t)(int8_t)(x >> 16) << 16;
#endif
}

/// finish_linear
/* The int8 output of 256 times an accumulator, by one multiplication. Its constants are proved,
 * threshold by threshold, to round as TensorFlow Lite does. */
static inline int8_t finish_linear(int32_t acc, int32_t multiplier, int32_t offset)
{
    const int32_t y = smmlar(acc, multiplier, offset);
#if defined(__ARM_FEATURE_DSP)
    int32_t saturated;
    __asm__("ssat %0, #8, %1, asr #8" : "=r"(saturated) : "r"(y));
    return (int8_t)saturated;
#else
    return saturate8(y >> 8);
#endif
}

/// BONSAI_SHARED, another 2
/* A helper that kernels share: never inlined, so that its loop has all registers. */
#ifndef BONSAI_SHARED
#ifdef __GNUC__
#define BONSAI_SHARED static __attribute__((noinline))
#else
#define BONSAI_SHARED static
#endif
#endif

/// max_bytes
/* The larger of each pair of signed bytes. */
static inline uint32_t max_bytes(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP)
    uint32_t largest;
    /* SSUB8 notes for each byte whether a - b, before it wraps, is 0 or more; SEL takes a there. */
    __asm__("ssub8 %0, %1, %2\n\t"
            "sel %0, %1, %2"
            : "=&r"(largest)
            : "r"(a), "r"(b)
            : "cc");
    return largest;
#else
    uint32_t largest = 0;
    for (int32_t bit = 0; bit < 32; bit += 8) {
        const uint32_t from = (int8_t)(a >> bit) < (int8_t)(b >> bit) ? b : a;
        largest |= from & (uint32_t)0xff << bit;
    }
    return largest;
#endif
}

/// max_spans
/* `count` runs of bytes side by side in the output; of each operand, runs have `skip` bytes between
 * them. */
struct max_spans { int32_t bytes, count, a_skip, b_skip; };

/// sparse
/* The nonzero weights, one output channel after the other. Assembly reads the fields at fixed
 * offsets.
 *
 * The stream of a channel: its first entry, the initial value of its sums, a jump, steps of one,
 * two or four entries, a word of constants, a jump, and so on until a jump is 0; then the other
 * constants of finish_linear, finish_twice or finish_once. An entry has 256 times a weight in its
 * lower half and the distance in bytes from the previous tap in its upper half. A block has four
 * weights, then the distance; or 256 times weights 0 and 2, then 1 and 3, then the distance from
 * the first tap. A jump leads into eight unrolled steps, so that exactly the steps before the next
 * jump remain. */
struct sparse {
    const int32_t *weights;
    const int32_t *end;
    int32_t offset; /* For finish_linear. */
    int32_t out_c;
};

/// sparse_add
#if !defined(__ARM_FEATURE_DSP)
/* Adds the products of an entry's column; returns its distance in taps. */
static inline int32_t sparse_add(int32_t *sums, const int16_t *column, const int32_t *w, int32_t n)
{
    const int32_t away = (int32_t)((uint32_t)*w >> 16) / 2;
    for (int32_t i = 0; i < n; i++)
        sums[i] = (int32_t)((uint32_t)sums[i] + (uint32_t)(column[away + i] * (int16_t)*w));
    return away;
}
#endif

/// sparse_pixels
/* Widens `tile` pixels, 4 or 8, by `widen`. Only `count` exist; the last one stands for the
 * others. */
static inline void sparse_pixels(uint32_t *to, int32_t tile,
                                 uint32_t *(*widen)(uint32_t *, int32_t, const int8_t *const[4]),
                                 const int8_t *in, int32_t count, int32_t in_c)
{
    for (int32_t first = 0; first < tile; first += 4) {
        const int8_t *pixels[4];
        for (int32_t i = 0; i < 4; i++)
            pixels[i] = in + (first + i < count ? first + i : count - 1) * in_c;
        widen(to + first / 2, in_c, pixels);
    }
}

/// BONSAI_PLACE, another 2
/* Multiplies a patch of the input by all filters, four output channels at a time. Outputs are
 * finished by finish_twice.
 *
 * For one pixel: a word of x holds two taps; the number of words is even.
 *
 * Weights as int16: group after group of four channels, in each step after step of two taps, in
 * each a word for each channel. x is 256 times the input. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_PLACE(filters, weights, 0);
BONSAI_PLACE(filters, full, 4);
BONSAI_PLACE(filters, end, 8);
BONSAI_PLACE(filters, stage, 12);
BONSAI_PLACE(filters, steps, 16);
BONSAI_PLACE(filters, offset, 20);
BONSAI_PLACE(filters, back, 24);

BONSAI_NAKED __attribute__((aligned(4))) void
multiply_row_twice(__attribute__((unused)) int8_t *y, __attribute__((unused)) const uint32_t *x,
                   __attribute__((unused)) const struct filters *m)
{
    /* r0: x; r1: weights; r2 and r3: four taps; r8 to r11: weights; r4 to r7: sums. The frame: 0
     * outputs, 8 x, 12 its end, 16 full, 20 end, 24 stage, 28 offset, 32 back, 36 where the first
     * round begins. */
    __asm__("push {r4-r11, lr}\n"
            "sub sp, sp, #44\n"
            "ldm r2, {r4-r10}\n"
            "str r0, [sp]\n"
            "add r11, r1, r8, lsl #2\n"
            "strd r1, r11, [sp, #8]\n"
            "lsr r8, r8, #1\n"
            "strd r5, r6, [sp, #16]\n"
            "strd r7, r9, [sp, #24]\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r8, r8, #0\n"
            "and r8, r8, #15\n"
            "mov r2, #44\n"
            "adr r3, 2f + 1\n"
            "mla r11, r8, r2, r3\n"
            "strd r10, r11, [sp, #32]\n"
            "mov r1, r4\n"
            "1: ldr r12, [sp, #24]\n"
            "ldmia r12!, {r4-r7}\n"
            "str r12, [sp, #24]\n"
            "ldr r0, [sp, #8]\n"
            "ldr pc, [sp, #36]\n"
            ".balign 4\n"
            "2:\n"
            ".rept 16\n"
            "ldrd r2, r3, [r0], #8\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r2, r4\n"
            "smlad r5, r9, r2, r5\n"
            "smlad r6, r10, r2, r6\n"
            "smlad r7, r11, r2, r7\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r3, r4\n"
            "smlad r5, r9, r3, r5\n"
            "smlad r6, r10, r3, r6\n"
            "smlad r7, r11, r3, r7\n"
            ".endr\n"
            "ldr r12, [sp, #12]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldr r12, [sp, #24]\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r4, r4, #7\n"
            "smmulr r4, r4, r0\n"
            "add r4, r4, r4, asr #31\n"
            "add r4, r4, r2\n"
            "asr r4, r4, r3\n"
            "ssat r4, #8, r4\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r5, r5, #7\n"
            "smmulr r5, r5, r0\n"
            "add r5, r5, r5, asr #31\n"
            "add r5, r5, r2\n"
            "asr r5, r5, r3\n"
            "ssat r5, #8, r5\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r6, r6, #7\n"
            "smmulr r6, r6, r0\n"
            "add r6, r6, r6, asr #31\n"
            "add r6, r6, r2\n"
            "asr r6, r6, r3\n"
            "ssat r6, #8, r6\n"
            "ldmia r12!, {r0, r2, r3}\n"
            "asr r7, r7, #7\n"
            "smmulr r7, r7, r0\n"
            "add r7, r7, r7, asr #31\n"
            "add r7, r7, r2\n"
            "asr r7, r7, r3\n"
            "ssat r7, #8, r7\n"
            "str r12, [sp, #24]\n"
            "ldr r0, [sp]\n"
            "strb r4, [r0], #1\n"
            "strb r5, [r0], #1\n"
            "strb r6, [r0], #1\n"
            "strb r7, [r0], #1\n"
            "str r0, [sp]\n"
            "ldr r12, [sp, #16]\n"
            "cmp r1, r12\n"
            "bne 1b\n"
            "ldr r12, [sp, #20]\n"
            "cmp r1, r12\n"
            "beq 4f\n"
            /* The last group steps back over computed channels. */
            "str r12, [sp, #16]\n"
            "ldrd r4, r5, [sp]\n"
            "ldr r12, [sp, #32]\n"
            "sub r4, r4, r12\n"
            "sub r5, r5, r12\n"
            "strd r4, r5, [sp]\n"
            "b 1b\n"
            "4: add sp, sp, #44\n"
            "pop {r4-r11, pc}\n");
}

#else

static void multiply_row_twice(int8_t *y, const uint32_t *x, const struct filters *m)
{
    const uint32_t *w = m->weights;
    const int32_t *stage = m->stage;
    for (const uint32_t *end = m->full;; end = m->end) {
        for (; w != end; w += 4 * m->steps, stage += 16) {
            int32_t sums[4];
            multiply_sums(sums, stage, x, 1, w, m->steps);
            for (int32_t i = 0; i < 4; i++)
                *y++ = finish_twice(sums[i], stage[4 + 3 * i], stage[5 + 3 * i], stage[6 + 3 * i]);
        }
        if (w == m->end)
            return;
        y -= m->back;
    }
}

#endif

/// BONSAI_MVE
/* Assembly for Helium, for GCC only: clang names its registers differently, and unoptimized code
 * leaves too few other registers. */
#if defined(__ARM_FEATURE_MVE) && defined(__OPTIMIZE__) && !defined(__clang__)
#include <arm_mve.h>
#define BONSAI_MVE
#endif

/// scale_operand
/* x * 2^20 * multiplier * 2^(-shift - 31), rounded twice as TensorFlow Lite does, for |x| <= 255
 * and 0 <= shift < 32. The first rounding is floor((x * multiplier + 2^10) / 2^11), computed here
 * with the two halves of the multiplier: |x| * 2^15 * 2^5 < 2^28, so no 64-bit product is needed.
 * The second rounding rounds halves away from zero. (>> of a negative int32 is arithmetic.) */
static inline int32_t scale_operand(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t high = x * (multiplier >> 16) * 32;
    const int32_t y = high + ((x * (multiplier & 0xffff) + 1024) >> 11);
    return shift == 0 ? y : (((y + (y >> 31)) >> (shift - 1)) + 1) >> 1;
}

/// multiply_high
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

/// requantize
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

/// output
/* The output stage: clamps scaled accumulators before it adds the zero point, so that the sum
 * cannot overflow. */
struct output { int32_t min, max, zero_point; };

/// load_lanes
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

/// rescale_lanes
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

/// store_lanes
/* Stores the first `count` of four bytes, or all if `count` is larger. */
#if defined(BONSAI_MVE)
static inline void store_lanes(int8_t *y, lanes4 x, int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpst\n\t"
                     "vstrbt.32 %q[x], [%[y]]"
                     :
                     : [y] "l"(y), [x] "w"(x), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes(int8_t *y, lanes4 x, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++)
        y[i] = (int8_t)x.lane[i];
}
#endif

/// clamp_lanes
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

/// window
struct window {
    int32_t in_h, in_w, in_c, kernel_h, columns, dilation_h, dilation_w, zero_point;
};

/// fill_bytes
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

/// clip_taps
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

/// take_plane
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

/// patches
/* Two patches of `vectors` times 16 bytes, at x and at x + next. */
struct patches { int32_t vectors; const int8_t *x; int32_t next; };

/// BONSAI_PLACE, another 3
/* Four filters by two patches: lane i of *a is bias i plus the sum of x[k] * weight k of filter i,
 * *b is the same for the second patch. The filters are interleaved in groups of 16 values.
 * Advances *weights and *stage.
 *
 * VMLADAVA accumulates in even registers only. Eight registers hold the sums; all else that the
 * loop needs is loaded into fixed registers, which leaves the compiler three, or two where it keeps
 * a frame pointer. It is volatile since no operand says that it reads the patches. */
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
    __asm__ volatile("ldm %[r1], {r1, r9, r11}\n\t"
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

/// store_lanes_pair
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

/// residual
/* The sum of a convolution's result and the residual, in the output's scale. Each value is looked
 * up (mid from tables[0], skip from tables[256], both starting at -128). The shifted sums were
 * proved to equal the operator's for every pair when the model was compiled. */
struct residual { const int32_t *tables; int32_t shift, min, max; };

/// add_residual
static inline int8_t add_residual(int32_t mid, int32_t skip, const struct residual *residual)
{
    const int32_t *tables = residual->tables;
    const int32_t sum = (tables[mid + 128] + tables[skip + 384]) >> residual->shift;
    const int32_t min = residual->min, max = residual->max;
    return (int8_t)(sum < min ? min : sum > max ? max : sum);
}

/// copy_rows
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

/// gather_columns
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

/// to_int8
/* The int8 output of a scaled accumulator. */
static inline int8_t to_int8(int32_t scaled, const struct output *output)
{
    const int32_t min = output->min, max = output->max;
    return (int8_t)((scaled < min ? min : scaled > max ? max : scaled) + output->zero_point);
}

/// requantize_wide
/* (x * multiplier + half) >> shift, for |x| < 2^47, a multiplier of 15 bits and 8 <= shift <= 46:
 * as TensorFlow Lite rounds 64-bit accumulators. */
static inline int32_t requantize_wide(int64_t x, int32_t multiplier, int32_t shift)
{
    return (int32_t)((x * multiplier + ((int64_t)1 << (shift - 1))) >> shift);
}

/// pad4
/* Like dot4, for taps outside the image, which all have the same value. */
BONSAI_SHARED void pad4(int32_t acc[4], int32_t value, const uint32_t *w, int32_t n)
{
    for (; n > 0; n--) {
        const uint32_t word = *w++;
        acc[0] += value * (int8_t)word;
        acc[1] += value * (int8_t)(word >> 8);
        acc[2] += value * (int8_t)(word >> 16);
        acc[3] += value * (int8_t)(word >> 24);
    }
}

/// dot4
/* acc[i] += sum of x[k] * lane i of w[k], k < n. A word of w holds one weight of each of four
 * output channels, lane 0 lowest. One load and six shifts give four signed bytes; separate signed
 * byte loads would take an index register and two cycles each. */
BONSAI_SHARED void dot4(int32_t acc[4], const int8_t *x, const uint32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int8_t *const end = x + n; x != end; x++) {
        const int32_t value = *x;
        const uint32_t word = *w++;
        acc0 += value * (int8_t)word;
        acc1 += value * (int8_t)(word >> 8);
        acc2 += value * (int8_t)(word >> 16);
        acc3 += value * (int8_t)(word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/// output4
/* The output stage of four channels that are computed at once, of which `lanes` are stored. */
struct output4 {
    struct output each;
    int32_t lanes;
};

/// store4
/* y[i] = acc[i] in the output's scale, for each stored lane. `stage` holds the bias, multiplier
 * and shift of each lane. */
BONSAI_SHARED void store4(int8_t *y, const int32_t acc[4], const int32_t *stage,
                          const struct output4 *output)
{
    for (int32_t i = 0; i < output->lanes; i++, stage += 3)
        y[i] = to_int8(requantize(acc[i], stage[1], stage[2]), &output->each);
}

/// dot_few
/* acc[i] += sum of x[k] * w[i * depth + k], k < n, i < count. */
BONSAI_SHARED void dot_few(int32_t *acc, const int8_t *x, const int8_t *w, int32_t n, int32_t depth,
                           int32_t count)
{
    for (const int32_t *const end = acc + count; acc != end; acc++, w += depth) {
        const int8_t *const x_end = x + n, *const w_end = w + n;
        int32_t sum = *acc, i = -n;
#if defined(__thumb__) && !defined(__thumb2__) && !defined(__OPTIMIZE_SIZE__)
        for (; (i & 3) != 0; i++)
            sum += x_end[i] * w_end[i];
        /* Four at a time take 7.5 cycles each; the compiler's loop takes 10. */
        if (i != 0) {
            int32_t a, b;
            __asm__(".syntax unified\n"
                    "1:\n"
                    ".rept 4\n"
                    "ldrsb %[a], [%[x], %[i]]\n ldrsb %[b], [%[w], %[i]]\n"
                    "muls %[a], %[b]\n adds %[sum], %[sum], %[a]\n adds %[i], %[i], #1\n"
                    ".endr\n"
                    "bne 1b\n"
                    : [sum] "+l"(sum), [i] "+l"(i), [a] "=&l"(a), [b] "=&l"(b)
                    : [x] "l"(x_end), [w] "l"(w_end)
                    : "cc", "memory");
        }
#else
        for (; i != 0; i++)
            sum += x_end[i] * w_end[i];
#endif
        *acc = sum;
    }
}

/// BONSAI_INLINE
/* A function that is always inlined into the kernel, so that its state stays in registers. */
#ifndef BONSAI_INLINE
#ifdef __GNUC__
#define BONSAI_INLINE static inline __attribute__((always_inline))
#else
#define BONSAI_INLINE static inline
#endif
#endif

/// fields
/* Fields of `width` bits, as many per word as fit, lowest first. The marker is the bit above the
 * last field. */
struct fields {
    const uint16_t *next;
    uint32_t held, mask, marker;
    int32_t width;
};

/// take_field
/* The next field. The following word is fetched even if it is unused; streams end with one. */
BONSAI_INLINE int32_t take_field(struct fields *f)
{
    const uint32_t field = f->held & f->mask;
    f->held >>= f->width;
    if (f->held == 1)
        f->held = *f->next++ | f->marker;
    return (int32_t)field;
}

/// take_gap
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

/// lane_window
struct lane_window {
    int32_t in_h, in_w, in_c, kernel_h, kernel_w, dilation_h, dilation_w, zero_point;
};

/// gather_lane
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

/// fields_at
BONSAI_INLINE struct fields fields_at(const uint16_t *words, int32_t width, int32_t marker)
{
    const struct fields fields = { words + 1, *words | (uint32_t)marker, (1u << width) - 1,
                                  (uint32_t)marker, width };
    return fields;
}

/// store_sums
/* Outputs of one channel of n pixels, `step` bytes apart, from their sums. `stage` holds the
 * channel's bias, multiplier and shift. */
BONSAI_SHARED void store_sums(int8_t *y, int32_t step, const int32_t *sums, const int32_t *stage,
                              int32_t n, const struct output *output)
{
    for (; n > 0; n--, y += step)
        *y = to_int8(requantize(*sums++ + stage[0], stage[1], stage[2]), output);
}

/// state_words
/* What the model remembers from one run to the next. */
static int32_t state_words[MODEL_STATE_BYTES / 4];
static int8_t *const state = (int8_t *)state_words;


/// exponential_rest
/* e^r - 1 for |r| <= ln 2 / 2: the power series to r^11. */
static inline double exponential_rest(double r)
{
    double sum = 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    return r * sum;
}

/// double_of_bits
/* The float64 of these bits. */
static inline double double_of_bits(uint64_t bits)
{
    const union {
        uint64_t bits;
        double value;
    } word = { bits };
    return word.value;
}

/// power_of_two
/* 2^k, k from -1022 to 1023. */
static inline double power_of_two(int32_t k)
{
    return double_of_bits((uint64_t)(1023 + k) << 52);
}

/// exponential
/* e^x - less, less 0 or 1, with an error below 2^-37: x = k * ln 2 + r. Where k is 0 nothing is
 * subtracted, so that small results keep their bits. Beyond -104 and 89 float32 has 0 and
 * infinity. */
static inline double exponential(double x, int32_t less)
{
    if (x != x)
        return x;
    const double y = x > 89.0 ? 89.0 : x < -104.0 ? -104.0 : x;
    const int32_t k = (int32_t)(y * 1.4426950408889634 + (y < 0.0 ? -0.5 : 0.5));
    const double r = y - k * 0.6931471803691238 - k * 1.9082149292705877e-10;
    const double rest = exponential_rest(r);
    return k == 0 ? rest + (1 - less) : (1.0 + rest) * power_of_two(k) - less;
}

/// real_exp
/* e^x. */
static inline float real_exp(float x)
{
    return (float)exponential((double)x, 0);
}

/// bits_of_float
/* The bits of a float32. */
static inline uint32_t bits_of_float(float value)
{
    const union {
        float value;
        uint32_t bits;
    } word = { value };
    return word.bits;
}

/// dot_rows
/* The sums of `groups` of four rows over one vector x of int16, two in a word. Of each group `w`
 * has the four values from which its sums begin, then for each of `steps` steps of four elements
 * the weights as int16: two words of the first two elements for each row, then those of the others.
 * x begins at a word. Returns the end of the groups. */
#if defined(__ARM_FEATURE_DSP)

BONSAI_NAKED __attribute__((aligned(4))) const int32_t *
dot_rows(__attribute__((unused)) int32_t *sums, __attribute__((unused)) const void *x,
         __attribute__((unused)) const int32_t *w, __attribute__((unused)) int32_t groups,
         __attribute__((unused)) int32_t steps)
{
    /* r0: x; r1: w; r2 and r3: four elements; r4 to r7: sums; r8 to r11: weights.
     * The frame: 0 sums, 4 x, 8 its end, 12 where the first round begins, 16 groups. */
    __asm__("push {r4-r11, lr}\n"
            "ldr r4, [sp, #36]\n"
            "sub sp, sp, #20\n"
            "strd r0, r1, [sp]\n"
            "add r5, r1, r4, lsl #3\n"
            /* The unrolled loop of 16 steps is entered late, so that all later rounds are whole. */
            "rsb r4, r4, #0\n"
            "and r4, r4, #15\n"
            "mov r6, #44\n"
            "adr r7, 2f + 1\n"
            "mla r6, r4, r6, r7\n"
            "strd r5, r6, [sp, #8]\n"
            "str r3, [sp, #16]\n"
            "mov r0, r1\n"
            "mov r1, r2\n"
            "1: ldmia r1!, {r4-r7}\n"
            "ldr pc, [sp, #12]\n"
            ".balign 4\n"
            "2:\n"
            ".rept 16\n"
            "ldrd r2, r3, [r0], #8\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r2, r4\n"
            "smlad r5, r9, r2, r5\n"
            "smlad r6, r10, r2, r6\n"
            "smlad r7, r11, r2, r7\n"
            "ldmia r1!, {r8-r11}\n"
            "smlad r4, r8, r3, r4\n"
            "smlad r5, r9, r3, r5\n"
            "smlad r6, r10, r3, r6\n"
            "smlad r7, r11, r3, r7\n"
            ".endr\n"
            "ldr r12, [sp, #8]\n"
            "cmp r0, r12\n"
            "bne 2b\n"
            "ldrd r2, r0, [sp]\n"
            "stmia r2!, {r4-r7}\n"
            "ldr r12, [sp, #16]\n"
            "str r2, [sp]\n"
            "subs r12, r12, #1\n"
            "str r12, [sp, #16]\n"
            "bne 1b\n"
            "mov r0, r1\n"
            "add sp, sp, #20\n"
            "pop {r4-r11, pc}\n");
}

#else

static const int32_t *dot_rows(int32_t *sums, const void *x, const int32_t *w, int32_t groups,
                               int32_t steps)
{
    for (; groups > 0; groups--, sums += 4) {
        const uint32_t *words = x;
        for (int32_t i = 0; i < 4; i++)
            sums[i] = *w++;
        for (int32_t left = 2 * steps; left > 0; left--, words++) {
            for (int32_t i = 0; i < 4; i++)
                sums[i] = smlad((uint32_t)*w++, *words, sums[i]);
        }
    }
    return w;
}

#endif

/// inverse_sqrt
/* 1 / sqrt(x) of an integer x >= 0, where 0 counts as 1: the result times 2^(shift - 31), as
 * TensorFlow Lite Micro computes it. x is taken to [1/4, 1) by pairs of bits; Newton and Raphson's
 * steps begin at 1 and come near 2 at most, whose cube is the one product that saturates. */
static inline int32_t inverse_sqrt(int32_t x, int32_t *shift)
{
    *shift = 0;
    if (x <= 1)
        return INT32_MAX;
    int32_t right = 11;
    for (; x >= 1 << 29; right++)
        x >>= 2;
    for (; x < 1 << 27; right--)
        x <<= 2;
    const int32_t half = ((x >> 1) + 1) >> 1;
    int32_t root = 1 << 28;
    for (int32_t step = 0; step < 5; step++) {
        const int32_t square = multiply_high(root, root, 1u << 14);
        const int32_t cube = multiply_high(square, root, 1u << 14);
        const int32_t long_cube = cube >= 1 << 25 ? INT32_MAX : cube << 6;
        root = (multiply_high(root, (1 << 28) + (1 << 27), 1u << 14) -
                multiply_high(half, long_cube, 1u << 14)) << 3;
    }
    root = multiply_high(root, 1518500250, 1u << 14);
    if (right < 0)
        return root << -right;
    *shift = -right;
    return root;
}

/// float_of_bits
/* The float32 of these bits: 0x7f800000 is infinity, 0x7fc00000 is no number. */
static inline float float_of_bits(uint32_t bits)
{
    const union {
        uint32_t bits;
        float value;
    } word = { bits };
    return word.value;
}

/// real_sqrt
/* The square root, rounded once: 25 bits of the root of an integer, bit by bit. No root of 24 bits
 * lies in the middle of two float32, as its square would have an odd number of bits below. */
static inline float real_sqrt(float x)
{
    if (x == 0.0f || x == float_of_bits(0x7f800000))
        return x;
    if (!(x > 0.0f))
        return float_of_bits(0x7fc00000);
    const uint32_t bits = bits_of_float(x);
    int32_t e = (int32_t)(bits >> 23);
    uint32_t m = bits & 0x7fffff;
    if (e == 0) {
        for (e = 1; m < 0x800000; e--)
            m *= 2;
    } else {
        m |= 0x800000;
    }
    /* x = m * 2^(e - 150); the power of what is left has to be even. */
    const uint64_t square = (uint64_t)m << (e % 2 == 0 ? 26 : 25);
    uint32_t root = 0;
    for (uint32_t bit = 1u << 24; bit != 0; bit >>= 1) {
        const uint32_t longer = root | bit;
        if ((uint64_t)longer * longer <= square)
            root = longer;
    }
    const int32_t power = (e - 150 - (e % 2 == 0 ? 26 : 25)) / 2 + 1;
    return float_of_bits(((uint32_t)(power + 149) << 23) + ((root + 1) >> 1));
}

/// reciprocal
/* 1 / (2 * half) in Q0.31, half from 1/2 to 1 in Q0.31, by three steps of Newton and Raphson: q ->
 * 1 / half in Q2.29. Every product has a nonnegative factor. */
static inline int32_t reciprocal(int32_t half)
{
    int32_t q = 1515870810 + multiply_high(-1010580540, half, 1u << 14);
    for (int32_t step = 0; step < 3; step++) {
        const int32_t error = (1 << 29) - multiply_high(half, q, 1u << 14);
        q += 4 * multiply_high(error, q, 1u << 14);
    }
    return q < 1 << 30 ? 2 * q : INT32_MAX;
}

/// bits_of_double
/* The bits of a float64. */
static inline uint64_t bits_of_double(double value)
{
    const union {
        double value;
        uint64_t bits;
    } word = { value };
    return word.bits;
}

/// normalize_double
/* x > 0 as the product of the result, between the square roots of 1/2 and 2, and 2^exponent. */
static inline double normalize_double(double x, int32_t *exponent)
{
    const uint64_t bits = bits_of_double(x);
    const double m = double_of_bits((bits & 0xfffffffffffff) | (uint64_t)1023 << 52);
    const int32_t e = (int32_t)(bits >> 52) - 1023;
    *exponent = m > 1.4142135623730951 ? e + 1 : e;
    return m > 1.4142135623730951 ? m / 2 : m;
}

/// logarithm_of_mantissa
/* The natural logarithm of m between the square roots of 1/2 and 2: with s = (m - 1) / (m + 1) the
 * power series 2 * (s + s^3 / 3 + s^5 / 5 ...) to s^17. */
static inline double logarithm_of_mantissa(double m)
{
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double sum = 1.0 / 17;
    sum = sum * z + 1.0 / 15;
    sum = sum * z + 1.0 / 13;
    sum = sum * z + 1.0 / 11;
    sum = sum * z + 1.0 / 9;
    sum = sum * z + 1.0 / 7;
    sum = sum * z + 1.0 / 5;
    sum = sum * z + 1.0 / 3;
    return 2.0 * s * (sum * z + 1.0);
}

/// real_log
/* The natural logarithm; minus infinity of 0, and no number below. */
static inline float real_log(float x)
{
    if (x == 0.0f)
        return float_of_bits(0xff800000);
    if (!(x > 0.0f))
        return float_of_bits(0x7fc00000);
    if (x == float_of_bits(0x7f800000))
        return x;
    int32_t e;
    const double m = normalize_double((double)x, &e);
    return (float)(e * 0.6931471803691238 + (e * 1.9082149292705877e-10 +
                                             logarithm_of_mantissa(m)));
}

/// BONSAI_THUMB1
/* Assembly for Armv6-M that needs r7, which is the frame pointer of clang and of unoptimized
 * code. */
#if defined(__thumb__) && !defined(__thumb2__) && defined(__OPTIMIZE__) && !defined(__clang__)
#define BONSAI_THUMB1
#endif

/// BONSAI_FRAMELESS
/* A function whose assembly needs r7 keeps no frame pointer there, whatever the options say. */
#if defined(BONSAI_THUMB1)
#define BONSAI_FRAMELESS __attribute__((optimize("omit-frame-pointer")))
#else
#define BONSAI_FRAMELESS
#endif

/// lane_of
#if !defined(BONSAI_THUMB1)
/* The lowest `bits` of a word, signed. */
static inline int32_t lane_of(uint32_t word, int32_t bits)
{
    return (int32_t)(word << (32 - bits)) >> (32 - bits);
}
#endif

/// lane_triple
#if !defined(BONSAI_THUMB1)
/* Lanes of 32-bit accumulators. A pair is one word, a + 2^16 b. A triple is two words, a + 2^21 b
 * and c + 2^11 b: the first has the low 11 bits of b, the second the other bits. */
static inline void lane_triple(int32_t lanes[3], uint32_t word0, uint32_t word1)
{
    const int32_t a = lane_of(word0, 21);
    const uint32_t low = (word0 - (uint32_t)a) >> 21;
    const uint32_t rest = word1 - (low << 11);
    const int32_t c = lane_of(rest, 22);
    lanes[0] = a;
    lanes[1] = (int32_t)low + ((int32_t)(rest - (uint32_t)c) >> 11);
    lanes[2] = c;
}
#endif

/// rescale_sums
/* int8 outputs of n > 0 sums, by two 32-bit multiplications each. For each channel `stage` holds
 * top, the outputs for sums below 0 (low byte) and above top (next byte), and high, low, shift and
 * offset. A sum a within 0 ... top becomes the upper byte of a * high + (a * low >> shift) +
 * offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_sums(int8_t *y, const int32_t *sums,
                                                 const int32_t *stage, int32_t n)
{
    int8_t *const end = y + n;
#if defined(BONSAI_THUMB1)
    __asm__ volatile(".syntax unified\n"
                     "1: ldm %[sums]!, {r4}\n"
                     "   ldm %[stage]!, {r5, r6}\n"
                     "   cmp r4, r5\n"
                     "   bhi 2f\n"
                     "   ldm %[stage]!, {r3, r5, r6, r7}\n"
                     "   muls r5, r4\n"
                     "   lsrs r5, r6\n"
                     "   muls r4, r3\n"
                     "   adds r4, r5\n"
                     "   adds r4, r7\n"
                     "   lsrs r4, #24\n"
                     "   strb r4, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "   b 4f\n"
                     "2: adds %[stage], #16\n"
                     "   cmp r4, #0\n"
                     "   blt 3f\n"
                     "   lsrs r6, #8\n"
                     "3: strb r6, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "4:\n"
                     : [y] "+l"(y), [sums] "+l"(sums), [stage] "+l"(stage)
                     : [end] "h"(end)
                     : "r3", "r4", "r5", "r6", "r7", "cc", "memory");
#else
    for (; y != end; stage += 6) {
        const uint32_t a = (uint32_t)*sums++, top = (uint32_t)stage[0];
        const uint32_t low = a * (uint32_t)stage[3] >> stage[4];
        const uint32_t inside = (a * (uint32_t)stage[2] + low + (uint32_t)stage[5]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[1] : stage[1] >> 8;
        *y++ = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

/// model_conv2d_0_routine
void model_conv2d_0_routine(const void *in, void *out, const void *args);
void model_conv2d_1_routine(const void *in, void *out, const void *args);

/// high_stage
/* An output channel: weights are multiplied by 2^scale, sums begin at `start`. */
struct high_stage {
    int32_t start, multiplier, first, last, scale, shift;
};

/// read_stage
static inline struct high_stage read_stage(const int32_t *stage)
{
    return (struct high_stage){
        .start = stage[0], .multiplier = stage[1], .first = (int8_t)stage[2],
        .last = stage[2] >> 8 & 255, .scale = stage[2] >> 16 & 255, .shift = stage[2] >> 24,
    };
}

/// high_output
/* The output of a scaled sum: the upper half of a product, shifted, counts outputs from the
 * first. */
static inline int8_t high_output(int32_t sum, const struct high_stage *stage)
{
    int32_t index = (int32_t)((int64_t)sum * stage->multiplier >> 32) >> stage->shift;
    if ((uint32_t)index > (uint32_t)stage->last)
        index = index < 0 ? 0 : stage->last;
    return (int8_t)(index + stage->first);
}

/// copy_bytes
/* Copies n bytes, by words if both pointers are aligned. */
BONSAI_SHARED BONSAI_FRAMELESS void copy_bytes(int8_t *to, const int8_t *from, int32_t n)
{
#if defined(BONSAI_THUMB1)
    if ((((uintptr_t)to | (uintptr_t)from) & 3) == 0 && n >= 16) {
        int8_t *const end = to + (n & ~15);
        n &= 15;
        __asm__ volatile("1: ldm %[from]!, {r4-r7}\n"
                         "   stm %[to]!, {r4-r7}\n"
                         "   cmp %[to], %[end]\n"
                         "   bne 1b\n"
                         : [to] "+l"(to), [from] "+l"(from)
                         : [end] "l"(end)
                         : "r4", "r5", "r6", "r7", "cc", "memory");
    }
#endif
    for (; n > 0; n--)
        *to++ = *from++;
}

/// input_window
struct input_window {
    int32_t in_h, in_w, in_c, kernel_h, kernel_w, dilation_h, dilation_w, zero_point;
};

/// gather_window
/* Copies the pixels under a window whose first tap is at (y, x); pixels outside the image are the
 * zero point. */
BONSAI_SHARED void gather_window(int8_t *to, const int8_t *image, int32_t y, int32_t x,
                                 const struct input_window *window)
{
    const int32_t in_w = window->in_w, in_c = window->in_c, dilation_w = window->dilation_w;
    /* Taps per copy. */
    const int32_t most = dilation_w == 1 ? window->kernel_w : 1;
    for (int32_t ky = 0; ky < window->kernel_h; ky++) {
        const int32_t iy = y + ky * window->dilation_h;
        const int32_t is_inside = iy >= 0 && iy < window->in_h;
        for (int32_t kx = 0, taps; kx < window->kernel_w; kx += taps) {
            const int32_t ix = x + kx * dilation_w;
            const int32_t left = window->kernel_w - kx < most ? window->kernel_w - kx : most;
            if (is_inside && ix >= 0 && ix < in_w) {
                taps = in_w - ix < left ? in_w - ix : left;
                copy_bytes(to, image + (iy * in_w + ix) * in_c, taps * in_c);
            } else {
                taps = is_inside && ix < 0 && -ix < left ? -ix : left;
                for (int32_t i = 0; i < taps * in_c; i++)
                    to[i] = (int8_t)window->zero_point;
            }
            to += taps * in_c;
        }
    }
}

/// pack_triples_4
/* Packs n values of three pixels into two words each, a + 2^21 b and c + 2^11 b, 4 words apart.
 * Returns where the next ones go. */
static inline int32_t *pack_triples_4(int32_t *to, const int8_t *a, const int8_t *b,
                                      const int8_t *c, int32_t n)
{
    int32_t v;
    for (; n >= 4; n -= 4) {
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 4;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 4;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 4;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 4;
    }
    for (; n > 0; n--) {
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 4;
    }
    return to;
}

/// pack_triples_2
/* Packs n values of three pixels into two words each, a + 2^21 b and c + 2^11 b, 2 words apart.
 * Returns where the next ones go. */
static inline int32_t *pack_triples_2(int32_t *to, const int8_t *a, const int8_t *b,
                                      const int8_t *c, int32_t n)
{
    int32_t v;
    for (; n >= 4; n -= 4) {
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 2;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 2;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 2;
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 2;
    }
    for (; n > 0; n--) {
        v = *b++;
        *to = *a++ + v * (1 << 21);
        to[1] = *c++ + v * (1 << 11);
        to += 2;
    }
    return to;
}

/// block_outputs
/* Where the outputs of up to four channels go: the first one's for the first pixel, behind the last
 * one's, bytes from pixel to pixel, and the channels' constants. */
struct block_outputs {
    int8_t *y, *end;
    int32_t step;
    const int32_t *constants;
};

/// BONSAI_RV32
#if defined(__riscv_mul) && __riscv_xlen == 32
#define BONSAI_RV32
#endif

/// high_outputs
/* Outputs of one channel of n pixels, `step` bytes apart. */
static inline void high_outputs(int8_t *y, int32_t step, const int32_t *sums,
                                const int32_t *constants, int32_t n)
{
    const struct high_stage stage = read_stage(constants);
    for (; n > 0; n--, y += step) {
        const int32_t scaled = (int32_t)((uint32_t)stage.start +
                                         ((uint32_t)*sums++ << stage.scale));
        *y = high_output(scaled, &stage);
    }
}

/// sum_output
/* The output of a sum; moves on to the next channel's constants. */
static inline int8_t sum_output(uint32_t sum, const int32_t **constants)
{
    const struct high_stage stage = read_stage(*constants);
    *constants += 3;
    return high_output((int32_t)((uint32_t)stage.start + (sum << stage.scale)), &stage);
}

/// model_fully_connected_0_routine
void model_fully_connected_0_routine(const void *in, void *out, const void *args);

/// rescale_sums_started
/* int8 outputs of n > 0 sums, by two 32-bit multiplications each. For each channel `stage` holds
 * the sum's start, top, the outputs for sums below 0 (low byte) and above top (next byte), and
 * high, low, shift and offset. A sum a within 0 ... top becomes the upper byte of a * high + (a *
 * low >> shift) + offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_sums_started(int8_t *y, const int32_t *sums,
                                                         const int32_t *stage, int32_t n)
{
    int8_t *const end = y + n;
#if defined(BONSAI_THUMB1)
    __asm__ volatile(".syntax unified\n"
                     "1: ldm %[sums]!, {r4}\n"
                     "   ldm %[stage]!, {r3, r5, r6}\n"
                     "   adds r4, r3\n"
                     "   cmp r4, r5\n"
                     "   bhi 2f\n"
                     "   ldm %[stage]!, {r3, r5, r6, r7}\n"
                     "   muls r5, r4\n"
                     "   lsrs r5, r6\n"
                     "   muls r4, r3\n"
                     "   adds r4, r5\n"
                     "   adds r4, r7\n"
                     "   lsrs r4, #24\n"
                     "   strb r4, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "   b 4f\n"
                     "2: adds %[stage], #16\n"
                     "   cmp r4, #0\n"
                     "   blt 3f\n"
                     "   lsrs r6, #8\n"
                     "3: strb r6, [%[y]]\n"
                     "   adds %[y], #1\n"
                     "   cmp %[y], %[end]\n"
                     "   bne 1b\n"
                     "4:\n"
                     : [y] "+l"(y), [sums] "+l"(sums), [stage] "+l"(stage)
                     : [end] "h"(end)
                     : "r3", "r4", "r5", "r6", "r7", "cc", "memory");
#else
    for (; y != end; stage += 6) {
        const uint32_t a = (uint32_t)*sums++ + (uint32_t)*stage++, top = (uint32_t)stage[0];
        const uint32_t low = a * (uint32_t)stage[3] >> stage[4];
        const uint32_t inside = (a * (uint32_t)stage[2] + low + (uint32_t)stage[5]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[1] : stage[1] >> 8;
        *y++ = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

/// row_s8_thumb1
/* The routine looks up the sums of each channel's products, in tables made of its weights. */
static void row_s8_thumb1(const int8_t *in, int8_t *out, int8_t *scratch)
{
    int32_t *const sums = (int32_t *)(void *)scratch;

    model_fully_connected_0_routine(in, sums, 0);
    rescale_sums_started(out, sums, model_fully_connected_0_stage, 10);
}

/// pack_pixels
/* Packs n values of three pixels into two words each, a + 2^21 b and c + 2^11 b, `step` words
 * apart. */
BONSAI_SHARED void pack_pixels(int32_t *to, const int8_t *a, const int8_t *b, const int8_t *c,
                               int32_t n, int32_t step)
{
#if defined(BONSAI_THUMB1) && !defined(__OPTIMIZE_SIZE__)
    /* With -Os GCC neither allocates high registers nor saves clobbered ones. */
    if ((((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) & 3) == 0 && n >= 4) {
        const int8_t *const end = a + (n & ~3);
        n &= 3;
        __asm__ volatile(".syntax unified\n"
                         "1: ldm %[a]!, {r2}\n"
                         "mov r5, %[b]\n ldm r5!, {r3}\n mov %[b], r5\n"
                         "mov r5, %[c]\n ldm r5!, {r4}\n mov %[c], r5\n"
                         "lsls r5, r3, #24\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #24\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #24\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #16\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #16\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #16\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #8\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #8\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #8\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "lsls r5, r3, #0\n asrs r5, #24\n lsls r5, #21\n"
                         "lsls r6, r2, #0\n asrs r6, #24\n adds r6, r5\n str r6, [%[to]]\n"
                         "lsls r6, r4, #0\n asrs r6, #24\n asrs r5, #10\n adds r6, r5\n"
                         "str r6, [%[to], #4]\n add %[to], %[step]\n"
                         "cmp %[a], %[end]\n"
                         "bne 1b\n"
                         : [to] "+l"(to), [a] "+l"(a), [b] "+h"(b), [c] "+h"(c)
                         : [end] "h"(end), [step] "h"(step * 4)
                         : "r2", "r3", "r4", "r5", "r6", "cc", "memory");
    }
#endif
    for (; n > 0; n--, to += step) {
        const uint32_t shared = (uint32_t)*b++ << 11;
        to[0] = (int32_t)((uint32_t)*a++ + (shared << 10));
        to[1] = (int32_t)((uint32_t)*c++ + shared);
    }
}

/// rescale_pixels
/* int8 outputs of one channel of n > 0 pixels, `step` bytes apart, by two 32-bit multiplications
 * each. `stage` holds the bias, top, the outputs for sums below 0 (low byte) and above top (next
 * byte), and high, low, shift and offset. A sum a within 0 ... top becomes the upper byte of a *
 * high + (a * low >> shift) + offset, as proved. */
BONSAI_SHARED BONSAI_FRAMELESS void rescale_pixels(int8_t *y, int32_t step, const int32_t *sums,
                                                   const int32_t *stage, int32_t n)
{
    const int32_t *const end = sums + n;
#if defined(BONSAI_THUMB1) && !defined(__OPTIMIZE_SIZE__)
    /* With -Os GCC neither allocates high registers nor saves clobbered ones. */
    __asm__ volatile(".syntax unified\n"
                     "   ldm %[stage]!, {r3, r4, r5}\n"
                     "   mov r8, r4\n"
                     "   mov r9, r5\n"
                     "   mov r10, r3\n"
                     "   ldm %[stage]!, {r3, r4, r5, r6}\n"
                     "1: ldm %[sums]!, {r7}\n"
                     "   add r7, r10\n"
                     "   cmp r7, r8\n"
                     "   bhi 3f\n"
                     "   movs %[stage], r7\n"
                     "   muls %[stage], r4\n"
                     "   lsrs %[stage], r5\n"
                     "   muls r7, r3\n"
                     "   adds r7, %[stage]\n"
                     "   adds r7, r6\n"
                     "   lsrs r7, #24\n"
                     "2: strb r7, [%[y]]\n"
                     "   add %[y], %[step]\n"
                     "   cmp %[sums], %[end]\n"
                     "   bne 1b\n"
                     "   b 5f\n"
                     "3: mov %[stage], r9\n"
                     "   cmp r7, #0\n"
                     "   blt 4f\n"
                     "   lsrs %[stage], #8\n"
                     "4: movs r7, %[stage]\n"
                     "   b 2b\n"
                     "5:\n"
                     : [y] "+l"(y), [sums] "+l"(sums), [stage] "+l"(stage)
                     : [end] "h"(end), [step] "h"(step)
                     : "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "cc", "memory");
#else
    for (; sums != end; y += step) {
        const uint32_t a = (uint32_t)*sums++ + (uint32_t)stage[0], top = (uint32_t)stage[1];
        const uint32_t low = a * (uint32_t)stage[4] >> stage[5];
        const uint32_t inside = (a * (uint32_t)stage[3] + low + (uint32_t)stage[6]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[2] : stage[2] >> 8;
        *y = a > top ? (int8_t)outside : (int8_t)inside;
    }
#endif
}

/// window_pairs
/* How compute_pairs walks over an image. `runs` holds eight words per run of pairs. The first has
 * four bytes: the first tap inside the image, lines of taps, taps per line, and half the bytes of
 * the unrolled taps to skip at first; or it is 1 if the taps are those of the previous run. Then,
 * in bytes: the first window's first pixel; the first output; the distance from the first to the
 * second window of a pair, and of their outputs; from the first pair of a line to its end; and
 * from there to the next line of outputs. Last, twice the number of lines, plus 1 if they are
 * columns. A word of 0 ends the runs. Assembly reads the fields at fixed offsets. */
struct window_pairs {
    const int32_t *runs;
    int32_t *list; /* Room for an offset and a weight per tap, and four words. */
    int32_t tap_step, line_step, kernel_w, zero_point; /* Bytes from tap to tap. */
    int32_t right, out_right, down, out_down; /* Bytes from window to window, output to output. */
    int32_t channels, siblings, taps; /* Outputs: all, and per input channel; weights of each. */
};

/// dot4_s16
/* acc[i] += sum of x[k] * lane i of w[k], k < n. A word of w holds one weight of each of four
 * output channels, lane 0 lowest. */
BONSAI_SHARED void dot4_s16(int32_t acc[4], const int16_t *x, const uint32_t *w, int32_t n)
{
    int32_t acc0 = acc[0], acc1 = acc[1], acc2 = acc[2], acc3 = acc[3];
    for (const int16_t *const end = x + n; x != end; x++) {
        const int32_t value = *x;
        const uint32_t word = *w++;
        acc0 += value * (int8_t)word;
        acc1 += value * (int8_t)(word >> 8);
        acc2 += value * (int8_t)(word >> 16);
        acc3 += value * (int8_t)(word >> 24);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/// requantize_reduced
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

/// rescale_lanes_reduced
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

/// store_lanes_int16
/* Stores the first `count` of four int16, or all if `count` is larger. */
#if defined(BONSAI_MVE)
static inline void store_lanes_int16(int16_t *y, lanes4 x, int32_t count)
{
    __asm__ volatile("vctp.32 %[count]\n\t"
                     "vpst\n\t"
                     "vstrht.32 %q[x], [%[y]]"
                     :
                     : [y] "l"(y), [x] "w"(x), [count] "r"(count)
                     : "cc", "p0", "memory");
}
#else
static inline void store_lanes_int16(int16_t *y, lanes4 x, int32_t count)
{
    for (int32_t i = 0; i < count && i < 4; i++)
        y[i] = (int16_t)x.lane[i];
}
#endif

/// line_at
/* The value at x of the lines between 513 entries. */
static inline int32_t line_at(int32_t x, const int16_t *table)
{
    const int32_t base = table[256 + (x >> 7)];
    const int32_t slope = (int16_t)(table[257 + (x >> 7)] - base);
    return (int16_t)(base + ((slope * (x & 127) + 64) >> 7));
}
