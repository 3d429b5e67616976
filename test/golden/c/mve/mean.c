#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "output"
#include "BONSAI_MVE"
#include "load_lanes"

/* Adds n > 0 pixels, `step` bytes apart, to the sums of the first `left` of four channels, or of
 * all if `left` is larger. */
#if defined(BONSAI_MVE)
static inline lanes4 add_pixels(lanes4 sums, const int8_t *x, int32_t step, int32_t n, int32_t left)
{
    __asm__ volatile("vctp.32 %[left]\n\t"
                     "dls lr, %[n]\n"
                     "1:\n\t"
                     "vpst\n\t"
                     "vldrbt.s32 q0, [%[x]]\n\t"
                     "add %[x], %[step]\n\t"
                     "vadd.i32 %q[sums], %q[sums], q0\n\t"
                     "le lr, 1b"
                     : [sums] "+&w"(sums), [x] "+&l"(x)
                     : [step] "r"(step), [n] "r"(n), [left] "r"(left)
                     : "q0", "lr", "cc", "p0", "memory");
    return sums;
}
#else
static inline lanes4 add_pixels(lanes4 sums, const int8_t *x, int32_t step, int32_t n, int32_t left)
{
    for (; n > 0; n--, x += step) {
        for (int32_t i = 0; i < left && i < 4; i++)
            sums.lane[i] += x[i];
    }
    return sums;
}
#endif

#include "multiply_high"
#include "requantize"
#include "rescale_lanes"
#include "store_lanes"
#include "clamp_lanes"

struct mean_s8_mve_args {
    const int32_t *stage;
    uint8_t kept_1;
    uint8_t kept_stride_1;
    uint8_t mean_2;
};

/* Mean over any dimensions but the last, which is kept: four of its elements at a time. The
 * multiplier includes 1 / (number of elements), so there is no division. */
static void mean_s8_mve(const int8_t *in, int8_t *out, const struct mean_s8_mve_args *restrict args)
{
    const struct output output = { -131, 124, 3 };
    const int32_t *const stage = args->stage;
    const int32_t channels = 11;
    for (int32_t k0 = 0; k0 < 1; k0++) {
        for (int32_t k1 = 0; k1 < args->kept_1; k1++, out += channels) {
            const int8_t *const first = in + k1 * args->kept_stride_1;
            for (int32_t c = 0; c < channels; c += 4) {
                lanes4 sums = load_lanes(stage);
                for (int32_t r0 = 0; r0 < 1; r0++) {
                    for (int32_t r1 = 0; r1 < 1; r1++)
                        sums = add_pixels(sums, first + c, 11, args->mean_2, channels - c);
                }
                sums = rescale_lanes(sums, stage + 4);
                store_lanes(out + c, clamp_lanes(sums, &output), channels - c);
            }
        }
    }
}

static const struct mean_s8_mve_args model_mean_0_args BONSAI_FLASH = {
    .stage = model_mean_0_stage, .kept_1 = 8, .kept_stride_1 = 55, .mean_2 = 5,
};

static const struct mean_s8_mve_args model_mean_1_args BONSAI_FLASH = {
    .stage = model_mean_1_stage, .kept_1 = 2, .kept_stride_1 = 44, .mean_2 = 4,
};

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* mean_0: "mean_0"  s8 [2,4,5,11] -> [2,4,11]  axes [2] algorithm general
     * mve/mean: test */
    case 0:
        mean_s8_mve(arena + 0x0000, arena + 0x01b8, &model_mean_0_args);
        break;
    /* mean_1: "mean_1"  s8 [2,4,11] -> [2,11]  axes [1] algorithm general
     * mve/mean: test */
    case 1:
        mean_s8_mve(arena + 0x01b8, arena + 0x0210, &model_mean_1_args);
        break;
    default:
        break;
    }
}
