/* CDC ACM on the RP2040's USB controller (datasheet, 4.1; USB 2.0, chapter 9; USB PSTN 1.2).
 *
 * The interrupt answers control requests and records finished packets. Serial data stays in the
 * controller's memory until the program reads it, and the next packet stays with the host, so only
 * control requests disturb an inference. */
#include "usb.h"

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "port.h"
#include "chip.h"

#define PACKET 64
#define ENDPOINT_DATA_OUT 0x02
#define ENDPOINT_DATA_IN 0x82

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

static const uint16_t buffer_offset[BUFFERS] = {
    [EP0_IN] = 0x100, [EP0_OUT] = 0x100, [NOTIFY_IN] = 0x180, [DATA_IN] = 0x1c0, [DATA_OUT] = 0x200,
};

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
#define GIVE_UP_US 250000u

#define DESCRIPTOR_DEVICE 1
#define DESCRIPTOR_CONFIGURATION 2
#define DESCRIPTOR_STRING 3

#define TEXT_OF(word) #word
#define TEXT(macro) TEXT_OF(macro)

static const uint8_t device_descriptor[] = {
    18, DESCRIPTOR_DEVICE, 0x00, 0x02, /* USB 2.0 */
    2, 0, 0,                           /* class: communications */
    PACKET,
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
    7, 5, 0x81, 3, 8, 0, 16,    /* endpoint 1 in: notifications, none is ever sent */
    9, 4, 1, 0, 2, 10, 0, 0, 0, /* interface 1: data */
    7, 5, ENDPOINT_DATA_OUT, 2, PACKET, 0, 0,
    7, 5, ENDPOINT_DATA_IN, 2, PACKET, 0, 0,
};

static const uint8_t languages[] = {4, DESCRIPTOR_STRING, 0x09, 0x04}; /* English */
static const char *const strings[] = {"", "bonsaic", "bonsaic " TEXT(TARGET_NAME)};

static uint8_t line_coding[] = {0x00, 0xc2, 0x01, 0x00, 0, 0, 8}; /* 115200 baud, 8n1 */

/* The current control transfer. */
static uint8_t control_buffer[PACKET];
static const uint8_t *control_data; /* for the host: the rest of it */
static int32_t control_left;
static bool control_empty_end; /* a full last packet is followed by an empty one */
static bool line_coding_due;   /* data from the host is the line coding */
static uint8_t new_address;    /* taken when the transfer has ended */
static bool boot_loader_due;

/* Data toggle of each buffer's next packet. */
static uint8_t toggles[BUFFERS];

/* Serial data. Shared with the interrupt, which the program disables while it accesses them. */
static volatile bool configured;
static volatile bool sending;          /* the packet is with the controller */
static volatile int32_t received = -1; /* bytes of the received packet; -1: no packet */
static int32_t taken;                  /* bytes of it that were read */
static int32_t filled;                 /* bytes in the packet to send */
static bool unheard;                   /* the host does not take packets: bytes are dropped */

