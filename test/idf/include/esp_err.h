/* Declarations of ESP-IDF's functions that firmware/port/esp_idf calls, for builds without ESP-IDF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int esp_err_t;
void fake_check(esp_err_t error);
#define ESP_ERROR_CHECK(call) fake_check(call)
