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

/* The float64 of these bits. */
static inline double double_of_bits(uint64_t bits)
{
    const union {
        uint64_t bits;
        double value;
    } word = { bits };
    return word.value;
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

/* The greatest whole number that is not above x. */
static inline float real_floor(float x)
{
    /* From 2^23 on all numbers are whole; zeros keep their sign. */
    if (!(x < 8388608.0f && x > -8388608.0f) || x == 0.0f)
        return x;
    const float whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}

/* The nearest whole number, halves to the even one. */
static inline float real_round(float x)
{
    const float below = real_floor(x);
    const float rest = x - below;
    if (rest < 0.5f || (rest == 0.5f && (int32_t)below % 2 == 0))
        return below;
    return below + 1.0f;
}

/* x - log of the sum of exp(x) along each row in float, as desktop TensorFlow Lite computes it: a
 * table of the 256 possible exponentials, summed in order. `out` may be `in`. */
static void log_softmax_table_s8(const int8_t *in, int8_t *out)
{
    const float *const exponentials = model_log_softmax_0_exponentials;
    const float scale = model_log_softmax_0_scales[0], steps = model_log_softmax_0_scales[1];
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0];
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        float sum = 0.0f;
        for (int32_t c = 0; c < depth; c++)
            sum += exponentials[largest - in[c]];
        const float most = scale * (float)largest;
        const float offset = (most + real_log(sum)) * 16.0f;
        for (int32_t c = 0; c < depth; c++) {
            const float product = steps * (float)in[c];
            const float value = product - offset;
            out[c] = (int8_t)(value > -255.0f ? (int32_t)real_round(value) + 127 : -128);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* log_softmax_0: "log_softmax_0"  s8 [1,10] -> [1,10]  algorithm table
     * portable/log_softmax_table: test */
    case 0:
        log_softmax_table_s8(arena + 0x0000, arena + 0x000c);
        break;
    default:
        break;
    }
}
