/** A folder with what README's commands need: models, data, vectors, and what they write. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { runHere } from './command.js';
import { FloatNetwork } from './float-network.js';

const activity = fileURLToPath(new URL('../../examples/activity/', import.meta.url));

/** Runs a command in this process; it has to end with 0. */
export async function succeed(args: readonly string[]) {
  const run = await runHere(args);
  expect(run.status, `${args.join(' ')}: ${run.stderr}`).to.equal(0);
  return run;
}

export class ReadmeFolder {
  readonly #root = mkdtempSync(join(tmpdir(), 'readme-'));
  #outputs = 0;
  #built: Promise<string> | null = null;
  /** README's model is called kws. */
  readonly kws = this.place('kws.tflite');
  readonly float = this.place('float.tflite');
  readonly samples = this.place('samples.csv');
  readonly vectors = this.place('vectors.json');

  constructor() {
    copyFileSync(join(activity, 'activity.tflite'), this.kws);
    copyFileSync(join(activity, 'vectors.json'), this.vectors);
    const network = new FloatNetwork([4], 2).dense(8).dense(3, 'none').softmax();
    writeFileSync(this.float, writeTflite(network.module()));
    const rows = Array.from({ length: 60 }, (_, i) => [i % 5, (i * 3) % 7, i % 2, 1, 'abc'[i % 3]]);
    writeFileSync(this.samples, ['a,b,c,d,label', ...rows.map((row) => row.join(','))].join('\n'));
  }

  place(name: string): string {
    return join(this.#root, name);
  }

  file(name: string, contents: string | Uint8Array): string {
    writeFileSync(this.place(name), contents);
    return this.place(name);
  }

  /** A path where nothing is. */
  fresh(): string {
    this.#outputs += 1;
    return this.place(`out-${this.#outputs}`);
  }

  /** README's model, compiled and built for the RP2040: its directory. */
  built(): Promise<string> {
    this.#built ??= this.#build();
    return this.#built;
  }

  async #build(): Promise<string> {
    const directory = this.fresh();
    await succeed(['compile', this.kws, '--target', 'rp2040', '-o', directory]);
    await succeed(['build', directory]);
    return directory;
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
