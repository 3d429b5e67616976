#pragma once
#include <stdint.h>

typedef uint32_t TickType_t;
typedef unsigned int UBaseType_t;
typedef void *TaskHandle_t;
typedef void *QueueHandle_t;
#define pdMS_TO_TICKS(ms) ((TickType_t)((ms) / 10))
