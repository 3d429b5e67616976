/* The RP2040's USB controller (datasheet, 4.1): its interrupt and its start. */
#include "usb.h"

#include "usb_controller.h"

uint8_t bonsai_usb_toggles[BUFFERS];

void bonsai_usb_interrupt(void)
{
    const uint32_t status = REG(USB_SIE_STATUS);
    if ((status & SIE_STATUS_BUS_RESET) != 0) {
        bonsai_cdc_reset();
        REG(USB_ADDRESS) = 0;
        REG(USB_BUFF_STATUS) = UINT32_MAX;
        REG(USB_SIE_STATUS) = SIE_STATUS_BUS_RESET;
    }
    /* Packets are handled before a new request, since they may complete the previous one. */
    const uint32_t finished = REG(USB_BUFF_STATUS);
    REG(USB_BUFF_STATUS) = finished;
    if ((finished & BIT(EP0_IN)) != 0) {
        bonsai_cdc_control_sent();
    }
    if ((finished & BIT(EP0_OUT)) != 0) {
        bonsai_cdc_control_received(buffer_bytes(EP0_BYTES));
    }
    if ((finished & BIT(DATA_IN)) != 0) {
        bonsai_cdc_data_sent();
    }
    if ((finished & BIT(DATA_OUT)) != 0) {
        bonsai_cdc_data_received((int32_t)(REG(buffer_control(DATA_OUT)) & BUFFER_LENGTH));
    }
    if ((status & SIE_STATUS_SETUP) != 0) {
        REG(USB_SIE_STATUS) = SIE_STATUS_SETUP;
        bonsai_cdc_setup((const volatile uint8_t *)(uintptr_t)DPRAM);
    }
}

void bonsai_usb_start(void)
{
    for (uint32_t offset = 0; offset < DPRAM_BYTES; offset += 4) {
        REG(DPRAM + offset) = 0;
    }
    REG(USB_MUXING) = MUXING_TO_PHY | MUXING_SOFTCON;
    REG(USB_POWER) = POWER_VBUS_DETECT | POWER_VBUS_OVERRIDE; /* VBUS is not wired to a pin */
    REG(USB_MAIN_CTRL) = MAIN_CTRL_ENABLE;
    REG(USB_SIE_CTRL) = SIE_CTRL_EP0_INTERRUPT;
    REG(USB_INTE) = INT_BUFF_STATUS | INT_BUS_RESET | INT_SETUP;
    REG(ENDPOINT_CONTROL(NOTIFY_IN)) =
        ENDPOINT_ENABLE | ENDPOINT_INTERRUPT | NOTIFY_IN_BYTES;
    REG(ENDPOINT_CONTROL(DATA_IN)) = ENDPOINT_ENABLE | ENDPOINT_BULK | DATA_IN_BYTES;
    REG(ENDPOINT_CONTROL(DATA_OUT)) = ENDPOINT_ENABLE | ENDPOINT_BULK | DATA_OUT_BYTES;
    REG(NVIC_ISER) = BIT(USBCTRL_IRQ);
    SET_BITS(USB_SIE_CTRL) = SIE_CTRL_PULL_UP;
}
