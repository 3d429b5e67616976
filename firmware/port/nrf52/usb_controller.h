/* What usb_cdc.c needs of a USB controller. Each family with one has a header of this name with
 * these functions, inline where that is shorter (port/rp2). They are called in the controller's
 * interrupt, or while that is disabled. */
#ifndef BONSAI_USB_CONTROLLER_H
#define BONSAI_USB_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "usb_cdc.h"

/* Connects to the bus; called by the port. */
void bonsai_usb_start(void);

/* Keeps the interrupt from changing what both use. */
void bonsai_usb_lock(void);
void bonsai_usb_unlock(void);

/* A clock for time-outs, which wraps. */
uint32_t bonsai_usb_ticks(void);
extern const uint32_t bonsai_usb_ticks_per_ms;

/* Aborts the control transfer: the next packet is DATA1. */
void bonsai_usb_control_reset(void);
/* Data for the host follow. */
void bonsai_usb_control_begin(void);
/* Sends a packet of them. */
void bonsai_usb_control_send(const uint8_t *bytes, int32_t length);
/* The host has taken them all. */
void bonsai_usb_control_end(void);
/* Lets the host send data. */
void bonsai_usb_control_receive(void);
/* The end of a request without data for the host. */
void bonsai_usb_control_acknowledge(void);
/* The request is not supported. */
void bonsai_usb_control_refuse(void);
/* The address from now on; a controller that takes it by itself does nothing. */
void bonsai_usb_set_address(uint8_t address);

/* The packet to send, and the one that was received. */
volatile uint8_t *bonsai_usb_in_bytes(void);
volatile uint8_t *bonsai_usb_out_bytes(void);
void bonsai_usb_data_send(int32_t length);
/* Lets the host send the next packet. */
void bonsai_usb_data_receive(void);
/* Reset the endpoints: their next packets are DATA0. Off: they do not answer. */
void bonsai_usb_data_reset_in(bool on);
void bonsai_usb_data_reset_out(bool on);

#endif
