/** What an installed package says: it names only what it has. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import stringWidth from 'string-width';
import { installHint, installNative, isClone } from '../../src/boards/build/install.js';
import { doctorText } from '../../src/cli/doctor.js';
import { loadBackend } from '../../src/compress/tensorflow.js';
import type { ToolCheck } from '../../src/report/tools.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Text of the sources without comments, by file. */
function* sources(): Iterable<readonly [path: string, text: string]> {
  for (const path of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts')) continue;
    const text = readFileSync(join(root, 'src', path), 'utf8');
    yield [path, text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')];
  }
}

describe('the npm package', () => {
  it('has each file that a message names', function () {
    this.timeout(60_000);
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
    const said = execFileSync('npm', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    const [packed] = JSON.parse(said.toString()) as { files: { path: string }[] }[];
    const files = new Set(packed?.files.map(({ path }) => path));
    expect(files.has('README.md')).to.equal(true);
    const missing: string[] = [];
    for (const [path, text] of sources()) {
      for (const [name] of text.matchAll(
        /\b(docs|targets|firmware|templates|bench|examples)\/[\w./-]+\.(md|json|sh|ts|c|h)\b/g,
      )) {
        if (!files.has(name.replace('TARGET', 'rp2040'))) missing.push(`${path}: ${name}`);
      }
    }
    expect(missing).to.deep.equal([]);
  });

  it('names scripts in a clone only', () => {
    const naming = [...sources()].filter(([, text]) => /npm run |scripts\/|npx tsx/.test(text));
    expect(naming.map(([path]) => path)).to.deep.equal(['boards/build/install.ts']);
    expect(isClone).to.equal(true);
    expect(installHint('make')).to.equal('apt-get install make, or npm run setup');
    expect(installHint('g++', true)).to.match(
      /^apt-get install g\+\+, or npm run setup -- --tests$/,
    );
    expect(installHint('make', true, false)).to.equal('apt-get install make');
    expect(installNative(true)).to.equal('npm run setup -- --native-training');
    expect(installNative(false)).to.match(/^npm install @tensorflow\/tfjs-node@\d/);
  });
});

describe('doctor: its text', () => {
  const gcc = (board: string, change: Partial<ToolCheck> = {}): ToolCheck => ({
    ...{ what: `arm-none-eabi-gcc (${board})`, ok: true, needed: true, found: 'gcc 12.2.1' },
    ...{ hint: 'apt-get install gcc-arm-none-eabi, or npm run setup', ...change },
  });
  const broken = { ok: false, found: 'no headers' };

  it('a compiler once, with its boards; apart where they find something else', () => {
    const text = doctorText([gcc('rp2040'), gcc('rp2350', broken), gcc('nrf52840')], 100);
    expect(text).to.match(/ok +arm-none-eabi-gcc \(rp2040, nrf52840\) +gcc 12/);
    expect(text).to.match(/MISSING +arm-none-eabi-gcc \(rp2350\) +no headers/);
    expect(text.match(/arm-none-eabi-gcc /g)).to.have.length(2);
  });

  for (const width of [20, 40, 80]) {
    it(`commands are whole in ${width} columns, and stand once`, () => {
      const text = doctorText([gcc('rp2040', broken), gcc('rp2350', broken)], width);
      const lines = text.split('\n');
      expect(lines.slice(-2)).to.deep.equal([
        'arm-none-eabi-gcc:',
        '  apt-get install gcc-arm-none-eabi, or npm run setup',
      ]);
      expect(lines.slice(0, -1).every((line) => stringWidth(line) <= width)).to.equal(true);
    });
  }

  it('nothing is missing: no more than the table', () => {
    expect(doctorText([gcc('rp2040')], 80)).not.to.include('what next');
    const clone = { ...gcc('esp32', broken), hint: 'git clone X\n./install.sh' };
    expect(doctorText([clone], 80)).to.match(/:\n {2}git clone X\n {2}\.\/install\.sh$/);
  });
});

describe("TensorFlow's own words", () => {
  it('are not printed, at its start and later', async () => {
    const { warn, log } = console;
    const said: unknown[] = [];
    const keep = (...text: unknown[]) => void said.push(text);
    Object.assign(console, { warn: keep, log: keep });
    try {
      const { tf } = await loadBackend('wasm');
      tf.backend_util.warn('Hi, looks like you are running TensorFlow.js in Node.js.');
      tf.backend_util.log('speed up');
    } finally {
      Object.assign(console, { warn, log });
    }
    expect(said).to.deep.equal([]);
  });
});
