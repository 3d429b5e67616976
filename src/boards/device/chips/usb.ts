/** Simulated boot loaders on a simulated USB, in this process and in time of their own: waiting costs nothing. */
import { InternalError } from '../../../errors.js';
import type { FlashProtocolName, SettingsOf } from '../../target/flash.js';
import type { Target } from '../../target/index.js';
import { sectorsOf } from '../../target/sectors.js';
import {
  type DfuDevice,
  type FoundUsbDevice,
  type UsbDevice,
  UsbFault,
  type UsbHost,
} from '../usb.js';
import { DfuChip } from './dfu.js';
import { PicobootChip } from './picoboot.js';

type BoardTarget = Pick<Target, 'name' | 'flashProtocols' | 'flashAddress' | 'flashBytes'>;

type MakeHost<Name extends FlashProtocolName> = (
  settings: SettingsOf<Name>,
  target: BoardTarget,
) => UsbHost;

const hosts: { readonly [Name in FlashProtocolName]?: MakeHost<Name> } = {
  picoboot: picobootHost,
  'stm32-dfu': dfuHost,
};

/** Whether a boot loader of the target on USB is simulated. */
export function hasUsbChip({ flashProtocols }: Pick<Target, 'flashProtocols'>): boolean {
  return flashProtocols.some(({ protocol }) => protocol in hosts);
}

/** A USB with the board in its boot loader. @throws InternalError without one: see hasUsbChip */
export function makeUsbHost(target: BoardTarget): UsbHost {
  for (const settings of target.flashProtocols) {
    const make = hosts[settings.protocol] as MakeHost<FlashProtocolName> | undefined;
    if (make !== undefined) return make(settings, target);
  }
  throw new InternalError('device', `no boot loader of ${target.name} on USB is simulated`);
}

class Clock {
  nowMs = 0;
  now = () => this.nowMs;
  sleep = async (ms: number) => {
    this.nowMs += ms;
  };

  /** @param answer null: the board has none */
  take(answer: Uint8Array | 'stall' | null, timeoutMs: number): Uint8Array {
    if (answer === 'stall') throw new UsbFault('stall', 'endpoint stalled');
    if (answer !== null) return answer;
    this.nowMs += timeoutMs;
    throw new UsbFault('timeout', 'transfer was cancelled');
  }
}

const nothing = new Uint8Array();
const controlTimeoutMs = 1_000;
const refuse = (what: string) => () => Promise.reject(new Error(`it has no interface ${what}`));

function hostOf(clock: Clock, device: FoundUsbDevice, isThere: () => boolean): UsbHost {
  return { now: clock.now, sleep: clock.sleep, list: async () => (isThere() ? [device] : []) };
}

function picobootHost(settings: SettingsOf<'picoboot'>, target: BoardTarget): UsbHost {
  const { romVersion } = settings;
  const [flashAddress, flashBytes] = [Number(target.flashAddress), target.flashBytes ?? 0];
  const chip = new PicobootChip({ romVersion, flashAddress, flashBytes });
  const clock = new Clock();
  const device: UsbDevice = {
    controlIn: async ({ request }, length) =>
      clock.take(chip.control(request, length) ?? 'stall', controlTimeoutMs),
    controlOut: async ({ request }) => {
      clock.take(chip.control(request, 0) ?? 'stall', controlTimeoutMs);
    },
    bulkIn: async (length, timeoutMs) => clock.take(chip.bulkIn(length), timeoutMs),
    bulkOut: async (bytes, timeoutMs) => {
      clock.take(chip.bulkOut(bytes) === 'stall' ? 'stall' : nothing, timeoutMs);
    },
    clearHalts: async () => chip.clearHalts(),
    close: async () => {},
  };
  const found: FoundUsbDevice = {
    ...{ vendorId: Number(settings.vendorId), productId: Number(settings.productId) },
    ...{ name: `the simulated ${target.name}`, serialNumber: null },
    open: async () => device,
    openDfu: refuse('for firmware upgrades'),
  };
  return hostOf(clock, found, () => !chip.isStarted);
}

/** Of every STM32 in this boot loader (AN2606). */
const stm32Ids = { vendorId: 0x0483, productId: 0xdf11 } as const;

/** The sectors are those of the UART's settings, in each of two banks where these have only the first. */
function dfuHost(settings: SettingsOf<'stm32-dfu'>, target: BoardTarget): UsbHost {
  const uart = target.flashProtocols.find((each) => each.protocol === 'stm32-uart');
  if (uart === undefined) throw new InternalError('device', `${target.name} has no sectors`);
  const bank = sectorsOf(uart).map(({ bytes }) => bytes);
  const bankBytes = bank.reduce((sum, bytes) => sum + bytes, 0);
  const banks = Math.max(1, Math.round((target.flashBytes ?? bankBytes) / bankBytes));
  const sectors = Array<number[]>(banks).fill(bank).flat();
  const runs = sectors.map((bytes) => `01*${bytes / 1024}Kg`).join(',');
  const chip = new DfuChip({
    alternates: [`@Internal Flash  /${settings.flashAddress}/${runs}`],
    begin: Number(settings.flashAddress),
    ...{ sectors, programBytes: uart.programBytes },
  });
  const clock = new Clock();
  const requireThere = () => {
    if (chip.started !== null) throw new UsbFault('lost', 'device disconnected');
  };
  const device: DfuDevice = {
    alternates: chip.options.alternates,
    selectAlternate: async () => requireThere(),
    controlIn: async ({ request, value }, length) => {
      requireThere();
      return clock.take(chip.controlIn(request, value, length, clock.nowMs), controlTimeoutMs);
    },
    controlOut: async ({ request, value }, bytes) => {
      requireThere();
      clock.take(chip.controlOut(request, value, bytes) ?? nothing, controlTimeoutMs);
    },
    close: async () => {},
  };
  const found: FoundUsbDevice = {
    ...{ ...stm32Ids, name: `the simulated ${target.name}`, serialNumber: null },
    open: refuse('of its vendor'),
    openDfu: async () => device,
  };
  return hostOf(clock, found, () => chip.started === null);
}
