/* The interface between the firmware and the hardware: eight functions and one constant.
 *
 * The build defines TARGET_NAME (text without quotes) and CLOCK_HZ from target.json. The port
 * defines bonsai_port_links, the number of its links. */
#ifndef BONSAI_PORT_H
#define BONSAI_PORT_H

#include <stdint.h>

/* Units of bonsai_port_count; the values are those of the protocol. */
#define COUNT_CYCLES 0
#define COUNT_INSTRUCTIONS 1
#define COUNT_NANOSECONDS 2

/* Number of links (byte streams to a host), at most PORT_MAX_LINKS. */
#define PORT_MAX_LINKS 2
extern const int32_t bonsai_port_links;

struct bonsai_port_memory {
    uint32_t stack_peak; /* peak use in bytes since the start; 0: not measured */
    uint32_t stack_size;
    uint32_t static_ram; /* .data and .bss, the model's arena included */
};

/* Starts clocks, counter and links. Called once, before any other function. */
void bonsai_port_start(void);

/* The next byte from a link, or -1 if none has arrived. Does not wait for long. */
int32_t bonsai_port_read(int32_t link);

/* Sends bytes; may buffer them until bonsai_port_flush. Waits while the link is busy, but drops the
 * bytes if the host has stopped listening; the host's time-out then reports the loss. */
void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length);

/* Sends the bytes that bonsai_port_write has buffered. */
void bonsai_port_flush(int32_t link);

/* The unit of bonsai_port_count. */
uint8_t bonsai_port_unit(void);

/* A counter that never decreases. Every call takes the same time. It must be called at least once
 * an hour during a measurement. */
uint64_t bonsai_port_count(void);

void bonsai_port_memory(struct bonsai_port_memory *memory);

/* Restarts in the boot loader, if the board has one. Does not return. */
void bonsai_port_reboot(void);

#endif
