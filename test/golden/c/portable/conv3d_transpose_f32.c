#include "BONSAI_FLASH"
#include "BONSAI_SHARED"

/* float by float, each output a sum in the order of its taps and inputs: two roundings a product,
 * as in the reference, so neither a fused multiply-add nor another order would give its bits. Four
 * channels at a time share their inputs. A row of the table says what an output reads along an
 * axis: the first input, its tap, and how many inputs there are. What lies outside the volume adds
 * nothing. */
static void conv3d_f32_f32(const float *in, float *out)
{
    const int32_t in_d = 2, in_h = 3, in_w = 4, in_c = 3;
    const int32_t out_d = 3, out_h = 6, out_w = 9, channels = 6;
    const int32_t kernel_h = 2, kernel_w = 3;
    const int32_t plane_step = 1, row_step = 1, column_step = 1;
    const int32_t tap_d = -1, tap_h = -2, tap_w = -2;
    const int32_t depth = 2 * kernel_h * kernel_w * in_c;
    const int32_t *const planes = model_conv3d_transpose_0_readings, *const rows = planes + 3 *
        out_d, *const columns = rows + 3 * out_h;
    const float low = model_conv3d_transpose_0_clamp[0], high = model_conv3d_transpose_0_clamp[1];

    for (int32_t batch = 1; batch > 0; batch--, in += in_d * in_h * in_w * in_c) {
        for (int32_t pixel = 0; pixel < out_d * out_h * out_w; pixel++, out += channels) {
            const int32_t *plane = planes + 3 * (pixel / (out_h * out_w));
            const int32_t *row = rows + 3 * (pixel / out_w % out_h);
            const int32_t *column = columns + 3 * (pixel % out_w);
            const float *filters = model_conv3d_transpose_0_weights;
            for (int32_t c = 0, lanes; c < channels; c += lanes, filters += lanes * depth) {
                float sums[4] = { 0 };
                lanes = channels - c < 4 ? 1 : 4;
                for (int32_t z = 0; z < plane[2]; z++) {
                    for (int32_t y = 0; y < row[2]; y++) {
                        const int32_t line = (plane[0] + z * plane_step) * in_h + row[0] + y *
                            row_step;
                        const int32_t taps = (plane[1] + z * tap_d) * kernel_h + row[1] + y * tap_h;
                        for (int32_t x = 0; x < column[2]; x++) {
                            const float *a = in + (line * in_w + column[0] + x * column_step) *
                                in_c;
                            const float *w = filters + (taps * kernel_w + column[1] + x * tap_w) *
                                in_c;
                            if (lanes == 4) {
                                for (int32_t i = 0; i < in_c; i++, w++) {
                                    sums[0] += a[i] * w[0];
                                    sums[1] += a[i] * w[depth];
                                    sums[2] += a[i] * w[2 * depth];
                                    sums[3] += a[i] * w[3 * depth];
                                }
                            } else {
                                for (int32_t i = 0; i < in_c; i++)
                                    sums[0] += a[i] * w[i];
                            }
                        }
                    }
                }
                for (int32_t lane = 0; lane < lanes; lane++) {
                    float y = sums[lane] + model_conv3d_transpose_0_biases[c + lane];
                    y = y < low ? low : y;
                    out[c + lane] = high < y ? high : y;
                }
            }
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* conv3d_transpose_0: "conv3d_transpose_0"  f32 [1,2,3,4,3] -> [1,3,6,9,6]  2x3 strides
     * [1,2,2] dilations [1,1,1] pads [0,0,0] size [3,6,9]
     * portable/conv3d_transpose_f32, 5184 MAC: test */
    case 0:
        conv3d_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0120));
        break;
    default:
        break;
    }
}
