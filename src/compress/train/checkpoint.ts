/** The state of a long job in one file, which is whole at any moment. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { rawBytes } from '../../compiler/ir/graph.js';
import { writeWhole } from '../../durable.js';
import { writing } from '../../errors.js';
import { hasName, makeFolders, readInput } from '../../files.js';

export interface Checkpoint {
  /** What was done so far, as plain data. */
  readonly progress: Readonly<Record<string, unknown>>;
  readonly arrays: ReadonlyMap<string, Float32Array>;
}

const magic = 'bonsaic checkpoint 1\n';

/**
 * @throws BonsaiError 'usage' where it cannot be written, as on a full disk; the old one stays
 */
export function saveCheckpoint(path: string, key: string, { progress, arrays }: Checkpoint): void {
  const names = [...arrays].map(([name, { length }]) => ({ name, length }));
  const head = Buffer.from(`${JSON.stringify({ key, progress, names })}\n`);
  const body = Buffer.concat([head, ...[...arrays.values()].map((array) => rawBytes(array))]);
  const digest = createHash('sha256').update(body).digest('hex');
  const whole = Buffer.concat([Buffer.from(`${magic}${digest}\n`), body]);
  writing(path, () => {
    makeFolders(dirname(path));
    writeWhole(path, whole);
  });
}

/**
 * The checkpoint at `path`; null where there is none, where it is damaged, or where it was made for
 * another job (`key`).
 */
export function loadCheckpoint(path: string, key: string): Checkpoint | null {
  if (!hasName(path)) return null;
  const { buffer, byteOffset, length } = readInput(path, 'checkpoint');
  const bytes = Buffer.from(buffer, byteOffset, length);
  const bodyAt = magic.length + 65;
  if (bytes.subarray(0, magic.length).toString() !== magic) return null;
  const body = bytes.subarray(bodyAt);
  const digest = createHash('sha256').update(body).digest('hex');
  if (bytes.subarray(magic.length, bodyAt).toString() !== `${digest}\n`) return null;
  const headEnd = body.indexOf('\n');
  const head = JSON.parse(body.subarray(0, headEnd).toString()) as {
    readonly key: string;
    readonly progress: Checkpoint['progress'];
    readonly names: readonly { readonly name: string; readonly length: number }[];
  };
  if (head.key !== key) return null;
  const arrays = new Map<string, Float32Array>();
  let at = headEnd + 1;
  for (const { name, length } of head.names) {
    const values = new Float32Array(length);
    rawBytes(values).set(body.subarray(at, at + 4 * length));
    arrays.set(name, values);
    at += 4 * length;
  }
  return { progress: head.progress, arrays };
}
