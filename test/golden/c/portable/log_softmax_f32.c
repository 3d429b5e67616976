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

/* The float32 of these bits: 0x7f800000 is infinity, 0x7fc00000 is no number. */
static inline float float_of_bits(uint32_t bits)
{
    const union {
        uint32_t bits;
        float value;
    } word = { bits };
    return word.value;
}

/* The bits of a float64. */
static inline uint64_t bits_of_double(double value)
{
    const union {
        double value;
        uint64_t bits;
    } word = { value };
    return word.bits;
}

/* x > 0 as the product of the result, between the square roots of 1/2 and 2, and 2^exponent. */
static inline double normalize_double(double x, int32_t *exponent)
{
    const uint64_t bits = bits_of_double(x);
    const double m = double_of_bits((bits & 0xfffffffffffff) | (uint64_t)1023 << 52);
    const int32_t e = (int32_t)(bits >> 52) - 1023;
    *exponent = m > 1.4142135623730951 ? e + 1 : e;
    return m > 1.4142135623730951 ? m / 2 : m;
}

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

/* x - max - log of the sum of exp(x - max) along each row; the sum is taken in order. `out` may be
 * `in`. */
static void softmax_f32_f32(const float *in, float *out)
{
    const int32_t depth = 10;
    for (int32_t row = 0; row < 2; row++, in += depth, out += depth) {
        float largest = -3.402823466e+38f, sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            largest = largest < in[c] ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++)
            sum += real_exp(in[c] - largest);
        const float logarithm = real_log(sum);
        for (int32_t c = 0; c < depth; c++)
            out[c] = in[c] - largest - logarithm;
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* log_softmax_0: "log_softmax_0"  f32 [2,10] -> [2,10]  algorithm fixed
     * portable/log_softmax_f32: test */
    case 0:
        softmax_f32_f32((float *)(void *)(arena + 0x0000), (float *)(void *)(arena + 0x0050));
        break;
    default:
        break;
    }
}
