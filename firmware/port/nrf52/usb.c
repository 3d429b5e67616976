/* The nRF52840's USB controller for usb_cdc.c (Product Specification 1.7, 6.35; Errata of revision
 * 3: 166, 171, 187 and 199, whose registers have no names). It has not run on a board yet.
 *
 * Packets lie in the controller; EasyDMA moves them from and to RAM, one at a time, in
 * microseconds, so the code waits. The controller takes its address, and the end of a request, by
 * itself, and tells neither. */
#include "usb.h"

#include <stddef.h>

#include "nrf52.h"
#include "usb_cdc.h"
#include "usb_controller.h"

#define DATA (USB_ENDPOINT_DATA_IN & 0x7f) /* the number of both data endpoints */
#define NOTIFY (USB_ENDPOINT_NOTIFY_IN & 0x7f)
#define BIT(n) (1u << (n))

/* EasyDMA takes far less. Without a supply, when the cable comes out, it never ends. */
#define MOST_POLLS 100000

/* The request that the controller answers by itself (USB 2.0, table 9-3). */
#define SET_ADDRESS 5

static uint8_t control_bytes[USB_PACKET];
static uint8_t in_bytes[USB_PACKET];
static uint8_t out_bytes[USB_PACKET];

static bool connected;
static bool control_data_due; /* the host sends data of the request */
static bool packet_waits;     /* in the controller, from the host */
static bool packet_wanted;
static int32_t frames_left;   /* until the end of the request has been sent */

const uint32_t bonsai_usb_ticks_per_ms = CLOCK_HZ / 1000u;

uint32_t bonsai_usb_ticks(void)
{
    return REG(DWT_CYCCNT);
}

