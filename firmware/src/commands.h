#ifndef BONSAI_COMMANDS_H
#define BONSAI_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

/* Carries out the request in `frame` (header and body, `length` bytes) and puts the answer in its
 * place, which must have room for FRAME_BYTES. Sets `*reboot` if the board must restart after the
 * answer is sent. Returns the length of the answer's header and body. */
int32_t bonsai_answer(uint8_t *frame, int32_t length, bool *reboot);

#endif
