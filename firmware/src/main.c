/* Serves every link of the port, for ever. An answer leaves on the link that asked. */
#include "commands.h"
#include "counters.h"
#include "frame.h"
#include "model.h"
#include "port.h"

static struct frame_reader readers[PORT_MAX_LINKS];

static void serve(int32_t link)
{
    struct frame_reader *reader = &readers[link];
    for (int32_t byte = port_read(link); byte >= 0; byte = port_read(link)) {
        const int32_t length = frame_read(reader, (uint8_t)byte);
        if (length > 0) {
            bool must_reboot = false;
            frame_write(link, reader->frame, answer(reader->frame, length, &must_reboot));
            if (must_reboot) {
                port_reboot();
            }
        }
    }
}

int main(void)
{
    port_start();
    counters_start();
    bonsai_model.reset(bonsai_model.arena);
    for (;;) {
        for (int32_t link = 0; link < port_links; link++) {
            serve(link);
        }
    }
}
