#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* Rows of as many bytes as there are channels, tap after tap: of x and of the weights. */
struct output_taps {
    int32_t row;          /* Bytes from tap to tap. */
    int32_t all, by_four; /* Bytes of all rows, and of those that are taken four at a time. */
    int32_t outputs;      /* An even number. */
    int32_t second;       /* 1, or 0: both channels of a pair are the first, which is stored. */
};

#include "BONSAI_THUMB1"
#include "BONSAI_FRAMELESS"
#include "copy_bytes"
#include "input_window"
#include "gather_window"
#include "BONSAI_PLACE"
#include "BONSAI_NAKED"

/* int8 outputs of pairs of channels: their products over all taps from `starts` on, each by two
 * 32-bit multiplications. Of each channel `stage` has top, the outputs below 0 (low byte) and above
 * top (next byte), and high, low, shift and offset: a sum a within 0 ... top becomes the upper byte
 * of a * high + (a * low >> shift) + offset, as proved. */
#if defined(__ARM_ARCH_6M__)

BONSAI_PLACE(output_taps, row, 0);
BONSAI_PLACE(output_taps, all, 4);
BONSAI_PLACE(output_taps, by_four, 8);
BONSAI_PLACE(output_taps, outputs, 12);
BONSAI_PLACE(output_taps, second, 16);

BONSAI_NAKED void
rescale_taps(__attribute__((unused)) int8_t *y, __attribute__((unused)) const int8_t *x,
             __attribute__((unused)) const int8_t *weights,
             __attribute__((unused)) const struct output_taps *taps,
             __attribute__((unused)) const int32_t *starts,
             __attribute__((unused)) const int32_t *stage)
{
    /* r4 is the way to the tap, from two pointers to x and two to the weights; r8 and r9 are sums,
     * r11 is stage and lr starts. On the stack: 0 y, 4 second, 8 end of y, 12 all; 52 starts, 56
     * stage. */
    __asm__(".syntax unified\n push {r4-r7, lr}\n"
            "mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n sub sp, #16\n"
            "ldm r3!, {r4-r7}\n mov r10, r4\n mov r12, r6\n str r0, [sp]\n adds r7, r0\n"
            "str r7, [sp, #8]\n str r5, [sp, #12]\n ldr r3, [r3]\n str r3, [sp, #4]\n movs r0, r1\n"
            "ldr r4, [sp, #52]\n mov lr, r4\n ldr r4, [sp, #56]\n mov r11, r4\n"
            "1: ldr r4, [sp, #4]\n adds r1, r0, r4\n adds r3, r2, r4\n mov r5, lr\n"
            "ldm r5!, {r4, r6}\n"
            "mov lr, r5\n mov r8, r4\n mov r9, r6\n ldr r7, [sp, #12]\n movs r4, #0\n"
            "cmp r4, r12\n beq 3f\n"
            "2:\n"
            "ldrsb r5, [r0, r4]\n ldrsb r6, [r2, r4]\n muls r5, r6\n add r8, r5\n"
            "ldrsb r5, [r1, r4]\n ldrsb r6, [r3, r4]\n muls r5, r6\n add r9, r5\n add r4, r10\n"
            "ldrsb r5, [r0, r4]\n ldrsb r6, [r2, r4]\n muls r5, r6\n add r8, r5\n"
            "ldrsb r5, [r1, r4]\n ldrsb r6, [r3, r4]\n muls r5, r6\n add r9, r5\n add r4, r10\n"
            "ldrsb r5, [r0, r4]\n ldrsb r6, [r2, r4]\n muls r5, r6\n add r8, r5\n"
            "ldrsb r5, [r1, r4]\n ldrsb r6, [r3, r4]\n muls r5, r6\n add r9, r5\n add r4, r10\n"
            "ldrsb r5, [r0, r4]\n ldrsb r6, [r2, r4]\n muls r5, r6\n add r8, r5\n"
            "ldrsb r5, [r1, r4]\n ldrsb r6, [r3, r4]\n muls r5, r6\n add r9, r5\n add r4, r10\n"
            "cmp r4, r12\n bne 2b\n"
            "3: cmp r4, r7\n beq 5f\n"
            "4:\n"
            "ldrsb r5, [r0, r4]\n ldrsb r6, [r2, r4]\n muls r5, r6\n add r8, r5\n"
            "ldrsb r5, [r1, r4]\n ldrsb r6, [r3, r4]\n muls r5, r6\n add r9, r5\n add r4, r10\n"
            "cmp r4, r7\n bne 4b\n"
            "5: mov r5, r11\n mov r4, r8\n"
            "ldm r5!, {r1, r3}\n cmp r4, r1\n bhi 71f\n ldm r5!, {r1, r3, r6, r7}\n muls r3, r4\n"
            "lsrs r3, r6\n"
            "muls r4, r1\n adds r4, r3\n adds r4, r7\n lsrs r4, #24\n"
            "61:\n"
            "mov r8, r4\n mov r4, r9\n"
            "ldm r5!, {r1, r3}\n cmp r4, r1\n bhi 72f\n ldm r5!, {r1, r3, r6, r7}\n muls r3, r4\n"
            "lsrs r3, r6\n"
            "muls r4, r1\n adds r4, r3\n adds r4, r7\n lsrs r4, #24\n"
            "62:\n"
            "mov r11, r5\n ldr r1, [sp]\n ldr r3, [sp, #4]\n strb r4, [r1, r3]\n mov r4, r8\n"
            "strb r4, [r1]\n adds r1, #2\n str r1, [sp]\n adds r0, #2\n adds r2, #2\n"
            "ldr r3, [sp, #8]\n cmp r1, r3\n bne 1b\n add sp, #16\n pop {r4-r7}\n mov r8, r4\n"
            "mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"
            "71: adds r5, #16\n cmp r4, #0\n blt 81f\n lsrs r3, #8\n"
            "81: movs r4, r3\n b 61b\n"
            "72: adds r5, #16\n cmp r4, #0\n blt 82f\n lsrs r3, #8\n"
"82: movs r4, r3\n b 62b\n"
);
}
#else
static void rescale_taps(int8_t *y, const int8_t *x, const int8_t *weights,
                         const struct output_taps *taps, const int32_t *starts,
                         const int32_t *stage)
{
    for (int32_t c = 0; c < taps->outputs / 2 * (1 + taps->second); c++, stage += 6) {
        uint32_t a = (uint32_t)starts[c];
        for (int32_t at = c; at < c + taps->all; at += taps->row)
            a += (uint32_t)(x[at] * weights[at]);
        const uint32_t low = a * (uint32_t)stage[3] >> stage[4];
        const uint32_t inside = (a * (uint32_t)stage[2] + low + (uint32_t)stage[5]) >> 24;
        const int32_t outside = (int32_t)a < 0 ? stage[1] : stage[1] >> 8;
        y[c] = a > (uint32_t)stage[0] ? (int8_t)outside : (int8_t)inside;
    }
}
#endif

