/* The whole contract between the firmware and the hardware: eight functions and three constants.
 *
 * The build defines TARGET_NAME (text without quotes) and CLOCK_HZ from target.json; the port itself
 * says how many links it has in bonsai_port_links. */
#ifndef BONSAI_PORT_H
#define BONSAI_PORT_H

#include <stdint.h>

/* What bonsai_port_count counts; the values are the protocol's. */
#define COUNT_CYCLES 0
#define COUNT_INSTRUCTIONS 1
#define COUNT_NANOSECONDS 2

/* Byte streams to a host that the port serves, at most PORT_MAX_LINKS. */
#define PORT_MAX_LINKS 2
extern const int32_t bonsai_port_links;

struct bonsai_port_memory {
    uint32_t stack_peak; /* bytes used since the start; 0: not measured here */
    uint32_t stack_size;
    uint32_t static_ram; /* .data and .bss, the model's arena included */
};

/* Clocks, counter and links. Called once, before anything else. */
void bonsai_port_start(void);

/* The next byte from a link, or -1 when none is there yet. Does not wait for long. */
int32_t bonsai_port_read(int32_t link);

/* Sends bytes; may keep them back until bonsai_port_flush. Waits while the link is busy, but gives up
 * on a host that has stopped listening: the bytes are dropped, and its own time-out tells it. */
void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length);

/* Sends what bonsai_port_write kept back. */
void bonsai_port_flush(int32_t link);

/* What bonsai_port_count counts here. */
uint8_t bonsai_port_unit(void);

/* A counter that only ever grows. Takes the same time at every call, and is called
 * at least once an hour while something is measured. */
uint64_t bonsai_port_count(void);

void bonsai_port_memory(struct bonsai_port_memory *memory);

/* Restarts in the boot loader, where there is one. Does not return. */
void bonsai_port_reboot(void);

#endif
