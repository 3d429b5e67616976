#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "output"

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

#include "clip_taps"
#include "BONSAI_MVE"
#include "fill_bytes"
#include "copy_rows"

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

#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

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

#include "multiply_high"
#include "requantize"
#include "to_int8"

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
BONSAI_PLACE(gathered, step, 44);
BONSAI_PLACE(gathered, offsets, 48);

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
            "ldm r0!, {r2, r4, r6}\n"
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
        .output = { -131, 124, 3 },
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
