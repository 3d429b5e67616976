/* A USB serial port (CDC ACM) for the port of a board, and what its controller tells it. */
#ifndef BONSAI_USB_CDC_H
#define BONSAI_USB_CDC_H

#include <stdint.h>

#define USB_PACKET 64 /* bytes of all endpoints, full speed */
#define USB_ENDPOINT_NOTIFY_IN 0x81
#define USB_ENDPOINT_DATA_OUT 0x02
#define USB_ENDPOINT_DATA_IN 0x82

/* The next byte from the host, or -1. */
int32_t bonsai_usb_read(void);

/* Puts a byte into the packet to send, and sends the packet when it is full. */
void bonsai_usb_write(uint8_t byte);

/* Sends the bytes that bonsai_usb_write has buffered, and ends the transfer. */
void bonsai_usb_flush(void);

/* The rest is called by the driver, in its interrupt. */

/* After a reset of the bus, or when the cable comes out. */
void bonsai_cdc_reset(void);

/* A new request: the 8 bytes of its SETUP packet. */
void bonsai_cdc_setup(const volatile uint8_t *packet);

/* The host has taken the packet of the control endpoint, or the end of a request without data. */
void bonsai_cdc_control_sent(void);

/* Data of the request have come. */
void bonsai_cdc_control_received(const volatile uint8_t *bytes);

/* The host has taken the data packet. */
void bonsai_cdc_data_sent(void);

/* A data packet of so many bytes is in bonsai_usb_out_bytes. */
void bonsai_cdc_data_received(int32_t length);

#endif
