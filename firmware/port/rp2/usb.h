/* A USB serial port (CDC ACM) on the RP2040's own controller. */
#ifndef BONSAI_RP2040_USB_H
#define BONSAI_RP2040_USB_H

#include <stdint.h>

/* Connects to the bus. The controller is out of reset and clk_usb runs at 48 MHz. */
void bonsai_usb_start(void);

/* Handler of the controller's interrupt: control requests, packets sent and received. */
void bonsai_usb_interrupt(void);

/* The next byte from the host, or -1. */
int32_t bonsai_usb_read(void);

/* Puts a byte into the packet to send, and sends the packet when it is full. */
void bonsai_usb_write(uint8_t byte);

/* Sends the bytes that bonsai_usb_write has buffered, and ends the transfer. */
void bonsai_usb_flush(void);

#endif
