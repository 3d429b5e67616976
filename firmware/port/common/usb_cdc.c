/* CDC ACM over a USB controller (USB 2.0, chapter 9; USB PSTN 1.2).
 *
 * The controller's interrupt answers control requests and records finished packets. Serial data
 * stays in its memory until the program reads it, and the next packet stays with the host, so only
 * control requests disturb an inference. */
#include "usb_cdc.h"

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "port.h"
#include "usb_controller.h"

/* Standard requests (USB 2.0, table 9-3), the type before the request. */
#define REQUEST(type, request) ((type) << 8 | (request))
#define DEVICE_TO_HOST 0x80
#define GET_DEVICE_STATUS REQUEST(0x80, 0x00)
#define GET_INTERFACE_STATUS REQUEST(0x81, 0x00)
#define GET_ENDPOINT_STATUS REQUEST(0x82, 0x00)
#define CLEAR_ENDPOINT_FEATURE REQUEST(0x02, 0x01)
#define SET_ADDRESS REQUEST(0x00, 0x05)
#define GET_DESCRIPTOR REQUEST(0x80, 0x06)
#define GET_CONFIGURATION REQUEST(0x80, 0x08)
#define SET_CONFIGURATION REQUEST(0x00, 0x09)
#define GET_INTERFACE REQUEST(0x81, 0x0a)
/* Requests of the class (USB PSTN 1.2, table 13). */
#define SET_LINE_CODING REQUEST(0x21, 0x20)
#define GET_LINE_CODING REQUEST(0xa1, 0x21)

/* A host that sets this rate requests the boot loader, a convention of boards without a button. */
#define BOOT_LOADER_BAUD 1200

/* A host that reads takes a packet within a millisecond. */
#define GIVE_UP_MS 250u

#define DESCRIPTOR_DEVICE 1
#define DESCRIPTOR_CONFIGURATION 2
#define DESCRIPTOR_STRING 3

#define TEXT_OF(word) #word
#define TEXT(macro) TEXT_OF(macro)

static const uint8_t device_descriptor[] = {
    18, DESCRIPTOR_DEVICE, 0x00, 0x02, /* USB 2.0 */
    2, 0, 0,                           /* class: communications */
    USB_PACKET,
    USB_VENDOR_ID & 0xff, USB_VENDOR_ID >> 8,
    USB_PRODUCT_ID & 0xff, USB_PRODUCT_ID >> 8,
    0x00, 0x01,                        /* release 1.0 */
    1, 2, 0,                           /* strings: maker, product, no serial number */
    1,
};

static const uint8_t configuration_descriptor[] = {
    9, DESCRIPTOR_CONFIGURATION, 67, 0, 2, 1, 0, 0x80, 50, /* two interfaces, 100 mA from the bus */
    9, 4, 0, 0, 1, 2, 2, 0, 0,  /* interface 0: communications, abstract control model */
    5, 0x24, 0, 0x10, 1,        /* CDC 1.10 */
    5, 0x24, 1, 0, 1,           /* no call management */
    4, 0x24, 2, 2,              /* line coding and control lines */
    5, 0x24, 6, 0, 1,           /* union of interfaces 0 and 1 */
    7, 5, USB_ENDPOINT_NOTIFY_IN, 3, 8, 0, 16, /* notifications: none is ever sent */
    9, 4, 1, 0, 2, 10, 0, 0, 0, /* interface 1: data */
    7, 5, USB_ENDPOINT_DATA_OUT, 2, USB_PACKET, 0, 0,
    7, 5, USB_ENDPOINT_DATA_IN, 2, USB_PACKET, 0, 0,
};

static const uint8_t languages[] = {4, DESCRIPTOR_STRING, 0x09, 0x04}; /* English */
static const char *const strings[] = {"", "bonsaic", "bonsaic " TEXT(TARGET_NAME)};

static uint8_t line_coding[] = {0x00, 0xc2, 0x01, 0x00, 0, 0, 8}; /* 115200 baud, 8n1 */

