/* Serves all links of the port in an endless loop. An answer goes to the link of its request. */
#include "commands.h"
#include "counters.h"
#include "frame.h"
#include "model.h"
#include "port.h"

static struct frame_reader readers[PORT_MAX_LINKS];

static void serve(int32_t link)
{
    struct frame_reader *reader = &readers[link];
    for (int32_t byte = bonsai_port_read(link); byte >= 0; byte = bonsai_port_read(link)) {
        const int32_t length = bonsai_frame_read(reader, (uint8_t)byte);
        if (length > 0) {
            bool must_reboot = false;
            const int32_t answered = bonsai_answer(reader->frame, length, &must_reboot);
            bonsai_frame_write(link, reader->frame, answered);
            if (must_reboot) {
                bonsai_port_reboot();
            }
        }
    }
}

int main(void)
{
    bonsai_port_start();
    bonsai_counters_start();
    bonsai_model.reset(bonsai_model.arena);
    for (;;) {
        for (int32_t link = 0; link < bonsai_port_links; link++) {
            serve(link);
        }
    }
}
