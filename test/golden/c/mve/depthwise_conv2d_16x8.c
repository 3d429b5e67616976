#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "output"
#include "clip_taps"
#include "BONSAI_MVE"
#include "load_lanes"

/* sums[i] += the products of `count` taps of channel i: int16 that lie `step` bytes apart at x, by
 * four int8 a tap at w. There are `channels` channels at x. */
#if defined(BONSAI_MVE)
static inline lanes4 add_channel_taps(lanes4 sums, const int16_t *x, int32_t step, const int8_t *w,
                                      int32_t count, int32_t channels)
{
    __asm__("vctp.32 %[channels]\n\t"
            "dls lr, %[count]\n"
            "1:\n\t"
            "vpst\n\t"
            "vldrht.s32 q0, [%[x]]\n\t"
            "vldrb.s32 q1, [%[w]], #4\n\t"
            "add %[x], %[step]\n\t"
            "vmul.i32 q0, q0, q1\n\t"
            "vadd.i32 %q[sums], %q[sums], q0\n\t"
            "le lr, 1b"
            : [sums] "+&w"(sums), [x] "+&l"(x), [w] "+&l"(w)
            : [step] "r"(step), [count] "r"(count), [channels] "r"(channels)
            : "q0", "q1", "lr", "cc", "p0", "memory");
    return sums;
}
#else
static inline lanes4 add_channel_taps(lanes4 sums, const int16_t *x, int32_t step, const int8_t *w,
                                      int32_t count, int32_t channels)
{
    for (; count > 0; count--, x += step / 2, w += 4) {
        for (int32_t i = 0; i < 4 && i < channels; i++)
            sums.lane[i] += x[i] * w[i];
    }
    return sums;
}
#endif

#include "clamp_lanes"
#include "requantize_reduced"
#include "rescale_lanes_reduced"
#include "store_lanes_int16"

/* int16 inputs by int8 weights, four channels of a pixel at a time. Zero points are 0, so taps
 * outside the image add nothing. No sum leaves 32 bits, which the weights prove. */
static void depthwise_conv2d_16x8_s16_mve(const int16_t *in, int16_t *out)
{
    const struct output output = { -32768, 32767, 0 };
    const int32_t in_h = 6, in_w = 5, channels = 6;
    const int32_t kernel_h = 3, kernel_w = 3;
    const int32_t dilation_h = 1, dilation_w = 1;

    for (int32_t batch = 1; batch > 0; batch--, in += in_h * in_w * channels) {
        for (int32_t oy = 0; oy < 6; oy++) {
            const int32_t y0 = oy - 1;
            int32_t top = 0, bottom = kernel_h;
            clip_taps(y0, dilation_h, in_h, &top, &bottom);
            for (int32_t ox = 0; ox < 5; ox++, out += channels) {
                const int32_t x0 = ox - 1;
                int32_t left = 0, right = kernel_w;
                clip_taps(x0, dilation_w, in_w, &left, &right);
                const int32_t first = ((y0 + top * dilation_h) * in_w + x0 + left * dilation_w) *
                    channels;
                const int8_t *weights = model_depthwise_conv2d_0_weights;
                const int32_t *stage = model_depthwise_conv2d_0_stage;
                for (int32_t c = 0; c < channels; c += 4, stage += 12) {
                    lanes4 sums = load_lanes(stage);
                    const int16_t *x = in + first + c;
                    const int8_t *w = weights + 4 * (top * kernel_w + left);
                    for (int32_t ky = top; ky < bottom && left < right; ky++) {
                        sums = add_channel_taps(sums, x, dilation_w * channels * 2, w, right - left,
                                                channels - c);
                        x += dilation_h * in_w * channels;
                        w += 4 * kernel_w;
                    }
                    sums = clamp_lanes(rescale_lanes_reduced(sums, stage + 4), &output);
                    store_lanes_int16(out + c, sums, channels - c);
                    weights += 4 * kernel_h * kernel_w;
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* depthwise_conv2d_0: "depthwise_conv2d_0"  s16 [1,6,5,6] -> [1,6,5,6]  3x3 pad 1,1,1,1
     * mve/depthwise_conv2d_16x8, 1620 MAC: test */
    case 0:
        depthwise_conv2d_16x8_s16_mve((int16_t *)(void *)(arena + 0x0000),
                                      (int16_t *)(void *)(arena + 0x0168));
        break;
    default:
        break;
    }
}
