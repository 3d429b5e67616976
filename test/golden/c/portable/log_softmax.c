#include "BONSAI_FLASH"
#include "BONSAI_SHARED"
#include "multiply_high"
#include "reciprocal"

/* The natural logarithm in Q5.26 of x >= 1 in Q12.19, as TensorFlow Lite Micro computes it: x = r *
 * 2^power with r next to the fourth root of 1/2, where a quotient of polynomials approximates it.
 * Of each product one factor is not negative: q times q is that of its magnitude. */
static inline int32_t log_of_sum(int32_t x)
{
    int32_t zeros = 1;
    while (x << (zeros - 1) < 1 << 30)
        zeros++;
    /* By either of two powers, a half apart. */
    const int32_t a = multiply_high(x << (zeros - 1), 1518500250, 1u << 14);
    const int32_t lower = multiply_high(x, 1518500250, 1u << 14);
    const int32_t headroom = lower << (zeros - 1) < 1 << 30 ? zeros : zeros - 1;
    const int32_t r_a = a >= 1 << 30 ? INT32_MAX : a << 1;
    const int32_t r_b = headroom == zeros ? INT32_MAX : x << headroom;
    const int32_t r = r_a < r_b ? r_a : r_b;
    const int32_t power_a = ((12 - zeros) << 25) + (1 << 23), power_b = ((12 - headroom) << 25) -
        (1 << 23);
    const int32_t power = power_a > power_b ? power_a : power_b;
    const int32_t p = (int32_t)(((uint32_t)r + 1805811301u + 1u) >> 1);
    const int32_t q = 2 * (r - 1805811301);
    const int32_t size = q < 0 ? -q : q;
    const int32_t square = multiply_high(size, size, 1u << 14);
    const int32_t cube = multiply_high(q, square, 1u << 14);
    const int32_t above = multiply_high(q, r, 1u << 14) + multiply_high(cube, 117049297, 1u << 14);
    const int32_t inner = 1057819769 + q + multiply_high(square, 127690142, 1u << 14);
    const int32_t below = multiply_high(inner, p, 1u << 14) + multiply_high(q, 638450708, 1u << 14);
    /* Of 1 + below. */
    const int32_t half = (int32_t)(((uint32_t)below + 0x80000000u) >> 1);
    /* above / 64, halves away from zero. */
    const int32_t short_above = (((above + (above >> 31)) >> 5) + 1) >> 1;
    const int32_t quotient = multiply_high(short_above, reciprocal(half), 1u << 14);
    return 2 * (multiply_high(power, 1488522236, 1u << 14) + quotient);
}

/* x - log of the sum of exp(x) along each row in fixed point, as TensorFlow Lite Micro computes it.
 * Tables hold, for the 256 possible distances from the largest element, the distance in Q5.26, at
 * most 16, and its exponential in Q12.19. `out` may be `in`. */
static void log_softmax_s8(const int8_t *in, int8_t *out)
{
    const int32_t *const distances = model_log_softmax_0_distances, *const summands =
        model_log_softmax_0_summands;
    const int32_t depth = 10;
    for (int32_t row = 0; row < 1; row++, in += depth, out += depth) {
        int32_t largest = in[0], sum = 0;
        for (int32_t c = 1; c < depth; c++)
            largest = in[c] > largest ? in[c] : largest;
        for (int32_t c = 0; c < depth; c++)
            sum += summands[largest - in[c]];
        /* Half a step of the output is added; 16 + log(4095) is less than 32. */
        const int32_t logarithm = log_of_sum(sum) + (1 << 21);
        for (int32_t c = 0; c < depth; c++) {
            const int32_t y = 127 - ((distances[largest - in[c]] + logarithm) >> 22);
            out[c] = (int8_t)(y < -128 ? -128 : y);
        }
    }
}

static void model_step(int8_t *arena, int32_t step)
{
    switch (step) {
    /* log_softmax_0: "log_softmax_0"  s8 [1,10] -> [1,10]  algorithm fixed
     * portable/log_softmax: test */
    case 0:
        log_softmax_s8(arena + 0x0000, arena + 0x000c);
        break;
    default:
        break;
    }
}
