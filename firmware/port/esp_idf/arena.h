/* The memory of the arena, as menuconfig says: internal RAM or PSRAM. */
#ifndef BONSAI_ESP_IDF_ARENA_H
#define BONSAI_ESP_IDF_ARENA_H

#include <esp_attr.h>
#include <sdkconfig.h>

#if defined(CONFIG_BONSAI_ARENA_IN_PSRAM)
#define BONSAI_ARENA EXT_RAM_BSS_ATTR
#else
#define BONSAI_ARENA
#endif

#endif
