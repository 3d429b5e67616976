#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "clip_taps"
#include "BONSAI_NAKED"
#include "smlad"
#include "dot_rows"
#include "requantize_reduced"

/* int16 inputs by int8 weights, four output channels at a time. The values under a window are
 * copied to scratch. Zero points are 0, so taps outside the image are zeros. No sum leaves 32 bits,
 * which the weights prove. */
static void conv2d_16x8_patch_s16(const int16_t *in, int16_t *out, int8_t *scratch)
{
    const int32_t depth = 27, steps = 7;
    enum { block = 8 };
    const int32_t channels = 6, low = -32768, high = 32767;
    int32_t sums[4 * block];
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
        const int32_t *w = model_conv2d_0_weights, *stage = model_conv2d_0_stage;
        for (int32_t rest = channels; rest > 0; rest -= 4 * block) {
            const int32_t n = rest < 4 * block ? rest : 4 * block;
            w = dot_rows(sums, patch, w, (n + 3) / 4, steps);
            for (int32_t i = 0; i < n; i++, stage += 2) {
                const int32_t y = requantize_reduced(sums[i], stage[0], stage[1]);
                *out++ = (int16_t)(y < low ? low : y > high ? high : y);
            }
        }
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
            w = dot_rows(sums, patch, w, (n + 3) / 4, steps);
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
     * dsp/conv2d_16x8, 4860 MAC: test */
    case 0:
        conv2d_16x8_patch_s16((int16_t *)(void *)(arena + 0x0000),
                              (int16_t *)(void *)(arena + 0x00b4), arena + 0x021c);
        break;
    /* conv2d_1: "conv2d_1"  s16 [1,6,5,6] -> [1,6,3,2]  1x2 dilation 1x2
     * dsp/conv2d_16x8, 432 MAC: test */
    case 1:
        conv2d_16x8_patch_s16_by_tap((int16_t *)(void *)(arena + 0x00b4),
                                     (int16_t *)(void *)(arena + 0x0254), arena + 0x029c);
        break;
    default:
        break;
    }
}
