/* Copies and fills of all lengths up to 40 and all places of both ends in a word, in allocations of
 * just that size. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define memcpy bonsai_test_memcpy
#define memmove bonsai_test_memmove
#define memset bonsai_test_memset
#define memcmp bonsai_test_memcmp
#include "../../firmware/port/common/libc/string.c"

static int fails(size_t length, size_t from_place, size_t to_place)
{
    uint8_t *from = malloc(from_place + length + 1), *to = malloc(to_place + length + 1);
    if (from == NULL || to == NULL)
        return 1;
    int wrong = 0;
    for (size_t i = 0; i < length; i++)
        from[from_place + i] = (uint8_t)(37 * i + length);
    to[to_place + length] = 99;
    from[from_place + length] = 1;
    memcpy(to + to_place, from + from_place, length);
    for (size_t i = 0; i < length; i++)
        wrong |= to[to_place + i] != (uint8_t)(37 * i + length);
    wrong |= to[to_place + length] != 99;
    memset(to + to_place, -3, length);
    for (size_t i = 0; i < length; i++)
        wrong |= to[to_place + i] != 253;
    wrong |= to[to_place + length] != 99;
    free(from);
    free(to);
    return wrong;
}

int main(void)
{
    for (size_t length = 0; length <= 40; length++)
        for (size_t places = 0; places < 16; places++)
            if (fails(length, places & 3, places >> 2)) {
                printf("%d bytes, places %d\n", (int)length, (int)places);
                return 1;
            }
    return 0;
}
