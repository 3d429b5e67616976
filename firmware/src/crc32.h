#ifndef BONSAI_CRC32_H
#define BONSAI_CRC32_H

#include <stdint.h>

/* CRC-32 of zlib (polynomial 0xEDB88320, reflected) of bytes. */
uint32_t bonsai_crc32(const uint8_t *bytes, int32_t length);

#endif
