/**
 * The boot loader in an STM32's system memory, over a UART (ST's AN3155; the chips' ids and pins:
 * AN2606). The boot loader is entered by hand (BOOT0 high during a reset), by the command of
 * firmware that is running, or it is there already.
 */

import { BonsaiError } from '../../errors.js';
import type { Transport } from '../device/transport.js';
import type { SettingsOf } from '../target/flash.js';
import type { Sector } from '../target/sectors.js';
import type { FlashJob, FlashProtocol } from './protocol.js';
import { firstFound, type LineStep, notStarted, setLines } from './shared/entry.js';
import { compileHint, targetsWith } from './shared/kin.js';
import { coveredSectors } from './stm32/image.js';
import { Stm32Loader, Trouble } from './stm32/loader.js';
import { protectedError, writeProtected } from './stm32/protection.js';
import { failed, Writer } from './stm32/writer.js';

type Settings = SettingsOf<'stm32-uart'>;
type Job = FlashJob<Settings>;

/** After a port is opened, or the running firmware has agreed to restart. */
const settleMs = 100;
/** For finding the boot loader and identifying the chip. */
const identifyMs = 15_000;
/** The whole may take so many times what it takes on a line without faults. */
const patience = 4;
/**
 * Resets the board in its boot loader, where RTS is wired to BOOT0 and DTR over a capacitor to NRST
 * (targets/stm32f405/README.md): both lines are low while they are set, which they are from the opening of the
 * port on, so BOOT0 is high while RTS is cleared, and setting DTR gives a pulse of reset. BOOT0 counts
 * at the reset alone.
 */
const resetInLoader: readonly LineStep[] = [
  [false, false, settleMs],
  [true, false, settleMs],
  [true, true, 0],
];

export const stm32Uart: FlashProtocol<'stm32-uart'> = {
  async flash(job) {
    const sectors = coveredSectors(job);
    const { transport, loader, baudRate, wasRunning } = await connect(job);
    try {
      await identify(loader, job, sectors).catch(async (error: unknown) => {
        // The board goes on with what it has. A chip that is protected refuses even that.
        if (wasRunning) await loader.go(Number(job.settings.flashAddress)).catch(() => {});
        throw error;
      });
      await speedUp(loader, job);
      loader.deadlineMs = transport.now() + patience * expectedMs(job, sectors, baudRate);
      await new Writer(loader, transport, job, sectors).run();
      await start(loader, job);
    } catch (error) {
      throw error instanceof Trouble ? failed(job.port, error.message) : error;
    } finally {
      await transport.close();
    }
    return job.image.bytes.length;
  },
};

interface Connection {
  readonly transport: Transport;
  readonly loader: Stm32Loader;
  readonly baudRate: number;
  /** Whether its firmware ran until now. */
  readonly wasRunning?: true;
}

/** @throws BonsaiError 'flash' when no boot loader answers */
async function connect(job: Job): Promise<Connection> {
  const found = await firstFound<Connection>(job, [
    ['is the boot loader there?', () => synchronize(job)],
    [
      'no; asking running firmware to restart in it',
      async () => {
        const found = (await job.restart()) ? await synchronize(job) : null;
        return found && { ...found, wasRunning: true };
      },
    ],
    ['no; resetting the board by DTR and RTS', () => synchronize(job, { byLines: true })],
    // Another session may have ended in an erase, during which the chip hears nothing.
    [
      'no answer yet; waiting a minute for a board that may be busy: or reset it with BOOT0 high',
      () => synchronize(job, { isPatient: true }),
    ],
  ]);
  if (found !== null) return found;
  throw new BonsaiError(
    'flash',
    job.port,
    'no STM32 boot loader answers, and no firmware of bonsaic that could restart in it',
    `hold BOOT0 high, reset the board, and try again; targets/${job.target.name}/README.md ` +
      'has the pins. Are RX and TX crossed?',
  );
}

interface Entry {
  /** Whether DTR and RTS may be wired. */
  readonly byLines?: boolean;
  /** Whether the chip may be busy for seconds. */
  readonly isPatient?: boolean;
}

/** The boot loader at one of the baud rates; null: none answers. */
async function synchronize(
  { settings, open }: Job,
  { byLines = false, isPatient = false }: Entry = {},
): Promise<Connection | null> {
  for (const baudRate of settings.baudRates) {
    const transport = await open({ baudRate, parity: 'even' });
    try {
      if (byLines && !(await setLines(transport, resetInLoader))) {
        await transport.close();
        return null;
      }
      await transport.sleep(settleMs);
      const loader = new Stm32Loader(transport, baudRate, transport.now() + identifyMs);
      if (await loader.synchronize(isPatient)) return { transport, loader, baudRate };
    } catch (error) {
      await transport.close();
      throw error;
    }
    await transport.close();
  }
  return null;
}

/** @throws BonsaiError 'flash' for another chip, or one that is protected */
async function identify(
  loader: Stm32Loader,
  { port, target, settings }: Job,
  sectors: readonly Sector[],
): Promise<void> {
  await loader.get();
  const found = await loader.chipId();
  if (found !== Number(settings.chipId)) {
    const kin = targetsWith('stm32-uart', ({ chipId }) => Number(chipId) === found);
    throw new BonsaiError(
      'flash',
      port,
      `is a chip with the id 0x${found.toString(16)}; ${target.name} has ${settings.chipId}: nothing was erased`,
      compileHint(kin),
    );
  }
  if (await loader.refusesToRead(Number(settings.flashAddress))) {
    throw new BonsaiError(
      'flash',
      port,
      'is protected against reading and writing (RDP): nothing was erased',
      'remove the protection, which erases the whole chip: stm32flash -k PORT',
    );
  }
  const kept = await writeProtected(settings, sectors, (address) => loader.word(address));
  if (kept.length > 0) throw protectedError(port, kept, 'nothing was erased');
}

/** Boot loaders that do not know the supply's range program byte by byte. */
async function speedUp(loader: Stm32Loader, { settings: { voltageRange } }: Job): Promise<void> {
  if (voltageRange === undefined) return;
  const { address, value } = voltageRange;
  // The bytes behind it are reserved.
  await loader.store(Number(address), Uint8Array.of(value, 0xff, 0xff, 0xff));
}

/** The time for all, erases at their longest. */
function expectedMs({ image }: Job, sectors: readonly Sector[], baudRate: number): number {
  const erasing = sectors.reduce((sum, one) => sum + one.eraseMs.longest + one.settleMs, 0);
  // Written and read, with the frames around: 11 bits a byte.
  return 15_000 + erasing + (image.bytes.length * 2.2 * 11 * 1000) / baudRate;
}

async function start(loader: Stm32Loader, { port, settings }: Job): Promise<void> {
  try {
    await loader.go(Number(settings.flashAddress));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    throw notStarted(port, 'reset the board with BOOT0 low');
  }
}
