/* Compares the functions of libc/arithmetic.c, renamed by the build, with those of this machine.
 * Prints the first operands for which they differ. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FUNCTIONS(F)                                                                               \
    F(int64_t, muldi3, (int64_t)((uint64_t)a * (uint64_t)b), 1)                                    \
    F(uint64_t, udivdi3, a / b, b != 0)                                                            \
    F(uint64_t, umoddi3, a % b, b != 0)                                                            \
    F(int64_t, divdi3, a / b, b != 0 && !(b == -1 && a == INT64_MIN))                              \
    F(int64_t, moddi3, a % b, b != 0 && !(b == -1 && a == INT64_MIN))                              \
    F(uint32_t, udivsi3, a / b, b != 0)                                                            \
    F(uint32_t, umodsi3, a % b, b != 0)                                                            \
    F(int32_t, divsi3, a / b, b != 0 && !(b == -1 && a == INT32_MIN))                              \
    F(int32_t, modsi3, a % b, b != 0 && !(b == -1 && a == INT32_MIN))                              \
    F(float, addsf3, a + b, 1)                                                                     \
    F(float, subsf3, a - b, 1)                                                                     \
    F(float, mulsf3, a * b, 1)

/* NaNs differ in their payload, which no code reads. */
#define CHECK(type, name, expected, defined)                                                       \
    type own_##name(type, type);                                                                   \
    static int check_##name(uint64_t x, uint64_t y)                                                \
    {                                                                                              \
        type a, b;                                                                                 \
        memcpy(&a, &x, sizeof a);                                                                  \
        memcpy(&b, &y, sizeof b);                                                                  \
        if (!(defined)) {                                                                          \
            return 1;                                                                              \
        }                                                                                          \
        const type own = own_##name(a, b), right = expected;                                       \
        return memcmp(&own, &right, sizeof own) == 0 || (own != own && right != right);            \
    }
FUNCTIONS(CHECK)

static uint64_t state = 7;

static uint64_t random_bits(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 32 | state << 32;
}

/* Half of all operands are small, or close to each other as floats, or edges. */
static uint64_t operand(uint64_t near)
{
    static const uint64_t edges[] = {
        0, 1, UINT64_MAX, 0x80000000u, 0x7f800000u, 0xff800000u, 0x7fc00000u, 0x00800000u,
        0x7f7fffffu, 0x007fffffu, 0x3f800000u, INT64_MAX, (uint64_t)INT64_MIN, 0xffffffffu,
    };
    switch (random_bits() % 8) {
    case 0:
        return edges[random_bits() % (sizeof edges / sizeof *edges)];
    case 1:
        return random_bits() >> random_bits() % 64;
    case 2:
        return near ^ random_bits() >> 38 ^ (random_bits() & 1u) << 31;
    case 3:
        return random_bits() & 0x81ffffffu; /* floats around the least normal one */
    default:
        return random_bits();
    }
}

int main(void)
{
    for (int32_t i = 0; i < 200000; i++) {
        const uint64_t a = operand(0), b = operand(a);
#define COMPARE(type, name, expected, defined)                                                     \
    if (!check_##name(a, b)) {                                                                     \
        printf("%s %016llx %016llx\n", #name, (unsigned long long)a, (unsigned long long)b);       \
        return 1;                                                                                  \
    }
        FUNCTIONS(COMPARE)
    }
    return 0;
}
