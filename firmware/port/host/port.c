/* A process on a POSIX host: frames over stdin and stdout, time in nanoseconds. */
#define _POSIX_C_SOURCE 200809L

#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

const int32_t bonsai_port_links = 1;

static uint8_t received[4096];
static int32_t received_length;
static int32_t next;

static uint8_t kept[4096];
static int32_t kept_length;

void bonsai_port_start(void)
{
}

/* Ends the process when the host has closed the pipe. */
int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    if (next == received_length) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, -1) < 0) {
            return -1;
        }
        const ssize_t length = read(STDIN_FILENO, received, sizeof received);
        if (length <= 0) {
            exit(length < 0);
        }
        received_length = (int32_t)length;
        next = 0;
    }
    return received[next++];
}

void bonsai_port_flush(int32_t link)
{
    (void)link;
    int32_t sent = 0;
    while (sent < kept_length) {
        const ssize_t n = write(STDOUT_FILENO, kept + sent, (size_t)(kept_length - sent));
        if (n < 0 && errno != EINTR) {
            exit(1);
        }
        sent += n < 0 ? 0 : (int32_t)n;
    }
    kept_length = 0;
}

void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        if (kept_length == (int32_t)sizeof kept) {
            bonsai_port_flush(link);
        }
        kept[kept_length++] = bytes[i];
    }
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_NANOSECONDS;
}

uint64_t bonsai_port_count(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Stack and data of a process belong to the operating system, so only the arena is counted. */
void bonsai_port_memory(struct bonsai_port_memory *memory)
{
    memory->stack_peak = 0;
    memory->stack_size = 0;
    memory->static_ram = (uint32_t)bonsai_model.arena_bytes;
}

/* Ends the process, since there is no boot loader. */
void bonsai_port_reboot(void)
{
    exit(0);
}