void bonsai_usb_lock(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

void bonsai_usb_unlock(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

static void run_dma(uint32_t task, uint32_t event)
{
    REG(USBD_DMA_BUSY) = USBD_DMA_IS_BUSY; /* erratum 199: no token is taken meanwhile */
    REG(event) = 0;
    REG(task) = 1;
    for (int32_t polls = 0; REG(event) == 0 && polls < MOST_POLLS; polls++) {
    }
    REG(event) = 0;
    REG(USBD_DMA_BUSY) = 0;
}

static void send(uint32_t endpoint, const uint8_t *bytes, int32_t length)
{
    REG(USBD_EPIN_PTR(endpoint)) = (uint32_t)(uintptr_t)bytes;
    REG(USBD_EPIN_MAXCNT(endpoint)) = (uint32_t)length;
    run_dma(USBD_STARTEPIN(endpoint), USBD_ENDEPIN(endpoint));
}

static int32_t fetch(uint32_t endpoint, uint8_t *bytes)
{
    const uint32_t length = REG(USBD_SIZE_EPOUT(endpoint));
    if (length == 0) {
        REG(USBD_SIZE_EPOUT(endpoint)) = 0; /* takes the next packet, as after EasyDMA */
        return 0;
    }
    REG(USBD_EPOUT_PTR(endpoint)) = (uint32_t)(uintptr_t)bytes;
    REG(USBD_EPOUT_MAXCNT(endpoint)) = length;
    run_dma(USBD_STARTEPOUT(endpoint), USBD_ENDEPOUT(endpoint));
    return (int32_t)length;
}

static void fetch_data(void)
{
    packet_waits = false;
    packet_wanted = false;
    bonsai_cdc_data_received(fetch(DATA, out_bytes));
}

volatile uint8_t *bonsai_usb_in_bytes(void)
{
    return in_bytes;
}

volatile uint8_t *bonsai_usb_out_bytes(void)
{
    return out_bytes;
}

void bonsai_usb_data_send(int32_t length)
{
    send(DATA, in_bytes, length);
}

void bonsai_usb_data_receive(void)
{
    packet_wanted = true;
    if (packet_waits) {
        fetch_data();
    }
}

/* Not stalled, and DATA0 next. */
static void restart_endpoint(uint32_t address)
{
    REG(USBD_EPSTALL) = address;
    REG(USBD_DTOGGLE) = address; /* selects it */
    REG(USBD_DTOGGLE) = address | USBD_DTOGGLE_DATA0;
}

void bonsai_usb_data_reset_in(bool on)
{
    REG(USBD_EPINEN) = BIT(0) | (on ? BIT(DATA) | BIT(NOTIFY) : 0);
    if (on) {
        restart_endpoint(USB_ENDPOINT_DATA_IN);
        restart_endpoint(USB_ENDPOINT_NOTIFY_IN);
    }
}

void bonsai_usb_data_reset_out(bool on)
{
    packet_waits = false;
    packet_wanted = on;
    REG(USBD_EPOUTEN) = BIT(0) | (on ? BIT(DATA) : 0);
    if (on) {
        restart_endpoint(USB_ENDPOINT_DATA_OUT);
        REG(USBD_SIZE_EPOUT(DATA)) = 0; /* any value: the controller takes a packet */
    }
}

void bonsai_usb_control_reset(void)
{
    control_data_due = false;
}

void bonsai_usb_control_begin(void)
{
    /* The end is asked for when all data are sent. */
}

void bonsai_usb_control_send(const uint8_t *bytes, int32_t length)
{
    /* EasyDMA reads RAM alone, and descriptors are in flash. */
    for (int32_t i = 0; i < length; i++) {
        control_bytes[i] = bytes[i];
    }
    send(0, control_bytes, length);
}

void bonsai_usb_control_end(void)
{
    REG(USBD_EP0STATUS) = 1;
}

void bonsai_usb_control_receive(void)
{
    control_data_due = true;
    REG(USBD_EP0RCVOUT) = 1;
}

void bonsai_usb_control_acknowledge(void)
{
    REG(USBD_EP0STATUS) = 1;
    /* No event tells that the host has it: the second start of a frame is a millisecond later. */
    frames_left = 2;
    REG(USBD_SOF) = 0;
    REG(USBD_INTENSET) = USBD_INT_SOF;
}

void bonsai_usb_control_refuse(void)
{
    REG(USBD_EP0STALL) = 1;
}

void bonsai_usb_set_address(uint8_t address)
{
    (void)address; /* the controller has it before the program */
}

static void acknowledged(void)
{
    frames_left = 0;
    REG(USBD_INTENCLR) = USBD_INT_SOF;
    bonsai_cdc_control_sent();
}

static void take_setup(void)
{
    uint8_t packet[8];
    for (uint32_t i = 0; i < sizeof packet; i++) {
        packet[i] = (uint8_t)REG(USBD_SETUP_BYTE(i));
    }
    if (frames_left > 0) {
        acknowledged();
    }
    if (packet[0] != 0 || packet[1] != SET_ADDRESS) {
        bonsai_cdc_setup(packet);
    }
}

static bool happened(uint32_t event)
{
    if (REG(event) == 0) {
        return false;
    }
    REG(event) = 0;
    (void)REG(event); /* so that the interrupt does not come again */
    return true;
}

void bonsai_usb_interrupt(void)
{
    if (happened(USBD_USBRESET)) {
        frames_left = 0;
        REG(USBD_INTENCLR) = USBD_INT_SOF;
        bonsai_cdc_reset();
    }
    if (happened(USBD_SOF) && frames_left > 0 && --frames_left == 0) {
        acknowledged();
    }
    if (happened(USBD_EP0DATADONE)) {
        if (control_data_due) {
            control_data_due = false;
            (void)fetch(0, control_bytes);
            bonsai_cdc_control_received(control_bytes);
        } else {
            bonsai_cdc_control_sent();
        }
    }
    if (happened(USBD_EPDATA)) {
        const uint32_t finished = REG(USBD_EPDATASTATUS);
        REG(USBD_EPDATASTATUS) = finished;
        if ((finished & BIT(DATA)) != 0) {
            bonsai_cdc_data_sent();
        }
        if ((finished & BIT(16 + DATA)) != 0) {
            packet_waits = true;
            if (packet_wanted) {
                fetch_data();
            }
        }
    }
    if (happened(USBD_EP0SETUP)) {
        take_setup();
    }
}

/* Writes a register that is open only between two writes of the key. */
static void write_hidden(uint32_t address, uint32_t value)
{
    const bool locked = REG(HIDDEN_KEY) == 0;
    if (locked) {
        REG(HIDDEN_KEY) = HIDDEN_KEY_VALUE;
    }
    REG(address) = value;
    if (locked) {
        REG(HIDDEN_KEY) = HIDDEN_KEY_VALUE;
    }
}

static void connect(void)
{
    /* A boot loader may have left it on. */
    REG(USBD_USBPULLUP) = 0;
    REG(USBD_ENABLE) = 0;
    REG(USBD_EVENTCAUSE) = USBD_READY;
    write_hidden(ERRATUM_187, 3);
    write_hidden(ERRATUM_171, 0xc0);
    REG(USBD_ENABLE) = 1;
    for (int32_t i = 0; (REG(USBD_EVENTCAUSE) & USBD_READY) == 0 && i < MOST_POLLS; i++) {
    }
    REG(USBD_EVENTCAUSE) = USBD_READY;
    write_hidden(ERRATUM_171, 0);
    write_hidden(ERRATUM_187, 0);
    REG(ERRATUM_166_PLACE) = 0x7e3;
    REG(ERRATUM_166_VALUE) = 0x40;
    REG(USBD_INTENSET) =
        USBD_INT_USBRESET | USBD_INT_EP0DATADONE | USBD_INT_EP0SETUP | USBD_INT_EPDATA;
    REG(NVIC_ISER(USBD_IRQ)) = BIT(USBD_IRQ % 32);
    REG(USBD_USBPULLUP) = 1;
    connected = true;
}

static void disconnect(void)
{
    bonsai_usb_lock();
    REG(USBD_INTENCLR) = UINT32_MAX;
    REG(USBD_USBPULLUP) = 0;
    REG(USBD_ENABLE) = 0;
    frames_left = 0;
    connected = false;
    bonsai_cdc_reset();
    bonsai_usb_unlock();
}

void bonsai_usb_start(void)
{
    bonsai_usb_follow_cable();
}

void bonsai_usb_follow_cable(void)
{
    const uint32_t supply = REG(POWER_USBREGSTATUS);
    if (!connected && supply == (POWER_VBUS | POWER_USB_READY)) {
        connect();
    } else if (connected && (supply & POWER_VBUS) == 0) {
        disconnect();
    }
}
