/* Frames of docs/protocol.md: header, body and CRC-32 in COBS, ended by a zero byte. */
#ifndef BONSAI_FRAME_H
#define BONSAI_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 8
#define FRAME_BODY_BYTES 1024
#define FRAME_BYTES (FRAME_HEADER_BYTES + FRAME_BODY_BYTES + 4)

/* The state of reading a frame; all zero before the first byte. */
struct frame_reader {
    uint8_t frame[FRAME_BYTES]; /* header, body, CRC-32 */
    int32_t length;
    int32_t left;  /* bytes until the next COBS code */
    bool zero_due; /* the last block implies a zero, if another block follows */
    bool too_long;
};

/* Takes one byte from the link.
 *
 * Returns the length of header and body when the byte completes a valid frame, otherwise 0. A frame
 * that is too long, too short, cut off or damaged is dropped at its end, the next zero byte. */
int32_t bonsai_frame_read(struct frame_reader *reader, uint8_t byte);

/* Sends a frame of `length` bytes of header and body. Writes the CRC behind them in `frame`. */
void bonsai_frame_write(int32_t link, uint8_t *frame, int32_t length);

#endif
