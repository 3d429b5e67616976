/** The serial ports of this machine. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface SerialPortInfo {
  readonly path: string;
  readonly manufacturer: string | null;
  /** Four hex digits; null where the port is not USB. */
  readonly vendorId: string | null;
  readonly productId: string | null;
  readonly serialNumber: string | null;
}

/**
 * All serial ports, sorted by path. On Linux serialport runs udevadm; where that is missing
 * (containers), the kernel's list in /sys/class/tty is read.
 */
export async function listPorts(): Promise<SerialPortInfo[]> {
  const { SerialPort } = await import('serialport');
  try {
    const ports = await SerialPort.list();
    return sorted(
      ports.map((port) => ({
        path: port.path,
        manufacturer: port.manufacturer ?? null,
        vendorId: port.vendorId?.toLowerCase() ?? null,
        productId: port.productId?.toLowerCase() ?? null,
        serialNumber: port.serialNumber ?? null,
      })),
    );
  } catch {
    return portsOfSysfs();
  }
}

/** @param root /sys/class/tty; tests give a folder of their own */
export function portsOfSysfs(root = '/sys/class/tty'): SerialPortInfo[] {
  if (!existsSync(root)) return [];
  const ports: SerialPortInfo[] = [];
  for (const name of readdirSync(root)) {
    // A virtual console has no device. The 8250 driver registers 4 or 32 UARTs on any PC; those
    // that do not exist have the port type 0 (PORT_UNKNOWN).
    const device = join(root, name, 'device');
    if (!existsSync(device) || readText(join(root, name, 'type')) === '0') continue;
    const usb = usbParent(realpathSync(device));
    ports.push({
      path: `/dev/${name}`,
      manufacturer: usb && readText(join(usb, 'manufacturer')),
      vendorId: usb && readText(join(usb, 'idVendor')),
      productId: usb && readText(join(usb, 'idProduct')),
      serialNumber: usb && readText(join(usb, 'serial')),
    });
  }
  return sorted(ports);
}

/** The USB device of an interface, one or two folders above it. */
function usbParent(device: string): string | null {
  let folder = device;
  for (let level = 0; level < 3; level++) {
    if (existsSync(join(folder, 'idVendor'))) return folder;
    folder = dirname(folder);
  }
  return null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function sorted(ports: SerialPortInfo[]): SerialPortInfo[] {
  const order = new Intl.Collator('en', { numeric: true });
  return ports.sort((a, b) => order.compare(a.path, b.path));
}
