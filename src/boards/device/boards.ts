/** Which board a USB port may lead to. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { packageFile } from '../../package.js';
import { listTargets, loadTarget } from '../target/index.js';
import type { SerialPortInfo } from './ports.js';

/** A board, or an adapter before it, by its USB ids. */
export interface ProbableBoard {
  /** For people: 'CP210x USB bridge'. */
  readonly name: string;
  /** The targets that it may be; none: an adapter before any board. */
  readonly targets: readonly string[];
}

const id = z.string().regex(/^0x[0-9a-f]{4}$/);

/**
 * Ids from the USB ID repository (usb.ids), raspberrypi/usb-pid, Espressif's 'USB Serial/JTAG
 * controller' and ST's technical note TN1235. 'stm32*': all targets of that name.
 */
const schema = z.array(
  z.strictObject({
    vendorId: id,
    productId: id,
    name: z.string(),
    boards: z.array(z.string().regex(/^[a-z0-9]+\*?$/)),
  }),
);

const path = packageFile('targets/usb-adapters.json');

type Ids = Pick<SerialPortInfo, 'vendorId' | 'productId'>;

/** The boards and adapters of targets/usb-adapters.json, then those of targets' own USB ids. */
export function boardTable(): (ids: Ids) => ProbableBoard | null {
  const targets = listTargets().map((name) => loadTarget(name));
  const names = targets.map(({ name }) => name);
  const adapters = schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const table = new Map<string, ProbableBoard>();
  for (const { name, usb } of targets) {
    if (usb === undefined) continue;
    const same = table.get(keyOf(usb))?.targets ?? [];
    const boards = [...same, name];
    table.set(keyOf(usb), { name: boards.join(' or '), targets: boards });
  }
  for (const { name, boards, ...ids } of adapters) {
    const matches = (target: string) =>
      boards.some((board) =>
        board.endsWith('*') ? target.startsWith(board.slice(0, -1)) : target === board,
      );
    table.set(keyOf(ids), { name, targets: names.filter(matches) });
  }
  return (ids) => table.get(keyOf(ids)) ?? null;
}

function keyOf({ vendorId, productId }: Ids): string {
  return `${vendorId} ${productId}`.replaceAll('0x', '');
}
