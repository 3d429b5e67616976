/** Seeded faults of a line: bytes that are lost, doubled, changed or late, and the end of the line. */
import { Random } from './module.js';

export type Direction = 'to chip' | 'to host';

/** A byte behind the fault. */
export interface Passed {
  readonly byte: number;
  readonly delayMs: number;
}

export interface Faults {
  /** What becomes of a byte: nothing, itself, or more. */
  pass(byte: number, direction: Direction): readonly Passed[];
  /** Whether the line ends before this byte; null: it does not. */
  ends(): 'unplugged' | 'power lost' | 'host killed' | null;
}

export const faultKinds = [
  'bytes lost',
  'bytes doubled',
  'bytes changed',
  'bytes late',
  'NACK for ACK',
  'cable pulled',
  'power lost',
  'host killed',
] as const;

export type FaultKind = (typeof faultKinds)[number];

const endings: Partial<Record<FaultKind, 'unplugged' | 'power lost' | 'host killed'>> = {
  'cable pulled': 'unplugged',
  'power lost': 'power lost',
  'host killed': 'host killed',
};

/** Each byte as it is: one object for all that pass. */
const unchanged = Array.from({ length: 256 }, (_, byte) => [{ byte, delayMs: 0 }] as const);
const asIs = (byte: number) => unchanged[byte] as readonly [Passed];

export const noFaults: Faults = { pass: asIs, ends: () => null };

/**
 * @param bytes about as many as cross the line without faults: an ending comes within them
 * @param refusal the protocol's byte for yes and its byte for no
 */
export function makeFaults(
  kind: FaultKind,
  seed: number,
  bytes: number,
  refusal: { readonly yes: number; readonly no: number },
): Faults {
  const random = new Random(seed * 7919 + faultKinds.indexOf(kind));
  const rate = [1 / 300, 1 / 1000, 1 / 5000][random.integer(0, 2)] ?? 0;
  const end = endings[kind];
  const endAt = random.integer(0, bytes);
  let count = 0;
  const strikes = () => random.integer(0, 1e6) < rate * 1e6;
  return {
    pass(byte, direction) {
      const [same] = asIs(byte);
      if (kind === 'NACK for ACK') {
        const isStruck =
          direction === 'to host' && byte === refusal.yes && random.integer(0, 30) === 0;
        return asIs(isStruck ? refusal.no : byte);
      }
      if (end !== undefined || !strikes()) return asIs(byte);
      if (kind === 'bytes lost') return [];
      if (kind === 'bytes doubled') return [same, same];
      if (kind === 'bytes late') return [{ byte, delayMs: random.integer(1, 1500) }];
      return asIs(byte ^ (1 << random.integer(0, 7)));
    },
    ends: () => (end !== undefined && count++ >= endAt ? end : null),
  };
}
