#include "string.h"

#include <stdint.h>

#if defined(__ARM_FEATURE_UNALIGNED)
typedef uint32_t word __attribute__((aligned(1), may_alias));
#else
typedef uint32_t word __attribute__((may_alias));
#endif

/* Copies words if the core can load them from both addresses, otherwise four bytes at a time: copies
 * of tensors are long and aligned, runs of channels are neither. */
void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    const uint8_t *const end = f + length, *const last = end - (length & 3u);
    if ((((uintptr_t)t | (uintptr_t)f) & (_Alignof(word) - 1)) == 0) {
        for (; f != last; f += 4, t += 4) {
            *(word *)(void *)t = *(const word *)(const void *)f;
        }
    }
    for (; f != last; f += 4, t += 4) {
        t[0] = f[0];
        t[1] = f[1];
        t[2] = f[2];
        t[3] = f[3];
    }
    for (; f != end; f++, t++) {
        *t = *f;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t <= (uintptr_t)f) {
        while (length-- > 0) {
            *t++ = *f++;
        }
    } else {
        while (length-- > 0) {
            t[length] = f[length];
        }
    }
    return to;
}

void *memset(void *to, int value, size_t length)
{
    uint8_t *t = to;
    uint8_t *const end = t + length;
    for (; t != end && ((uintptr_t)t & 3u) != 0; t++) {
        *t = (uint8_t)value;
    }
    for (uint8_t *const last = end - ((size_t)(end - t) & 3u); t != last; t += 4) {
        *(word *)(void *)t = (uint8_t)value * 0x01010101u;
    }
    for (; t != end; t++) {
        *t = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *p = a;
    const uint8_t *q = b;
    for (; length > 0; length--, p++, q++) {
        if (*p != *q) {
            return *p < *q ? -1 : 1;
        }
    }
    return 0;
}
