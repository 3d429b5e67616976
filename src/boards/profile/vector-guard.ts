/** Looks through a large file of vectors before it is made into values as a whole. */
import { JSONParser } from '@streamparser/json';

const pieceBytes = 2 ** 16;

/** Where a pair stands: ['pairs', 2] or ['sequences', 1, 2]. */
export type PairPath = readonly PropertyKey[];

export interface PairGuard {
  /** Called with each pair as it ends; throws for one that is wrong. */
  check(pair: unknown, path: PairPath): void;
  /** From the end of one pair to that of the next, and of what stands around them. */
  readonly mostBytes: number;
  /** Throws, since the next pair has more bytes than `mostBytes`. */
  refuse(pairs: number): never;
}

/**
 * Has each pair of a file checked in turn, so that the first that is wrong ends the reading: a file that is
 * made to cost has no more in memory than one pair. Errors of its JSON are left to who reads it whole.
 */
export function guardPairs(bytes: Uint8Array, { check, mostBytes, refuse }: PairGuard): void {
  const parser = new JSONParser({ paths: ['$.pairs.*', '$.sequences.*.*'], keepStack: false });
  let at = 0;
  let lastEnd = 0;
  let pairs = 0;
  let refusal: { readonly error: unknown } | null = null;
  parser.onValue = ({ value, key, stack }) => {
    const [, list, sequence] = stack.map((level) => level.key);
    const path = [list, sequence, key].filter((part) => part !== undefined);
    try {
      check(value, path);
    } catch (error) {
      refusal = { error };
      throw error;
    }
    pairs += 1;
    lastEnd = at;
  };
  for (; at < bytes.length; at += pieceBytes) {
    try {
      parser.write(bytes.subarray(at, at + pieceBytes));
    } catch {
      break;
    }
    if (at + pieceBytes - lastEnd > mostBytes) refuse(pairs);
  }
  if (refusal !== null) throw (refusal as { error: unknown }).error;
}
