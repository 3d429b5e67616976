/* Little-endian integers at any address. */
#ifndef BONSAI_BYTES_H
#define BONSAI_BYTES_H

#include <stdint.h>

static inline uint32_t load16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t load32(const uint8_t *p)
{
    return load16(p) | load16(p + 2) << 16;
}

static inline uint8_t *store16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    return p + 2;
}

static inline uint8_t *store32(uint8_t *p, uint32_t value)
{
    return store16(store16(p, value), value >> 16);
}

#endif
