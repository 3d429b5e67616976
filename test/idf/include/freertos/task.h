#pragma once
#include "freertos/FreeRTOS.h"

UBaseType_t uxTaskGetStackHighWaterMark(TaskHandle_t task);
void vTaskDelay(TickType_t ticks);
/* Called by ESP-IDF. */
void app_main(void);
