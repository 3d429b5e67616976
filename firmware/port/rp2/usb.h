/* The USB controller of RP2040 and RP2350. */
#ifndef BONSAI_RP2040_USB_H
#define BONSAI_RP2040_USB_H

/* Handler of the controller's interrupt: control requests, packets sent and received. The port
 * calls bonsai_usb_start (usb_controller.h) when the controller is out of reset and clk_usb runs at
 * 48 MHz. */
void bonsai_usb_interrupt(void);

#endif