static void lock(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

static void unlock(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

static volatile uint8_t *buffer_bytes(enum buffer buffer)
{
    return (volatile uint8_t *)(uintptr_t)(DPRAM + buffer_offset[buffer]);
}

static uint32_t buffer_control(enum buffer buffer)
{
    return DPRAM + 0x80u + 4u * (uint32_t)buffer;
}

/* Hands a buffer to the controller: to be sent, or to be filled by the host. */
static void hand_over(enum buffer buffer, int32_t length)
{
    const bool to_host = buffer % 2 == 0;
    const uint32_t control = (uint32_t)length | (toggles[buffer] != 0 ? BUFFER_DATA1 : 0) |
                             (to_host ? BUFFER_FULL : 0);
    toggles[buffer] ^= 1;
    REG(buffer_control(buffer)) = control;
    /* The controller runs at 48 MHz and must see the other bits before the last one [4.1.2.5.1]. */
    __asm volatile(".rept 12\n nop\n .endr");
    REG(buffer_control(buffer)) = control | BUFFER_AVAILABLE;
}

/* Resets a data endpoint: its next packet is DATA0. */
static void reset_sending(void)
{
    REG(buffer_control(DATA_IN)) = 0;
    toggles[DATA_IN] = 0;
    sending = false;
}

static void reset_receiving(void)
{
    REG(buffer_control(DATA_OUT)) = 0;
    toggles[DATA_OUT] = 0;
    received = -1;
    if (configured) {
        hand_over(DATA_OUT, PACKET);
    }
}

static void configure(bool on)
{
    configured = on;
    reset_sending();
    reset_receiving();
}

/* Aborts the current control transfer. */
static void reset_control(void)
{
    control_left = 0;
    control_empty_end = false;
    line_coding_due = false;
    boot_loader_due = false;
    new_address = 0;
    toggles[EP0_IN] = 1;
    toggles[EP0_OUT] = 1;
}

static void send_control_packet(void)
{
    const int32_t length = control_left < PACKET ? control_left : PACKET;
    for (int32_t i = 0; i < length; i++) {
        buffer_bytes(EP0_IN)[i] = control_data[i];
    }
    control_data += length;
    control_left -= length;
    hand_over(EP0_IN, length);
}

/* The end of a transfer without data for the host. */
static void acknowledge(void)
{
    send_control_packet();
}

/* Sends at most the `wanted` bytes of a request's data. */
static void send_control(const uint8_t *data, int32_t length, int32_t wanted)
{
    control_data = data;
    control_left = length < wanted ? length : wanted;
    control_empty_end = length < wanted && length % PACKET == 0;
    hand_over(EP0_OUT, PACKET); /* the host's acknowledgement */
    send_control_packet();
}

static void refuse(void)
{
    REG(USB_STALL_ARM) = 3;
    REG(buffer_control(EP0_IN)) = BUFFER_STALL;
    REG(buffer_control(EP0_OUT)) = BUFFER_STALL;
}

/* Text as a string descriptor in UTF-16. Returns its length. */
static int32_t make_string(const char *text)
{
    int32_t length = 2;
    while (*text != 0 && length < PACKET) {
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
        refuse();
    }
}

static void handle_setup(void)
{
    const volatile uint8_t *const packet = (const volatile uint8_t *)(uintptr_t)DPRAM;
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
        hand_over(EP0_OUT, PACKET);
        break;
    case SET_ADDRESS:
        new_address = (uint8_t)value;
        acknowledge();
        break;
    case SET_CONFIGURATION:
        configure(value != 0);
        acknowledge();
        break;
    case CLEAR_ENDPOINT_FEATURE:
        if (packet[4] == ENDPOINT_DATA_IN) {
            reset_sending();
        } else if (packet[4] == ENDPOINT_DATA_OUT) {
            reset_receiving();
        }
        acknowledge();
        break;
    default:
        /* Control lines, breaks, alternate settings: nothing to do. */
        if ((packet[0] & DEVICE_TO_HOST) != 0 || wanted != 0) {
            refuse();
        } else {
            acknowledge();
        }
        break;
    }
}

static void control_sent(void)
{
    if (new_address != 0) {
        REG(USB_ADDRESS) = new_address;
        new_address = 0;
    }
    if (boot_loader_due) {
        bonsai_port_reboot();
    }
    if (control_left > 0) {
        send_control_packet();
    } else if (control_empty_end) {
        control_empty_end = false;
        send_control_packet();
    }
}

static void control_received(void)
{
    if (!line_coding_due) {
        return;
    }
    line_coding_due = false;
    for (uint32_t i = 0; i < sizeof line_coding; i++) {
        line_coding[i] = buffer_bytes(EP0_OUT)[i];
    }
    boot_loader_due = load32(line_coding) == BOOT_LOADER_BAUD;
    acknowledge();
}

void bonsai_usb_interrupt(void)
{
    const uint32_t status = REG(USB_SIE_STATUS);
    if ((status & SIE_STATUS_BUS_RESET) != 0) {
        reset_control();
        configure(false);
        REG(USB_ADDRESS) = 0;
        REG(USB_BUFF_STATUS) = UINT32_MAX;
        REG(USB_SIE_STATUS) = SIE_STATUS_BUS_RESET;
    }
    /* Packets are handled before a new request, since they may complete the previous one. */
    const uint32_t finished = REG(USB_BUFF_STATUS);
    REG(USB_BUFF_STATUS) = finished;
    if ((finished & BIT(EP0_IN)) != 0) {
        control_sent();
    }
    if ((finished & BIT(EP0_OUT)) != 0) {
        control_received();
    }
    if ((finished & BIT(DATA_IN)) != 0) {
        sending = false;
    }
    if ((finished & BIT(DATA_OUT)) != 0) {
        taken = 0;
        received = (int32_t)(REG(buffer_control(DATA_OUT)) & BUFFER_LENGTH);
    }
    if ((status & SIE_STATUS_SETUP) != 0) {
        REG(USB_SIE_STATUS) = SIE_STATUS_SETUP;
        handle_setup();
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
        ENDPOINT_ENABLE | ENDPOINT_INTERRUPT | buffer_offset[NOTIFY_IN];
    REG(ENDPOINT_CONTROL(DATA_IN)) = ENDPOINT_ENABLE | ENDPOINT_BULK | buffer_offset[DATA_IN];
    REG(ENDPOINT_CONTROL(DATA_OUT)) = ENDPOINT_ENABLE | ENDPOINT_BULK | buffer_offset[DATA_OUT];
    REG(NVIC_ISER) = BIT(USBCTRL_IRQ);
    SET_BITS(USB_SIE_CTRL) = SIE_CTRL_PULL_UP;
}

int32_t bonsai_usb_read(void)
{
    int32_t byte = -1;
    lock();
    if (taken < received) {
        byte = buffer_bytes(DATA_OUT)[taken++];
    } else if (received >= 0) {
        /* Only when the program asks for more, so the host waits while a request is processed. */
        received = -1;
        hand_over(DATA_OUT, PACKET);
    }
    unlock();
    return byte;
}

static void send_packet(void)
{
    lock();
    if (configured) {
        sending = true;
        hand_over(DATA_IN, filled);
    }
    filled = 0;
    unlock();
}

/* Waits until the previous packet is sent. False: the host has not taken it in time. */
static bool can_fill(void)
{
    const uint32_t start = REG(TIMER_RAW_LOW);
    while (sending) {
        if (unheard || REG(TIMER_RAW_LOW) - start > GIVE_UP_US) {
            unheard = true;
            return false;
        }
    }
    if (unheard) {
        /* The dropped bytes may have ended a frame, so start with a zero. */
        unheard = false;
        buffer_bytes(DATA_IN)[filled++] = 0;
    }
    return true;
}

void bonsai_usb_write(uint8_t byte)
{
    if (can_fill()) {
        buffer_bytes(DATA_IN)[filled++] = byte;
        if (filled == PACKET) {
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
