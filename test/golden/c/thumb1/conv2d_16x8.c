#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* What store_byte_rows multiplies by, and what makes outputs of the sums: of each row a multiplier
 * and a shift. There are four rows at least. Assembly reads the fields at fixed offsets. */
struct byte_rows {
    const int32_t *weights; /* As dot_byte_rows reads them. */
    const int32_t *stage;
    int32_t channels, steps;
    int32_t low, high; /* Bounds of an output. */
};

#include "clip_taps"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* The sums of `groups` of four rows over one vector x of int16. Of each group `w` has the four
 * values from which S0 to S3 begin, then for each of `steps` steps of four elements a word for
 * each: the weights of the rows as bytes, row 0 lowest, 128 added to all but row 3's. S3 to S0 are
 * the sums of x times the word shifted right by 24, 16, 8 and 0; with X the sum of x, row 3 is S3
 * and row i is Si - 2^8 S(i+1) - 128 X, modulo 2^32. x begins at a word. Returns the end of the
 * groups. */
#if defined(__ARM_ARCH_6M__)

BONSAI_NAKED const int32_t *
dot_byte_rows(__attribute__((unused)) int32_t *sums, __attribute__((unused)) const void *x,
              __attribute__((unused)) const int32_t *w, __attribute__((unused)) int32_t groups,
              __attribute__((unused)) int32_t steps)
{
    /* r0: x; r1: w; r8 to r11: S0 to S3; r12: X, which the first group adds up; lr: the end of x.
     * On the stack: 0 sums, 4 x, 8 groups, 48 steps. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
            "push {r0, r1, r3}\n"
            "ldr r4, [sp, #48]\n lsls r4, #3\n add r4, r1\n mov lr, r4\n"
            "mov r0, r1\n mov r1, r2\n movs r4, #0\n mov r12, r4\n"
            "ldm r1!, {r2-r5}\n mov r8, r2\n mov r9, r3\n mov r10, r4\n mov r11, r5\n"
            "1:\n"
            "ldm r0!, {r2, r3}\n ldm r1!, {r4, r5}\n sxth r7, r2\n asrs r2, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "add r12, r7\n"
            "asrs r6, r5, #24\n muls r6, r2\n add r11, r6\n asrs r6, r5, #16\n muls r6, r2\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r2\n add r9, r6\n muls r5, r2\n add r8, r5\n"
            "add r12, r2\n"
            "ldm r1!, {r4, r5}\n sxth r7, r3\n asrs r3, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "add r12, r7\n"
            "asrs r6, r5, #24\n muls r6, r3\n add r11, r6\n asrs r6, r5, #16\n muls r6, r3\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r3\n add r9, r6\n muls r5, r3\n add r8, r5\n"
            "add r12, r3\n"
            "cmp r0, lr\n"
            "bne 1b\n"
            "mov r2, r12\n lsls r2, #7\n mov r12, r2\n b 4f\n"
            "2: ldr r0, [sp, #4]\n"
            "ldm r1!, {r2-r5}\n mov r8, r2\n mov r9, r3\n mov r10, r4\n mov r11, r5\n"
            "3:\n"
            "ldm r0!, {r2, r3}\n ldm r1!, {r4, r5}\n sxth r7, r2\n asrs r2, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "asrs r6, r5, #24\n muls r6, r2\n add r11, r6\n asrs r6, r5, #16\n muls r6, r2\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r2\n add r9, r6\n muls r5, r2\n add r8, r5\n"
            "ldm r1!, {r4, r5}\n sxth r7, r3\n asrs r3, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "asrs r6, r5, #24\n muls r6, r3\n add r11, r6\n asrs r6, r5, #16\n muls r6, r3\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r3\n add r9, r6\n muls r5, r3\n add r8, r5\n"
            "cmp r0, lr\n"
            "bne 3b\n"
            "4: mov r2, r12\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n"
            "lsls r3, r5, #8\n subs r4, r3\n subs r4, r2\n lsls r3, r6, #8\n subs r5, r3\n"
            "subs r5, r2\n lsls r3, r7, #8\n subs r6, r3\n subs r6, r2\n"
            "ldr r3, [sp]\n stm r3!, {r4-r7}\n str r3, [sp]\n"
            "ldr r3, [sp, #8]\n subs r3, #1\n str r3, [sp, #8]\n bne 2b\n"
            "mov r0, r1\n add sp, #12\n pop {r4-r7}\n"
            "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
}

#else

static const int32_t *dot_byte_rows(int32_t *sums, const void *x, const int32_t *w, int32_t groups,
                                    int32_t steps)
{
    for (; groups > 0; groups--, sums += 4) {
        uint32_t row[4], total = 0;
        for (int32_t i = 0; i < 4; i++)
            row[i] = (uint32_t)*w++;
        const int16_t *element = x;
        for (int32_t left = 4 * steps; left > 0; left--, element++, w++) {
            const uint32_t value = (uint32_t)(int32_t)*element;
            for (int32_t i = 0; i < 4; i++)
                row[i] += value * (uint32_t)(*w >> (8 * i));
            total += value;
        }
        for (int32_t i = 0; i < 3; i++)
            sums[i] = (int32_t)(row[i] - (row[i + 1] << 8) - (total << 7));
        sums[3] = (int32_t)row[3];
    }
    return w;
}

#endif

#include "requantize_reduced"

/* The outputs of all rows by one vector x, the sums of dot_byte_rows as requantize_reduced scales
 * them. The last four rows may overlap those before. The last bit that a shift loses is the carry:
 * adding it rounds. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(byte_rows, weights, 0);
BONSAI_PLACE(byte_rows, stage, 4);
BONSAI_PLACE(byte_rows, channels, 8);
BONSAI_PLACE(byte_rows, steps, 12);
BONSAI_PLACE(byte_rows, low, 16);
BONSAI_PLACE(byte_rows, high, 20);

BONSAI_NAKED void
store_byte_rows(__attribute__((unused)) int16_t *out, __attribute__((unused)) const int16_t *x,
                __attribute__((unused)) const struct byte_rows *rows)
{
    /* As in dot_byte_rows; then r0: out; r2: stage; r3: 0; r8 to r11: low and three sums.
     * On the stack: 0 low, 4 high, 8 stage, 12 x, 16 out, 20 where the last outputs begin. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n sub sp, #24\n"
            "str r1, [sp, #12]\n str r0, [sp, #16]\n ldm r2!, {r3-r6}\n str r4, [sp, #8]\n"
            "lsls r5, #1\n adds r5, r0\n subs r5, #8\n str r5, [sp, #20]\n"
            "ldm r2!, {r4, r5}\n str r4, [sp]\n str r5, [sp, #4]\n"
            "lsls r6, #3\n adds r6, r1\n mov lr, r6\n"
            "mov r0, r1\n mov r1, r3\n movs r4, #0\n mov r12, r4\n"
            "ldm r1!, {r2-r5}\n mov r8, r2\n mov r9, r3\n mov r10, r4\n mov r11, r5\n"
            "1:\n"
            "ldm r0!, {r2, r3}\n ldm r1!, {r4, r5}\n sxth r7, r2\n asrs r2, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "add r12, r7\n"
            "asrs r6, r5, #24\n muls r6, r2\n add r11, r6\n asrs r6, r5, #16\n muls r6, r2\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r2\n add r9, r6\n muls r5, r2\n add r8, r5\n"
            "add r12, r2\n"
            "ldm r1!, {r4, r5}\n sxth r7, r3\n asrs r3, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "add r12, r7\n"
            "asrs r6, r5, #24\n muls r6, r3\n add r11, r6\n asrs r6, r5, #16\n muls r6, r3\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r3\n add r9, r6\n muls r5, r3\n add r8, r5\n"
            "add r12, r3\n"
            "cmp r0, lr\n"
            "bne 1b\n"
            "mov r2, r12\n lsls r2, #7\n mov r12, r2\n b 4f\n"
            "2: ldr r0, [sp, #12]\n"
            "ldm r1!, {r2-r5}\n mov r8, r2\n mov r9, r3\n mov r10, r4\n mov r11, r5\n"
            "3:\n"
            "ldm r0!, {r2, r3}\n ldm r1!, {r4, r5}\n sxth r7, r2\n asrs r2, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "asrs r6, r5, #24\n muls r6, r2\n add r11, r6\n asrs r6, r5, #16\n muls r6, r2\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r2\n add r9, r6\n muls r5, r2\n add r8, r5\n"
            "ldm r1!, {r4, r5}\n sxth r7, r3\n asrs r3, #16\n"
            "asrs r6, r4, #24\n muls r6, r7\n add r11, r6\n asrs r6, r4, #16\n muls r6, r7\n"
            "add r10, r6\n asrs r6, r4, #8\n muls r6, r7\n add r9, r6\n muls r4, r7\n add r8, r4\n"
            "asrs r6, r5, #24\n muls r6, r3\n add r11, r6\n asrs r6, r5, #16\n muls r6, r3\n"
            "add r10, r6\n asrs r6, r5, #8\n muls r6, r3\n add r9, r6\n muls r5, r3\n add r8, r5\n"
            "cmp r0, lr\n"
            "bne 3b\n"
            "4: mov r2, r12\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n"
            "lsls r3, r5, #8\n subs r4, r3\n subs r4, r2\n lsls r3, r6, #8\n subs r5, r3\n"
            "subs r5, r2\n lsls r3, r7, #8\n subs r6, r3\n subs r6, r2\n"
            "mov r9, r5\n mov r10, r6\n mov r11, r7\n ldr r5, [sp]\n mov r8, r5\n"
            "ldr r2, [sp, #8]\n ldr r0, [sp, #16]\n movs r3, #0\n"
            "ldm r2!, {r5, r6}\n uxth r7, r4\n muls r7, r5\n lsrs r7, #16\n asrs r4, #16\n"
            "muls r4, r5\n"
            "adds r4, r7\n asrs r4, r6\n adcs r4, r3\n cmp r4, r8\n blt 50f\n"
            "ldr r7, [sp, #4]\n cmp r4, r7\n bgt 60f\n"
            "70: strh r4, [r0, #0]\n"
            "mov r4, r9\n"
            "ldm r2!, {r5, r6}\n uxth r7, r4\n muls r7, r5\n lsrs r7, #16\n asrs r4, #16\n"
            "muls r4, r5\n"
            "adds r4, r7\n asrs r4, r6\n adcs r4, r3\n cmp r4, r8\n blt 51f\n"
            "ldr r7, [sp, #4]\n cmp r4, r7\n bgt 61f\n"
            "71: strh r4, [r0, #2]\n"
            "mov r4, r10\n"
            "ldm r2!, {r5, r6}\n uxth r7, r4\n muls r7, r5\n lsrs r7, #16\n asrs r4, #16\n"
            "muls r4, r5\n"
            "adds r4, r7\n asrs r4, r6\n adcs r4, r3\n cmp r4, r8\n blt 52f\n"
            "ldr r7, [sp, #4]\n cmp r4, r7\n bgt 62f\n"
            "72: strh r4, [r0, #4]\n"
            "mov r4, r11\n"
            "ldm r2!, {r5, r6}\n uxth r7, r4\n muls r7, r5\n lsrs r7, #16\n asrs r4, #16\n"
            "muls r4, r5\n"
            "adds r4, r7\n asrs r4, r6\n adcs r4, r3\n cmp r4, r8\n blt 53f\n"
            "ldr r7, [sp, #4]\n cmp r4, r7\n bgt 63f\n"
            "73: strh r4, [r0, #6]\n"
            "str r2, [sp, #8]\n ldr r5, [sp, #20]\n cmp r0, r5\n beq 9f\n"
            "adds r0, #8\n cmp r0, r5\n bls 8f\n movs r0, r5\n"
            "8: str r0, [sp, #16]\n b 2b\n"
            "50: mov r4, r8\n b 70b\n"
            "60: movs r4, r7\n b 70b\n"
            "51: mov r4, r8\n b 71b\n"
            "61: movs r4, r7\n b 71b\n"
            "52: mov r4, r8\n b 72b\n"
            "62: movs r4, r7\n b 72b\n"
            "53: mov r4, r8\n b 73b\n"
            "63: movs r4, r7\n b 73b\n"
            "9: add sp, #24\n pop {r4-r7}\n"
            "mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n");
}

#else

static void store_byte_rows(int16_t *out, const int16_t *x, const struct byte_rows *rows)
{
    const int32_t channels = rows->channels;
    const int32_t *w = rows->weights, *stage = rows->stage;
    for (int32_t first = 0; first < channels; first += 4) {
        int16_t *to = out + (first + 4 < channels ? first : channels - 4);
        int32_t sums[4];
        w = dot_byte_rows(sums, x, w, 1, rows->steps);
        for (int32_t i = 0; i < 4; i++, stage += 2) {
            const int32_t y = requantize_reduced(sums[i], stage[0], stage[1]);
            to[i] = (int16_t)(y < rows->low ? rows->low : y > rows->high ? rows->high : y);
        }
    }
}

#endif

/* int16 inputs by int8 weights, four output channels at a time. The values under a window are
 * copied to scratch. Zero points are 0, so taps outside the image are zeros. No sum leaves 32 bits,
 * which the weights prove. */
static void conv2d_16x8_patch_s16_quick(const int16_t *in, int16_t *out, int8_t *scratch)
{
    const int32_t depth = 27, steps = 7;
    const struct byte_rows rows = {
        model_conv2d_0_weights, model_conv2d_0_stage, 6, steps, -32768, 32767,
    };
    int16_t *const patch = (int16_t *)(void *)scratch;
    const int32_t in_h = 6, in_w = 5, in_c = 3;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t out_h = 6, out_w = 5;
    const int32_t dilation_h = 1, dilation_w = 1;

    /* Elements are multiplied four at a time, so the last word may lie past them. */
    for (int32_t i = depth; i < 4 * steps; i++)
        patch[i] = 0;
    for (int32_t pixel = 0, oy = 0, ox = 0; pixel < 30; pixel++) {
        const int32_t y0 = oy - 1, x0 = ox - 1;
        int16_t *to = patch;
        int32_t left = 0, right = kernel_w;
        clip_taps(x0, dilation_w, in_w, &left, &right);
        for (int32_t ky = 0; ky < kernel_h; ky++, to += kernel_w * in_c) {
            const int32_t y = y0 + ky * dilation_h;
            const int32_t is_inside = y >= 0 && y < in_h;
            if (!is_inside || right - left < kernel_w)
                memset(to, 0, (size_t)(kernel_w * in_c) * sizeof *to);
            if (!is_inside || left == right)
                continue;
            const int32_t from = (y * in_w + x0) * in_c;
            memcpy(to + left * in_c, in + from + left * in_c, (size_t)((right - left) * in_c) *
                   sizeof *to);
        }
        if (++ox == out_w) {
            ox = 0;
            if (++oy == out_h) {
                oy = 0;
                in += in_h * in_w * in_c;
            }
        }
        store_byte_rows(out, patch, &rows);
        out += rows.channels;
    }
}

/* int16 inputs by int8 weights, four output channels at a time. The values under a window are
 * copied to scratch. Zero points are 0, so taps outside the image are zeros. No sum leaves 32 bits,
 * which the weights prove. */
static void conv2d_16x8_patch_s16_by_tap(const int16_t *in, int16_t *out, int8_t *scratch)
{
    const int32_t depth = 12, steps = 3;
    enum { block = 8 };
    const int32_t channels = 2, low = -32768, high = 32767;
    int32_t sums[4 * block];
    int16_t *const patch = (int16_t *)(void *)scratch;
    const int32_t in_h = 6, in_w = 5, in_c = 6;
    const int32_t kernel_h = 1, kernel_w = 2;
    const int32_t out_h = 6, out_w = 3;
    const int32_t dilation_h = 1, dilation_w = 2;

    /* Elements are multiplied four at a time, so the last word may lie past them. */
    for (int32_t i = depth; i < 4 * steps; i++)
        patch[i] = 0;
    for (int32_t pixel = 0, oy = 0, ox = 0; pixel < 18; pixel++) {
        const int32_t y0 = oy, x0 = ox;
        int16_t *to = patch;
        int32_t left = 0, right = kernel_w;
        clip_taps(x0, dilation_w, in_w, &left, &right);
        for (int32_t ky = 0; ky < kernel_h; ky++, to += kernel_w * in_c) {
            const int32_t y = y0 + ky * dilation_h;
            const int32_t is_inside = y >= 0 && y < in_h;
            if (!is_inside || right - left < kernel_w)
                memset(to, 0, (size_t)(kernel_w * in_c) * sizeof *to);
            if (!is_inside || left == right)
                continue;
            const int32_t from = (y * in_w + x0) * in_c;
            for (int32_t kx = left; kx < right; kx++)
                memcpy(to + kx * in_c, in + from + kx * dilation_w * in_c, (size_t)in_c *
                       sizeof *to);
        }
        if (++ox == out_w) {
            ox = 0;
            if (++oy == out_h) {
                oy = 0;
                in += in_h * in_w * in_c;
            }
        }
        const int32_t *w = model_conv2d_1_weights, *stage = model_conv2d_1_stage;
        for (int32_t rest = channels; rest > 0; rest -= 4 * block) {
            const int32_t n = rest < 4 * block ? rest : 4 * block;
            w = dot_byte_rows(sums, patch, w, (n + 3) / 4, steps);
            for (int32_t i = 0; i < n; i++, stage += 2) {
                const int32_t y = requantize_reduced(sums[i], stage[0], stage[1]);
                *out++ = (int16_t)(y < low ? low : y > high ? high : y);
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv2d_0: "conv2d_0"  s16 [1,6,5,3] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * thumb1/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_16x8_patch_s16_quick((int16_t *)(void *)(arena + 0x0000),
                                    (int16_t *)(void *)(arena + 0x00b4), arena + 0x021c);
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * thumb1/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_16x8_patch_s16_by_tap((int16_t *)(void *)(arena + 0x00b4),
                                     (int16_t *)(void *)(arena + 0x0254), arena + 0x029c);
        break;
    default:
        break;
    }
}
