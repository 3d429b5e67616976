#pragma once
#include <stdint.h>

void fake_register_write(uint32_t address, uint32_t value);
#define REG_WRITE(address, value) fake_register_write(address, value)
