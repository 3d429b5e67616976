/* Functions that a compiler calls by name, for compilers whose library lacks them, such as Debian's
 * for Xtensa (an ESP8266 has them in ROM): products and quotients of long integers, sums and
 * products of floats (IEEE 754, to nearest, ties to even). */
#include <stdint.h>

int64_t __muldi3(int64_t a, int64_t b);
uint64_t __udivdi3(uint64_t a, uint64_t b);
uint64_t __umoddi3(uint64_t a, uint64_t b);
int64_t __divdi3(int64_t a, int64_t b);
int64_t __moddi3(int64_t a, int64_t b);
uint32_t __udivsi3(uint32_t a, uint32_t b);
uint32_t __umodsi3(uint32_t a, uint32_t b);
int32_t __divsi3(int32_t a, int32_t b);
int32_t __modsi3(int32_t a, int32_t b);
float __addsf3(float a, float b);
float __subsf3(float a, float b);
float __mulsf3(float a, float b);

static uint64_t product(uint32_t a, uint32_t b)
{
    const uint32_t a_low = a & 0xffffu, a_high = a >> 16;
    const uint32_t b_low = b & 0xffffu, b_high = b >> 16;
    const uint32_t low = a_low * b_low;
    /* At most 0xfffe0001 + 0xffff, then plus 0xffff: neither sum exceeds 32 bits. */
    const uint32_t middle = a_high * b_low + (low >> 16);
    const uint32_t other = a_low * b_high + (middle & 0xffffu);
    const uint32_t high = a_high * b_high + (middle >> 16) + (other >> 16);
    return (uint64_t)high << 32 | (other << 16 | (low & 0xffffu));
}

int64_t __muldi3(int64_t a, int64_t b)
{
    const uint32_t a_low = (uint32_t)a, a_high = (uint32_t)((uint64_t)a >> 32);
    const uint32_t b_low = (uint32_t)b, b_high = (uint32_t)((uint64_t)b >> 32);
    const uint32_t high = a_low * b_high + a_high * b_low;
    return (int64_t)(product(a_low, b_low) + ((uint64_t)high << 32));
}

/* Shift and subtract, from the dividend's highest bit on. Nothing is subtracted for b = 0. */
static uint32_t divide(uint32_t a, uint32_t b, uint32_t *rest)
{
    uint32_t quotient = 0;
    uint32_t left = a;
    if (b != 0 && b <= a) {
        for (int32_t shift = __builtin_clz(b) - __builtin_clz(a); shift >= 0; shift--) {
            if (left >> shift >= b) {
                left -= b << shift;
                quotient |= 1u << shift;
            }
        }
    }
    *rest = left;
    return quotient;
}

static uint64_t divide_long(uint64_t a, uint64_t b, uint64_t *rest)
{
    uint64_t quotient = 0;
    uint64_t left = 0;
    if (b == 0) {
        *rest = a;
        return 0;
    }
    for (int32_t bit = 63; bit >= 0; bit--) {
        const uint64_t carry = left >> 63;
        left = left << 1 | (a >> bit & 1u);
        if (carry != 0 || left >= b) {
            left -= b;
            quotient |= (uint64_t)1 << bit;
        }
    }
    *rest = left;
    return quotient;
}

uint64_t __udivdi3(uint64_t a, uint64_t b)
{
    uint64_t rest;
    return divide_long(a, b, &rest);
}

uint64_t __umoddi3(uint64_t a, uint64_t b)
{
    uint64_t rest;
    divide_long(a, b, &rest);
    return rest;
}

uint32_t __udivsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;
    return divide(a, b, &rest);
}

uint32_t __umodsi3(uint32_t a, uint32_t b)
{
    uint32_t rest;
    divide(a, b, &rest);
    return rest;
}