/* The current control transfer. */
static uint8_t control_buffer[USB_PACKET];
static const uint8_t *control_data; /* for the host: the rest of it */
static int32_t control_left;
static bool control_in;        /* data for the host are on the way */
static bool control_empty_end; /* a full last packet is followed by an empty one */
static bool line_coding_due;   /* data from the host is the line coding */
static uint8_t new_address;    /* taken when the transfer has ended */
static bool boot_loader_due;

/* Serial data. Shared with the interrupt, which the program disables while it accesses them. */
static volatile bool configured;
static volatile bool sending;          /* the packet is with the controller */
static volatile int32_t received = -1; /* bytes of the received packet; -1: no packet */
static int32_t taken;                  /* bytes of it that were read */
static int32_t filled;                 /* bytes in the packet to send */
static bool unheard;                   /* the host does not take packets: bytes are dropped */

static void configure(bool on)
{
    configured = on;
    bonsai_usb_data_reset_in(on);
    sending = false;
    bonsai_usb_data_reset_out(on);
    received = -1;
}

/* Aborts the current control transfer. */
static void reset_control(void)
{
    control_left = 0;
    control_empty_end = false;
    line_coding_due = false;
    boot_loader_due = false;
    new_address = 0;
    control_in = false;
    bonsai_usb_control_reset();
}

static void send_control_packet(void)
{
    const int32_t length = control_left < USB_PACKET ? control_left : USB_PACKET;
    bonsai_usb_control_send(control_data, length);
    control_data += length;
    control_left -= length;
}

/* Sends at most the `wanted` bytes of a request's data. */
static void send_control(const uint8_t *data, int32_t length, int32_t wanted)
{
    control_data = data;
    control_left = length < wanted ? length : wanted;
    control_empty_end = length < wanted && length % USB_PACKET == 0;
    control_in = true;
    bonsai_usb_control_begin();
    send_control_packet();
}

/* Text as a string descriptor in UTF-16. Returns its length. */
static int32_t make_string(const char *text)
{
    int32_t length = 2;
    while (*text != 0 && length < USB_PACKET) {
        control_buffer[length++] = (uint8_t)*text++;
        control_buffer[length++] = 0;
    }
    control_buffer[0] = (uint8_t)length;
    control_buffer[1] = DESCRIPTOR_STRING;
    return length;
}

static void send_descriptor(uint32_t type, uint32_t index, int32_t wanted)
{
    if (type == DESCRIPTOR_DEVICE) {
        send_control(device_descriptor, sizeof device_descriptor, wanted);
    } else if (type == DESCRIPTOR_CONFIGURATION) {
        send_control(configuration_descriptor, sizeof configuration_descriptor, wanted);
    } else if (type == DESCRIPTOR_STRING && index == 0) {
        send_control(languages, sizeof languages, wanted);
    } else if (type == DESCRIPTOR_STRING && index < sizeof strings / sizeof strings[0]) {
        const int32_t length = make_string(strings[index]);
        send_control(control_buffer, length, wanted);
    } else {
        bonsai_usb_control_refuse();
    }
}

