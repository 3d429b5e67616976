/* The RP2040's USB controller (datasheet, 4.1) for usb_cdc.c: the functions that
 * port/nrf52/usb_controller.h explains. Only usb_cdc.c hands buffers over. */
#ifndef BONSAI_USB_CONTROLLER_H
#define BONSAI_USB_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "chip.h"
#include "usb_cdc.h"

void bonsai_usb_start(void);

/* Buffers of the controller, in the order of their control words and status bits. */
enum buffer {
    EP0_IN,
    EP0_OUT,
    NOTIFY_IN,
    NOTIFY_OUT, /* not used */
    DATA_IN,
    DATA_OUT,
    BUFFERS,
};

/* Offsets of the buffers. */
#define EP0_BYTES 0x100u
#define NOTIFY_IN_BYTES 0x180u
#define DATA_IN_BYTES 0x1c0u
#define DATA_OUT_BYTES 0x200u

/* Data toggle of each buffer's next packet. */
extern uint8_t bonsai_usb_toggles[BUFFERS];

static const uint32_t bonsai_usb_ticks_per_ms = 1000;

static inline uint32_t bonsai_usb_ticks(void)
{
    return REG(TIMER_RAW_LOW);
}

static inline void bonsai_usb_lock(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

static inline void bonsai_usb_unlock(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

static inline volatile uint8_t *buffer_bytes(uint32_t offset)
{
    return (volatile uint8_t *)(uintptr_t)(DPRAM + offset);
}

static inline uint32_t buffer_control(enum buffer buffer)
{
    return DPRAM + 0x80u + 4u * (uint32_t)buffer;
}

/* Hands a buffer to the controller: to be sent, or to be filled by the host. */
static inline void hand_over(enum buffer buffer, int32_t length)
{
    const bool to_host = buffer % 2 == 0;
    const uint32_t control = (uint32_t)length | (bonsai_usb_toggles[buffer] != 0 ? BUFFER_DATA1 : 0) |
                             (to_host ? BUFFER_FULL : 0);
    bonsai_usb_toggles[buffer] ^= 1;
    REG(buffer_control(buffer)) = control;
    /* The controller runs at 48 MHz and must see the other bits before the last one [4.1.2.5.1]. */
    __asm volatile(".rept 12\n nop\n .endr");
    REG(buffer_control(buffer)) = control | BUFFER_AVAILABLE;
}

static inline volatile uint8_t *bonsai_usb_in_bytes(void)
{
    return buffer_bytes(DATA_IN_BYTES);
}

static inline volatile uint8_t *bonsai_usb_out_bytes(void)
{
    return buffer_bytes(DATA_OUT_BYTES);
}

static inline void bonsai_usb_data_send(int32_t length)
{
    hand_over(DATA_IN, length);
}

static inline void bonsai_usb_data_receive(void)
{
    hand_over(DATA_OUT, USB_PACKET);
}

static inline void bonsai_usb_data_reset_in(bool on)
{
    (void)on; /* it answers nothing until a packet is handed over */
    REG(buffer_control(DATA_IN)) = 0;
    bonsai_usb_toggles[DATA_IN] = 0;
}

static inline void bonsai_usb_data_reset_out(bool on)
{
    REG(buffer_control(DATA_OUT)) = 0;
    bonsai_usb_toggles[DATA_OUT] = 0;
    if (on) {
        hand_over(DATA_OUT, USB_PACKET);
    }
}

static inline void bonsai_usb_control_reset(void)
{
    bonsai_usb_toggles[EP0_IN] = 1;
    bonsai_usb_toggles[EP0_OUT] = 1;
}

static inline void bonsai_usb_control_begin(void)
{
    hand_over(EP0_OUT, USB_PACKET); /* the host's acknowledgement */
}

static inline void bonsai_usb_control_send(const uint8_t *bytes, int32_t length)
{
    for (int32_t i = 0; i < length; i++) {
        buffer_bytes(EP0_BYTES)[i] = bytes[i];
    }
    hand_over(EP0_IN, length);
}

static inline void bonsai_usb_control_end(void)
{
    /* The host's acknowledgement needs no help. */
}

static inline void bonsai_usb_control_receive(void)
{
    hand_over(EP0_OUT, USB_PACKET);
}

static inline void bonsai_usb_control_acknowledge(void)
{
    hand_over(EP0_IN, 0);
}

static inline void bonsai_usb_control_refuse(void)
{
    REG(USB_STALL_ARM) = 3;
    REG(buffer_control(EP0_IN)) = BUFFER_STALL;
    REG(buffer_control(EP0_OUT)) = BUFFER_STALL;
}

static inline void bonsai_usb_set_address(uint8_t address)
{
    REG(USB_ADDRESS) = address;
}

#endif
