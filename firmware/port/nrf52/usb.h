/* The nRF52840's USB controller, besides what usb_controller.h has. */
#ifndef BONSAI_NRF52_USB_H
#define BONSAI_NRF52_USB_H

/* Connects when the cable is in and its supply is steady, disconnects when it is out. The crystal
 * must run. */
void bonsai_usb_follow_cable(void);

/* Handler of the controller's interrupt. */
void bonsai_usb_interrupt(void);

#endif
