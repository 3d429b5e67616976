/* The part of <string.h> that generated code needs, for compilers without a C library. */
#ifndef BONSAI_STRING_H
#define BONSAI_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);

#endif
