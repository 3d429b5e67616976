#pragma once
#include "esp_err.h"
#include "freertos/FreeRTOS.h"

typedef int uart_port_t;
typedef struct {
    int baud_rate;
    int data_bits;
    int parity;
    int stop_bits;
    int flow_ctrl;
    uint8_t rx_flow_ctrl_thresh;
    int source_clk;
} uart_config_t;

#define UART_DATA_8_BITS 3
#define UART_PARITY_DISABLE 0
#define UART_STOP_BITS_1 1
#define UART_HW_FLOWCTRL_DISABLE 0
#define UART_SCLK_DEFAULT 4
#define UART_PIN_NO_CHANGE (-1)

esp_err_t uart_driver_install(uart_port_t uart, int rx_buffer_size, int tx_buffer_size,
                              int queue_size, QueueHandle_t *queue, int intr_alloc_flags);
esp_err_t uart_param_config(uart_port_t uart, const uart_config_t *config);
esp_err_t uart_set_pin(uart_port_t uart, int tx, int rx, int rts, int cts);
int uart_read_bytes(uart_port_t uart, void *bytes, uint32_t length, TickType_t ticks);
int uart_write_bytes(uart_port_t uart, const void *bytes, size_t length);
esp_err_t uart_get_buffered_data_len(uart_port_t uart, size_t *length);
