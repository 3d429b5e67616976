/* ESP-IDF's functions in a process: the link is stdin and stdout, the clock the host's. */
#define _DEFAULT_SOURCE

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "driver/uart.h"
#include "driver/usb_serial_jtag.h"
#include "esp_cpu.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "freertos/task.h"
#include "soc/soc.h"

#define MS_PER_TICK 10
/* CCOUNT at the start: it wraps after a millisecond. */
#define FIRST_CYCLE (0u - 240000u)

static void refuse(const char *why)
{
    fprintf(stderr, "fake ESP-IDF: %s\n", why);
    abort();
}

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t elapsed(void)
{
    static uint64_t start;
    start = start == 0 ? nanoseconds() : start;
    return nanoseconds() - start;
}

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void)
{
    return (uint32_t)(elapsed() * 240 / 1000) + FIRST_CYCLE;
}

int64_t esp_timer_get_time(void)
{
    return (int64_t)(elapsed() / 1000);
}

void fake_check(esp_err_t error)
{
    if (error != 0) {
        refuse("a driver does not start");
    }
}

void fake_register_write(uint32_t address, uint32_t value)
{
    fprintf(stderr, "register %08x = %u\n", (unsigned)address, (unsigned)value);
}

void esp_restart(void)
{
    exit(0);
}

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task)
{
    return task == NULL ? 12000 : 0;
}

void vTaskDelay(TickType_t ticks)
{
    (void)ticks;
}

/* Up to `most` bytes; 0 if none arrives in time. */
static int read_some(void *bytes, uint32_t most, TickType_t ticks)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, (int)ticks * MS_PER_TICK) <= 0) {
        return 0;
    }
    const ssize_t length = read(STDIN_FILENO, bytes, most);
    if (length <= 0) {
        exit(length < 0);
    }
    return (int)length;
}

static int write_all(const void *bytes, size_t length)
{
    size_t sent = 0;
    while (sent < length) {
        const ssize_t n = write(STDOUT_FILENO, (const char *)bytes + sent, length - sent);
        if (n <= 0) {
            exit(1);
        }
        sent += (size_t)n;
    }
    return (int)length;
}

/* Of the UART's two buffers each is larger than its FIFO, which the real driver requires. */
esp_err_t uart_driver_install(uart_port_t uart, int rx_buffer_size, int tx_buffer_size,
                              int queue_size, QueueHandle_t *queue, int intr_alloc_flags)
{
    const int fifo = 128;
    return uart != 0 || rx_buffer_size <= fifo || tx_buffer_size <= fifo || queue_size != 0 ||
           queue != NULL || intr_alloc_flags != 0;
}

esp_err_t uart_param_config(uart_port_t uart, const uart_config_t *config)
{
    return uart != 0 || config->baud_rate != 115200 || config->data_bits != UART_DATA_8_BITS;
}

esp_err_t uart_set_pin(uart_port_t uart, int tx, int rx, int rts, int cts)
{
    return uart != 0 || tx != 1 || rx != 3 || rts != UART_PIN_NO_CHANGE || cts != UART_PIN_NO_CHANGE;
}

/* Like the real one it waits for all of the bytes, or until no further byte comes in time. */
int uart_read_bytes(uart_port_t uart, void *bytes, uint32_t length, TickType_t ticks)
{
    (void)uart;
    uint32_t done = 0;
    while (done < length) {
        const int n = read_some((char *)bytes + done, length - done, ticks);
        if (n == 0) {
            break;
        }
        done += (uint32_t)n;
    }
    return (int)done;
}

esp_err_t uart_get_buffered_data_len(uart_port_t uart, size_t *length)
{
    (void)uart;
    int waiting = 0;
    ioctl(STDIN_FILENO, FIONREAD, &waiting);
    *length = (size_t)waiting;
    return 0;
}

int uart_write_bytes(uart_port_t uart, const void *bytes, size_t length)
{
    (void)uart;
    return write_all(bytes, length);
}

static uint32_t usb_buffer;

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config)
{
    usb_buffer = config->tx_buffer_size;
    return config->tx_buffer_size == 0 || config->rx_buffer_size == 0;
}

int usb_serial_jtag_read_bytes(void *bytes, uint32_t length, TickType_t ticks)
{
    return read_some(bytes, length, ticks);
}

/* Like the real one it refuses 0 bytes, and drops what is longer than its buffer. */
int usb_serial_jtag_write_bytes(const void *bytes, size_t length, TickType_t ticks)
{
    (void)ticks;
    if (length == 0 || length > usb_buffer) {
        refuse("a write that the driver of USB drops");
    }
    return write_all(bytes, length);
}

/* Before main, which is the firmware's: app_main calls it and does not return. */
__attribute__((constructor)) static void start(void)
{
    app_main();
}
