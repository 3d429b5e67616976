/** bonsaic compress writes the same bytes for the same seed, wherever and however it is called. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { makeRandom } from '../../src/compress/random.js';
import { cliPath } from '../support/cli.js';
import { FloatNetwork } from '../support/float-network.js';

describe('compress: one seed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'seed-'));
  after(() => rmSync(folder, { recursive: true }));
  const place = (name: string) => join(folder, name);
  const folders = ['here', 'there', 'temporary'];

  before(() => {
    const network = new FloatNetwork([6], 2).dense(12).dense(3, 'none').softmax();
    writeFileSync(place('float.tflite'), writeTflite(network.module()));
    const random = makeRandom(7);
    const rows = Array.from({ length: 90 }, (_, i) => {
      const values = Array.from({ length: 6 }, (_, j) => random() + (j % 3 === i % 3 ? 0.6 : 0));
      return [...values, 'abc'[i % 3]].join(',');
    });
    writeFileSync(place('data.csv'), ['a,b,c,d,e,f,label', ...rows].join('\n'));
    // Each step draws: the order of samples, and what is pruned.
    const steps = [
      { step: 'prune', pattern: 'unstructured', share: 0.5, epochs: 2 },
      { step: 'train', epochs: 2 },
      { step: 'quantize' },
    ];
    writeFileSync(place('recipe.json'), JSON.stringify({ steps }));
    for (const name of folders) mkdirSync(place(name));
  });

  /** What the folder has, by file, as base64. */
  function compressed(name: string, cwd: string, env: NodeJS.ProcessEnv) {
    const output = place(name);
    const data = ['--data', place('data.csv'), '--recipe', place('recipe.json')];
    const rest = ['-o', output, '--target', 'rp2040', '--backend', 'wasm', '--seed', '5'];
    const args = [cliPath, 'compress', place('float.tflite'), ...data, ...rest, '--explain'];
    const run = spawnSync(process.execPath, args, {
      cwd: place(cwd),
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
    expect(run.status, run.stderr).to.equal(0);
    const paths = readdirSync(output, { recursive: true, withFileTypes: true });
    const files = paths.filter((entry) => entry.isFile());
    return Object.fromEntries(
      files.map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path.slice(output.length + 1), readFileSync(path).toString('latin1')];
      }),
    );
  }

  it('the same files, whatever COLUMNS, working folder, TMPDIR, locale and time zone', () => {
    const first = compressed('first', 'here', { COLUMNS: '80', LC_ALL: 'C', TZ: 'UTC' });
    const others = { COLUMNS: '200', LC_ALL: 'de_DE.UTF-8', LANG: 'tr_TR.UTF-8', TZ: 'Asia/Tokyo' };
    const elsewhere = { ...others, TMPDIR: place('temporary') };
    const second = compressed('second', 'there', elsewhere);
    expect(Object.keys(first)).to.include('model.tflite');
    expect(Object.keys(second)).to.deep.equal(Object.keys(first));
    for (const [name, bytes] of Object.entries(first)) {
      expect(second[name] === bytes, `${name} differs`).to.equal(true);
    }
  });
});
