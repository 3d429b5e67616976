/* bonsai_port_count for readings of the timer and of CCOUNT: "microseconds cycles" a line, the first one at the start. */
#include "../../firmware/port/esp_idf/port.c"

#include <inttypes.h>
#include <stdio.h>

static int64_t microseconds;
static uint32_t cycles;

int64_t esp_timer_get_time(void)
{
    return microseconds;
}

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void)
{
    return cycles;
}

esp_err_t uart_driver_install(uart_port_t uart, int rx_buffer_size, int tx_buffer_size,
                              int queue_size, QueueHandle_t *queue, int intr_alloc_flags)
{
    return uart + rx_buffer_size + tx_buffer_size + queue_size + intr_alloc_flags + (queue != NULL);
}

esp_err_t uart_param_config(uart_port_t uart, const uart_config_t *config)
{
    return uart + config->baud_rate;
}

esp_err_t uart_set_pin(uart_port_t uart, int tx, int rx, int rts, int cts)
{
    return uart + tx + rx + rts + cts;
}

int uart_write_bytes(uart_port_t uart, const void *bytes, size_t length)
{
    (void)bytes;
    return uart + (int)length;
}

void fake_check(esp_err_t error)
{
    (void)error;
}

int main(void)
{
    for (int line = 0; scanf("%" SCNd64 " %" SCNu32, &microseconds, &cycles) == 2; line++) {
        if (line == 0) {
            bonsai_port_start();
        }
        printf("%" PRIu64 "\n", bonsai_port_count());
    }
    return 0;
}