static uint32_t magnitude(int32_t value)
{
    return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

static uint64_t magnitude_long(int64_t value)
{
    return value < 0 ? 0u - (uint64_t)value : (uint64_t)value;
}

int32_t __divsi3(int32_t a, int32_t b)
{
    const uint32_t quotient = __udivsi3(magnitude(a), magnitude(b));
    return (int32_t)((a ^ b) < 0 ? 0u - quotient : quotient);
}

int32_t __modsi3(int32_t a, int32_t b)
{
    const uint32_t rest = __umodsi3(magnitude(a), magnitude(b));
    return (int32_t)(a < 0 ? 0u - rest : rest);
}

int64_t __divdi3(int64_t a, int64_t b)
{
    const uint64_t quotient = __udivdi3(magnitude_long(a), magnitude_long(b));
    return (int64_t)((a ^ b) < 0 ? 0u - quotient : quotient);
}

int64_t __moddi3(int64_t a, int64_t b)
{
    const uint64_t rest = __umoddi3(magnitude_long(a), magnitude_long(b));
    return (int64_t)(a < 0 ? 0u - rest : rest);
}

#define SIGN 0x80000000u
#define INFINITE 0x7f800000u
#define NOT_A_NUMBER 0x7fc00000u
#define LEADING_BIT 0x800000u
/* Bits below a significand's last, for rounding. */
#define GUARD_BITS 3

union number {
    float value;
    uint32_t bits;
};

static float number(uint32_t bits)
{
    return (union number){.bits = bits}.value;
}

static uint32_t bits_of(float value)
{
    return (union number){.value = value}.bits;
}

/* Shifts right; the last bit tells whether any bit that was lost is set. */
static uint32_t shift_sticky(uint32_t value, int32_t by)
{
    if (by > 31) {
        return value != 0;
    }
    const uint32_t shifted = value >> by;
    return shifted | (shifted << by != value);
}

/* A number from its significand with guard bits; without a leading bit only for exponent 1. */
static float rounded(uint32_t sign, int32_t exponent, uint32_t significand)
{
    const uint32_t rest = significand & ((1u << GUARD_BITS) - 1);
    uint32_t bits = significand >> GUARD_BITS;
    bits += rest > 4 || (rest == 4 && (bits & 1u) != 0);
    bits += (uint32_t)(exponent - 1) << 23;
    return number(sign | (exponent > 254 || bits > INFINITE ? INFINITE : bits));
}

/* With the leading bit that is not stored, except below the least normal number. */
static uint32_t significand_of(uint32_t bits)
{
    const uint32_t fraction = bits & (LEADING_BIT - 1);
    return (bits & INFINITE) != 0 ? fraction | LEADING_BIT : fraction;
}

static int32_t exponent_of(uint32_t bits)
{
    const int32_t exponent = (int32_t)(bits >> 23 & 255u);
    return exponent == 0 ? 1 : exponent;
}

float __addsf3(float first, float second)
{
    uint32_t a = bits_of(first), b = bits_of(second);
    if ((a & ~SIGN) < (b & ~SIGN)) {
        const uint32_t larger = b;
        b = a;
        a = larger;
    }
    if ((a & ~SIGN) >= INFINITE) {
        const int is_opposite = (b & ~SIGN) == INFINITE && a != b;
        return number((a & ~SIGN) > INFINITE || is_opposite ? NOT_A_NUMBER : a);
    }
    int32_t exponent = exponent_of(a);
    uint32_t sum = significand_of(a) << GUARD_BITS;
    const uint32_t other = shift_sticky(significand_of(b) << GUARD_BITS, exponent - exponent_of(b));
    if (((a ^ b) & SIGN) == 0) {
        sum += other;
        if (sum >> 24 >> GUARD_BITS != 0) {
            sum = shift_sticky(sum, 1);
            exponent++;
        }
        return rounded(a & SIGN, exponent, sum);
    }
    sum -= other;
    for (; sum < LEADING_BIT << GUARD_BITS && exponent > 1; exponent--) {
        sum <<= 1;
    }
    return rounded(sum == 0 ? 0 : a & SIGN, exponent, sum);
}

float __subsf3(float a, float b)
{
    return __addsf3(a, number(bits_of(b) ^ SIGN));
}

float __mulsf3(float first, float second)
{
    const uint32_t a = bits_of(first), b = bits_of(second), sign = (a ^ b) & SIGN;
    const uint32_t larger = (a & ~SIGN) > (b & ~SIGN) ? a & ~SIGN : b & ~SIGN;
    const uint32_t smaller = (a & ~SIGN) > (b & ~SIGN) ? b & ~SIGN : a & ~SIGN;
    if (larger >= INFINITE) {
        return number(larger > INFINITE || smaller == 0 ? NOT_A_NUMBER : sign | INFINITE);
    }
    if (smaller == 0) {
        return number(sign);
    }
    int32_t exponent = exponent_of(larger) + exponent_of(smaller) - 127;
    uint32_t factor = significand_of(smaller), other = significand_of(larger);
    for (; factor < LEADING_BIT; exponent--) {
        factor <<= 1;
    }
    for (; other < LEADING_BIT; exponent--) {
        other <<= 1;
    }
    /* 2^46 to 2^48: the leading bit of the significand with guard bits is bit 26. */
    const uint64_t all = product(factor, other);
    uint32_t significand = (uint32_t)(all >> 20) | ((all & 0xfffffu) != 0);
    if (significand >> 24 >> GUARD_BITS != 0) {
        significand = shift_sticky(significand, 1);
        exponent++;
    }
    if (exponent < 1) {
        significand = shift_sticky(significand, 1 - exponent);
        exponent = 1;
    }
    return rounded(sign, exponent, significand);
}
