/** docs/targets.md lists the targets that there are: `UPDATE_GOLDEN=1` writes its table. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { simulators } from '../../src/boards/device/index.js';
import { isLibrary } from '../../src/boards/target/firmware.js';
import { listTargets, loadTarget, type Target } from '../../src/boards/target/index.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';

const page = new URL('../../docs/targets.md', import.meta.url);
const [begin, end] = ['<!-- targets -->\n', '<!-- end -->\n'];

/** Targets that this project has run on real hardware. */
const ranOnHardware: ReadonlySet<string> = new Set(['host']);

const simulatorNames: Readonly<Record<string, string>> = {
  rp2040js: 'rp2040js, the UF2',
  esp32c3sim: 'our RV32IMC core and flash cache',
  process: 'runs here',
};

/** Folders of kernels that a target can run, the portable ones first. */
function kernelsOfTarget({ features }: Target): string {
  const ops = ['conv2d', 'depthwise_conv2d', 'fully_connected'];
  const variants = ops.flatMap((op) => kernelsOf({ op }).variants);
  const usable = variants.filter(({ needs }) => needs.every((need) => features.has(need)));
  return [...new Set(usable.map(({ template }) => template.split('/')[0]))].sort().join(', ');
}

const memory = (bytes: number | null) =>
  bytes === null ? '' : bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MB` : `${bytes / 1024} KB`;

function row(name: string): string {
  const target = loadTarget(name);
  const { simulator, machine = '', coreName, clockHz, flashBytes, ramBytes } = target;
  const inQemu = simulator?.startsWith('qemu') ?? false;
  const simulated = inQemu ? `QEMU ${machine}` : simulatorNames[simulator ?? ''];
  const cells = [
    `[${name}](../targets/${name}/README.md)`,
    coreName,
    isLibrary(target) || name === 'host' ? '' : `${clockHz / 1e6} MHz`,
    memory(flashBytes),
    memory(ramBytes),
    kernelsOfTarget(target),
    target.builder === 'idf' ? 'with ESP-IDF, not here' : isLibrary(target) ? 'sources' : 'yes',
    simulated ?? 'no',
    ranOnHardware.has(name) ? 'yes' : 'no',
  ];
  return `| ${cells.join(' | ')} |`;
}

function table(): string {
  const columns = 'target core clock flash RAM kernels built simulated'.split(' ');
  const header = `| ${[...columns, 'on hardware'].join(' | ')} |`;
  return [header, `|${'---|'.repeat(9)}`, ...listTargets().map(row), ''].join('\n');
}

describe('docs: targets', () => {
  it('the page lists those that there are', () => {
    const text = readFileSync(page, 'utf8');
    const [head, rest] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))];
    const wanted = `${head}${begin}${table()}${rest}`;
    if (process.env.UPDATE_GOLDEN !== undefined) writeFileSync(page, wanted);
    expect(readFileSync(page, 'utf8')).to.equal(wanted);
  });

  it('every simulator has its words', () => {
    const others = [...simulators.keys()].filter((name) => !name.startsWith('qemu'));
    expect(others).to.have.members(Object.keys(simulatorNames));
  });
});
