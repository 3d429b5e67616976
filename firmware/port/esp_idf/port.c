/* A chip under ESP-IDF 5: drivers of the UART or of USB Serial/JTAG, the processor's cycle counter.
 * Names and limits of functions are those of ESP-IDF v5.5's headers (esp_driver_uart,
 * esp_driver_usb_serial_jtag, esp_timer, esp_hw_support/esp_cpu.h). */
#include "port.h"

#include <stdbool.h>

#include <esp_cpu.h>
#include <esp_system.h>
#include <esp_timer.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
#include <sdkconfig.h>

#if defined(CONFIG_BONSAI_LINK_USB_SERIAL_JTAG)
#include <driver/usb_serial_jtag.h>
#else
#include <driver/uart.h>
#endif
#if defined(CONFIG_BONSAI_REBOOT_TO_BOOT_ROM)
#include <soc/rtc_cntl_reg.h>
#include <soc/soc.h>
#endif

#define CYCLES_PER_MICROSECOND (CLOCK_HZ / 1000000u)
/* Buffers of the drivers: a frame with its overhead, and more than a UART's FIFO of 128 bytes. */
#define LINK_BUFFER_BYTES 2048
/* One tick: other tasks run while no byte arrives. */
#define READ_PATIENCE 1
/* A host that reads empties the buffer far sooner. */
#define WRITE_PATIENCE pdMS_TO_TICKS(200)

static uint8_t received[256];
static int32_t received_length;
static int32_t next;

/* Cycles at microsecond 0, modulo 2^32. */
static uint32_t first_cycle;

#if defined(CONFIG_BONSAI_LINK_USB_SERIAL_JTAG)
static void start_link(void)
{
    usb_serial_jtag_driver_config_t config = {
        .tx_buffer_size = LINK_BUFFER_BYTES,
        .rx_buffer_size = LINK_BUFFER_BYTES,
    };
    ESP_ERROR_CHECK(usb_serial_jtag_driver_install(&config));
}

/* Returns as soon as there is a byte. */
static int read_link(uint8_t *bytes, uint32_t most)
{
    return usb_serial_jtag_read_bytes(bytes, most, READ_PATIENCE);
}

static void write_link(const uint8_t *bytes, size_t length)
{
    usb_serial_jtag_write_bytes(bytes, length, WRITE_PATIENCE);
}
#else
static void start_link(void)
{
    const uart_config_t config = {
        .baud_rate = BAUD_RATE,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };
    const uart_port_t uart = CONFIG_BONSAI_UART_NUMBER;
    ESP_ERROR_CHECK(uart_driver_install(uart, LINK_BUFFER_BYTES, LINK_BUFFER_BYTES, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_param_config(uart, &config));
    ESP_ERROR_CHECK(uart_set_pin(uart, CONFIG_BONSAI_UART_TX, CONFIG_BONSAI_UART_RX,
                                 UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE));
}

/* Waits for one byte, then takes those that have arrived: the driver waits for all that it is asked
 * for. */
static int read_link(uint8_t *bytes, uint32_t most)
{
    size_t more = 0;
    if (uart_read_bytes(CONFIG_BONSAI_UART_NUMBER, bytes, 1, READ_PATIENCE) != 1) {
        return 0;
    }
    uart_get_buffered_data_len(CONFIG_BONSAI_UART_NUMBER, &more);
    if (more > most - 1) {
        more = most - 1;
    }
    const int length =
        more == 0 ? 0
                  : uart_read_bytes(CONFIG_BONSAI_UART_NUMBER, bytes + 1, (uint32_t)more, 0);
    return length < 0 ? 1 : length + 1;
}

static void write_link(const uint8_t *bytes, size_t length)
{
    uart_write_bytes(CONFIG_BONSAI_UART_NUMBER, bytes, length);
}
#endif

void bonsai_port_start(void)
{
    static const uint8_t end = 0;
    start_link();
    first_cycle = esp_cpu_get_cycle_count() -
                  (uint32_t)esp_timer_get_time() * (uint32_t)CYCLES_PER_MICROSECOND;
    /* Ends what the boot ROM may have printed, so that the host does not take it for the beginning
     * of the first answer. */
    write_link(&end, 1);
}

int32_t bonsai_port_read(int32_t link)
{
    (void)link;
    if (next == received_length) {
        received_length = read_link(received, sizeof received);
        next = 0;
        if (received_length <= 0) {
            received_length = 0;
            return -1;
        }
    }
    return received[next++];
}

/* The driver of USB refuses 0 bytes. */
void bonsai_port_write(int32_t link, const uint8_t *bytes, int32_t length)
{
    (void)link;
    if (length > 0) {
        write_link(bytes, (size_t)length);
    }
}

uint8_t bonsai_port_unit(void)
{
    return COUNT_CYCLES;
}

/* CCOUNT wraps after 18 s at 240 MHz. The system's timer, of the same crystal, gives the count to a
 * few hundred cycles and thereby the upper bits: exact as long as both differ by less than 2^31. */
uint64_t bonsai_port_count(void)
{
    const uint32_t now = esp_cpu_get_cycle_count() - first_cycle;
    const uint64_t about = (uint64_t)esp_timer_get_time() * CYCLES_PER_MICROSECOND;
    return about + (uint64_t)(int64_t)(int32_t)(now - (uint32_t)about);
}

/* From ESP-IDF's linker script. */
extern uint8_t _data_start[], _data_end[], _bss_start[], _bss_end[];
#if defined(CONFIG_BONSAI_ARENA_IN_PSRAM)
extern uint8_t _ext_ram_bss_start[], _ext_ram_bss_end[];
#endif

static uint32_t bytes_between(const uint8_t *start, const uint8_t *end)
{
    return (uint32_t)((uintptr_t)end - (uintptr_t)start);
}

/* ESP-IDF counts stacks in bytes. */
void bonsai_port_memory(struct bonsai_port_memory *memory)
{
    const uint32_t least_free = (uint32_t)uxTaskGetStackHighWaterMark(NULL);
    memory->stack_size = CONFIG_ESP_MAIN_TASK_STACK_SIZE;
    memory->stack_peak = memory->stack_size - least_free;
    memory->static_ram =
        bytes_between(_data_start, _data_end) + bytes_between(_bss_start, _bss_end);
#if defined(CONFIG_BONSAI_ARENA_IN_PSRAM)
    memory->static_ram += bytes_between(_ext_ram_bss_start, _ext_ram_bss_end);
#endif
}

/* A chip without this bit restarts; its board enters the boot loader by the lines DTR and RTS. */
void bonsai_port_reboot(void)
{
    vTaskDelay(pdMS_TO_TICKS(100)); /* the answer is under way */
#if defined(CONFIG_BONSAI_REBOOT_TO_BOOT_ROM)
    REG_WRITE(RTC_CNTL_OPTION1_REG, RTC_CNTL_FORCE_DOWNLOAD_BOOT);
#endif
    esp_restart();
}

int main(void);

/* Called by ESP-IDF in a task of its own, pinned to the first core (ESP_MAIN_TASK_AFFINITY_CPU0). */
void app_main(void)
{
    main();
}
