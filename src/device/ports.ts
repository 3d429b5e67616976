/** The serial ports of this machine. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface SerialPortInfo {
  readonly path: string;
  readonly manufacturer: string | null;
  /** Four hex digits each; null where the port is not USB. */
  readonly vendorId: string | null;
  readonly productId: string | null;
  readonly serialNumber: string | null;
}

/**
 * All serial ports, sorted by path. serialport asks udevadm on Linux; where that is missing
 * (containers), the kernel's own list under /sys/class/tty is read.
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

/** @param root /sys/class/tty; a test has its own */
export function portsOfSysfs(root = '/sys/class/tty'): SerialPortInfo[] {
  if (!existsSync(root)) return [];
  const ports: SerialPortInfo[] = [];
  for (const name of readdirSync(root)) {
    // A virtual console has no device behind it. A built-in UART that is not there has one, and
    // port type 0 (PORT_UNKNOWN): 8250 drivers register 4 or 32 of them on any PC.
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

/** The USB device that an interface belongs to: one or two folders up from it. */
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