void bonsai_cdc_setup(const volatile uint8_t *packet)
{
    const uint32_t request = REQUEST((uint32_t)packet[0], packet[1]);
    const uint32_t value = (uint32_t)packet[2] | (uint32_t)packet[3] << 8;
    const int32_t wanted = packet[6] | packet[7] << 8;
    reset_control();
    control_buffer[0] = 0;
    control_buffer[1] = 0;
    switch (request) {
    case GET_DESCRIPTOR:
        send_descriptor(value >> 8, value & 0xffu, wanted);
        break;
    case GET_DEVICE_STATUS:
    case GET_INTERFACE_STATUS:
    case GET_ENDPOINT_STATUS:
        send_control(control_buffer, 2, wanted);
        break;
    case GET_INTERFACE:
        send_control(control_buffer, 1, wanted);
        break;
    case GET_CONFIGURATION:
        control_buffer[0] = configured;
        send_control(control_buffer, 1, wanted);
        break;
    case GET_LINE_CODING:
        send_control(line_coding, sizeof line_coding, wanted);
        break;
    case SET_LINE_CODING:
        line_coding_due = true;
        bonsai_usb_control_receive();
        break;
    case SET_ADDRESS:
        new_address = (uint8_t)value;
        bonsai_usb_control_acknowledge();
        break;
    case SET_CONFIGURATION:
        configure(value != 0);
        bonsai_usb_control_acknowledge();
        break;
    case CLEAR_ENDPOINT_FEATURE:
        if (packet[4] == USB_ENDPOINT_DATA_IN) {
            bonsai_usb_data_reset_in(configured);
            sending = false;
        } else if (packet[4] == USB_ENDPOINT_DATA_OUT) {
            bonsai_usb_data_reset_out(configured);
            received = -1;
        }
        bonsai_usb_control_acknowledge();
        break;
    default:
        /* Control lines, breaks, alternate settings: nothing to do. */
        if ((packet[0] & DEVICE_TO_HOST) != 0 || wanted != 0) {
            bonsai_usb_control_refuse();
        } else {
            bonsai_usb_control_acknowledge();
        }
        break;
    }
}

void bonsai_cdc_reset(void)
{
    reset_control();
    configure(false);
}

void bonsai_cdc_control_sent(void)
{
    if (new_address != 0) {
        bonsai_usb_set_address(new_address);
        new_address = 0;
    }
    if (boot_loader_due) {
        bonsai_port_reboot();
    }
    if (!control_in) {
        return;
    }
    if (control_left > 0) {
        send_control_packet();
    } else if (control_empty_end) {
        control_empty_end = false;
        send_control_packet();
    } else {
        control_in = false;
        bonsai_usb_control_end();
    }
}

void bonsai_cdc_control_received(const volatile uint8_t *bytes)
{
    if (!line_coding_due) {
        return;
    }
    line_coding_due = false;
    for (uint32_t i = 0; i < sizeof line_coding; i++) {
        line_coding[i] = bytes[i];
    }
    boot_loader_due = load32(line_coding) == BOOT_LOADER_BAUD;
    bonsai_usb_control_acknowledge();
}

void bonsai_cdc_data_sent(void)
{
    sending = false;
}

void bonsai_cdc_data_received(int32_t length)
{
    taken = 0;
    received = length;
}

int32_t bonsai_usb_read(void)
{
    int32_t byte = -1;
    bonsai_usb_lock();
    if (taken < received) {
        byte = bonsai_usb_out_bytes()[taken++];
    } else if (received >= 0) {
        /* Only when the program asks for more, so the host waits while a request is processed. */
        received = -1;
        bonsai_usb_data_receive();
    }
    bonsai_usb_unlock();
    return byte;
}

static void send_packet(void)
{
    bonsai_usb_lock();
    if (configured) {
        sending = true;
        bonsai_usb_data_send(filled);
    }
    filled = 0;
    bonsai_usb_unlock();
}

/* Waits until the previous packet is sent. False: the host has not taken it in time. */
static bool can_fill(void)
{
    const uint32_t start = bonsai_usb_ticks();
    const uint32_t limit = GIVE_UP_MS * bonsai_usb_ticks_per_ms;
    while (sending) {
        if (unheard || bonsai_usb_ticks() - start > limit) {
            unheard = true;
            return false;
        }
    }
    if (unheard) {
        /* The dropped bytes may have ended a frame, so start with a zero. */
        unheard = false;
        bonsai_usb_in_bytes()[filled++] = 0;
    }
    return true;
}

void bonsai_usb_write(uint8_t byte)
{
    if (can_fill()) {
        bonsai_usb_in_bytes()[filled++] = byte;
        if (filled == USB_PACKET) {
            send_packet();
        }
    }
}

void bonsai_usb_flush(void)
{
    /* Sends an empty packet if none is buffered: it ends a transfer whose last packet was full. */
    if (can_fill()) {
        send_packet();
    }
}
