/* The vector table: the counter's exception and the USB controller's interrupt. */
#include "counter.h"
#include "nrf52.h"
#include "start.h"
#include "usb.h"

__attribute__((section(".vectors"),
               used)) const struct bonsai_nrf52_vectors bonsai_nrf52_vectors = {
    .stack = bonsai_stack_top,
    .exception =
        {
            [0] = bonsai_reset_handler,
            [1] = bonsai_hang,
            [2] = bonsai_hang,
            [14] = bonsai_counter_wrap,
        },
    .interrupt = {[USBD_IRQ] = bonsai_usb_interrupt}, /* no other is ever enabled */
};
