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

/* The float64 of these bits. */
static inline double double_of_bits(uint64_t bits)
{
    const union {
        uint64_t bits;
        double value;
    } word = { bits };
    return word.value;
}

/* 2^k, k from -1022 to 1023. */
static inline double power_of_two(int32_t k)
{
    return double_of_bits((uint64_t)(1023 + k) << 52);
}

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

/* e^x. */
static inline float real_exp(float x)
{
    return (float)exponential((double)x, 0);
}

/* exp(x - max) / sum along each row; the sum is taken in order. The output holds the
 * exponentials until their sum is known. `out` may be `in`. */
static void softmax_f32_f32(const float *in, float *out)
{
    const int32_t depth = 10;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++) {
            out[c] = real_exp(in[c] - largest);
            sum += out[c];
        }
        for (int32_t c = 0; c < depth; c++)
            out[c] = out[c] / sum;
    }
}

/* exp(beta * (x - max)) / sum along each row; the sum is taken in order. The output holds the
 * exponentials until their sum is known. `out` may be `in`. */
static void softmax_f32_f32_scaled(const float *in, float *out)
{
    const int32_t depth = 10;
    const float beta = model_softmax_1_beta[0];
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++) {
            out[c] = real_exp((in[c] - largest) * beta);
            sum += out[c];
        }
        for (int32_t c = 0; c < depth; c++)
            out[c] = out[c] / sum;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* softmax_0: "softmax_0"  f32 [2,10] -> [2,10]  beta 1 algorithm fixed
     * portable/softmax_f32: test */
    case 0:
        softmax_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0050));
        break;
    /* softmax_1: "softmax_1"  f32 [2,10] -> [2,10]  beta 0.5 algorithm fixed
     * portable/softmax_f32: test */
    case 1:
        softmax_f32_f32_scaled((float *)(void *)(arena + 0x0050),
                               (float *)(void *)(arena + 0x00a0));
        break;
    default:
        break;
    }
}