/* One window after the other, pairs of channels tap by tap. Weights have the layout of the pixels
 * under a window, which are gathered in scratch. The
 * input's zero point is folded into the biases. */
static void depthwise_conv2d_windows_s8_thumb1_gathered(const int8_t *in, int8_t *out,
                                                        int8_t *scratch)
{
    const int32_t channels = 5, count = 9;
    const int8_t *const weights = model_depthwise_conv2d_0_weights;
    const int32_t *const starts = model_depthwise_conv2d_0_starts;
    const int32_t *const stage = model_depthwise_conv2d_0_stage;
    struct output_taps pairs = { channels, count * channels, (count & ~3) * channels, channels & ~1,
                                1 };
    struct output_taps last = pairs;
    last.outputs = 2;
    last.second = 0;
    const struct input_window window = { 9, 9, channels, 3, 3, 1, 1, 3 };
    const int32_t out_h = 3, out_w = 3;

    for (int32_t pixel = 0, oy = 0, ox = 0; pixel < 9; pixel++) {
        const int8_t *const x = scratch;
        gather_window(scratch, in, oy * 4 - 1, ox * 4 - 1, &window);
        if (++ox == out_w) {
            ox = 0;
            if (++oy == out_h) {
                oy = 0;
                in += window.in_h * window.in_w * channels;
            }
        }
        rescale_taps(out, x, weights, &pairs, starts, stage);
        if (channels & 1) {
            const int32_t c = channels - 1;
            rescale_taps(out + c, x + c, weights + c, &last, starts + c, stage + c * 6);
        }
        out += channels;
    }
}

/* One window after the other, pairs of channels tap by tap. Weights have the layout of the pixels
 * under a window, row by row. The
 * input's zero point is folded into the biases. */
static void depthwise_conv2d_windows_s8_thumb1(const int8_t *in, int8_t *out)
{
    const int32_t channels = 5, count = 9;
    const int8_t *const weights = model_depthwise_conv2d_1_weights;
    const int32_t *const starts = model_depthwise_conv2d_1_starts;
    const int32_t *const stage = model_depthwise_conv2d_1_stage;
    struct output_taps pairs = { channels, count * channels, (count & ~3) * channels, channels & ~1,
                                1 };
    struct output_taps last = pairs;
    last.outputs = 2;
    last.second = 0;

    for (int32_t pixel = 0, oy = 0; pixel < 1; pixel++) {
        const int8_t *const x = in + oy * 15;
        if (++oy == 1) {
            oy = 0;
            in += 45;
        }
        rescale_taps(out, x, weights, &pairs, starts, stage);
        if (channels & 1) {
            const int32_t c = channels - 1;
            rescale_taps(out + c, x + c, weights + c, &last, starts + c, stage + c * 6);
        }
        out += channels;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s8 [1,9,9,5] -> [1,3,3,5]  3x3 stride 4 pad
     * 1,1,1,1
     * thumb1/depthwise_conv2d_windows, 405 MAC: test */
    case 0:
        depthwise_conv2d_windows_s8_thumb1_gathered(arena + 0x0000, arena + 0x0198, arena + 0x01c8);
        break;
    /* depthwise_conv2d_1: "depthwise_conv2d_1"  s8 [1,3,3,5] -> [1,1,1,5]  3x3 relu
     * thumb1/depthwise_conv2d_windows, 45 MAC: test */
    case 1:
        depthwise_conv2d_windows_s8_thumb1(arena + 0x0198, arena + 0x01f8);
        break;
    default:
        break;
    }
}
