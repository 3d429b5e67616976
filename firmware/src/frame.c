#include "frame.h"

#include "bytes.h"
#include "crc32.h"
#include "port.h"

/* Longest run of bytes after one COBS code. */
#define RUN 254

static void append(struct frame_reader *reader, uint8_t byte)
{
    if (reader->length < FRAME_BYTES) {
        reader->frame[reader->length++] = byte;
    } else {
        reader->too_long = true;
    }
}

static int32_t checked_length(const struct frame_reader *reader)
{
    const int32_t length = reader->length - 4;
    if (reader->too_long || reader->left > 0 || length < FRAME_HEADER_BYTES) {
        return 0;
    }
    return load32(reader->frame + length) == bonsai_crc32(reader->frame, length) ? length : 0;
}

int32_t bonsai_frame_read(struct frame_reader *reader, uint8_t byte)
{
    if (byte == 0) {
        const int32_t length = checked_length(reader);
        reader->length = 0;
        reader->left = 0;
        reader->zero_due = false;
        reader->too_long = false;
        return length;
    }
    if (reader->left > 0) {
        append(reader, byte);
        reader->left--;
        return 0;
    }
    if (reader->zero_due) {
        append(reader, 0);
    }
    reader->left = byte - 1;
    reader->zero_due = byte <= RUN;
    return 0;
}

void bonsai_frame_write(int32_t link, uint8_t *frame, int32_t length)
{
    static const uint8_t end = 0;
    const uint8_t *block = frame;
    const uint8_t *last = store32(frame + length, bonsai_crc32(frame, length));
    for (;;) {
        int32_t run = 0;
        while (run < RUN && block + run < last && block[run] != 0) {
            run++;
        }
        const uint8_t code = (uint8_t)(run + 1);
        bonsai_port_write(link, &code, 1);
        bonsai_port_write(link, block, run);
        block += run;
        if (block == last) {
            break;
        }
        if (run < RUN) {
            block++; /* a zero, which the code implies */
        }
    }
    bonsai_port_write(link, &end, 1);
    bonsai_port_flush(link);
}
