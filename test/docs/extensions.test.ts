/**
 * docs/architecture.md says how many places an extension touches: here the places are counted, for
 * every operator, kernel, board, pass, simulator and flash protocol that there is.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { expect } from 'chai';
import { simulators } from '../../src/boards/device/index.js';
import { packageTemplateTexts } from '../../src/boards/project/templates.js';
import { flashSettings } from '../../src/boards/target/flash.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { namedTexts } from '../../src/compiler/codegen/templates.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { operators } from '../../src/compiler/ops/index.js';
import { scalarOperators, scalars } from '../../src/compiler/ops/scalar.js';

const root = new URL('../../', import.meta.url);

function filesBelow(folder: string): readonly string[] {
  return readdirSync(new URL(folder, root)).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(new URL(path, root)).isDirectory() ? filesBelow(path) : [path];
  });
}

/** Text without comments: what only speaks of a thing does not depend on it. */
const codeOf = (path: string) =>
  readFileSync(new URL(path, root), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');

/** Rooms are named without the floor that they are on. */
const withoutFloor = (path: string) => path.replace(/^src\/(compiler|boards)\//, 'src/');

const sources = new Map(
  filesBelow('src')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [withoutFloor(path), codeOf(path)]),
);

/** The files below src/ whose code has one of the forms. */
const filesWith = (...forms: readonly RegExp[]) =>
  [...sources].flatMap(([path, text]) => (forms.some((form) => form.test(text)) ? [path] : []));

const page = readFileSync(new URL('docs/architecture.md', root), 'utf8');

describe('docs: what an extension touches', () => {
  const lists = ['ops/index', 'kernels/index', 'formats/tflite/ops', 'compress/ops/index'];
  /** Of element-wise ones; with arithmetic of their own for quantized elements they have a file, too. */
  const scalarLists = ['ops/scalar', 'formats/tflite/ops'];
  const ofRows = new Set(scalarOperators.map(({ name }) => name));
  /** The language in which the row is written has operations of the same names. */
  const language = ['ops/arithmetic/expression', 'codegen/expression'];

  describe('an operator: its file and a line in each of four lists; an element-wise one: a row', () => {
    /** Where operators are named besides: a pass about just these, or layers to measure. */
    const known = new Map<string, readonly string[]>([
      [
        'add',
        ['ops/arithmetic/residual', 'passes/fuse-residuals', 'formats/tflite/plain', 'ops/while'],
      ],
      // The counter of a loop.
      ['logical', ['ops/while']],
      ['sub', ['ops/while']],
      // A command has the same name.
      [
        'compare',
        ['cli/compare', 'cli/compression', 'cli/program', 'pipeline/compare', 'ops/while'],
      ],
      ['concatenation', ['passes/fuse-windows']],
      // Three operators of files are slices.
      ['strided_slice', ['passes/fuse-windows', 'formats/tflite/slices']],
      [
        'conv2d',
        [
          // A transposed convolution is one of several forms of it.
          ...['ops/shape/phases', 'ops/transpose_conv', 'passes/transpose-conv-to-convolutions'],
          ...['passes/convolution-to-row', 'passes/depthwise-to-convolution'],
        ],
      ],
      ['transpose_conv', ['passes/transpose-conv-to-convolutions']],
      ['depthwise_conv2d', ['passes/depthwise-to-convolution', 'passes/remove-dead-channels']],
      ['expand_dims', ['ops/shape/same-elements']],
      // Computed indices have the same shapes.
      ['gather', ['ops/take']],
      ['gather_nd', ['ops/take_nd']],
      ['fully_connected', ['analysis/proofs', 'passes/convolution-to-row']],
      // Of a window's positions one is called 'pad'.
      [
        'pad',
        [
          ...['ops/arithmetic/accumulator-bounds', 'ops/shape/phases'],
          ...['passes/fuse-pads', 'formats/tflite/plain'],
        ],
      ],
      // A command has the same name.
      ['quantize', ['cli/program', 'cli/prune', 'cli/quantize', 'passes/compose-lookups']],
      // A copy of a state is a reshape, and so is what needs no copy to interleave.
      [
        'reshape',
        [
          ...['ops/shape/same-elements', 'formats/tflite/variables', 'ops/flatten'],
          'passes/transpose-conv-to-convolutions',
        ],
      ],
      // Functions have the same name.
      [
        'select',
        [
          ...[
            'flash/nrf/client',
            'flash/probe/tools',
            'flash/probe',
            'plan/choose/fit',
            'plan/index',
          ],
          // Branches join in one.
          ...['ops/evaluate', 'ops/flatten', 'plan/arena/lifetimes'],
        ],
      ],
      ['squeeze', ['ops/shape/same-elements']],
      ...['relu', 'relu6', 'relu_0_to_1', 'relu_n1_to_1', 'tanh'].map(
        // Fused activations and other clamps have the names of operators.
        (name) =>
          [
            name,
            ['clamping', 'plain', 'quant', 'real'].map((file) => `ops/arithmetic/${file}`),
          ] as const,
      ),
    ]);
    for (const [name, { changesState, internal }] of operators) {
      // What changes a state has no form in files that are written, and is not trained.
      if (changesState || internal) continue;
      it(name, () => {
        const all = filesWith(
          new RegExp(`'${name}'|/${name}\\.js'`),
          new RegExp(`^ {2}${name}[:,]|^ {4}${name}(: [a-z]\\w+)?,$`, 'm'),
        );
        const others = all
          .map((path) => path.replace(/^src\/(.*)\.ts$/, '$1'))
          .filter((path) => path !== `ops/${name}`);
        const own = scalars.has(name) ? scalarLists : lists;
        expect(others).to.include.members(own);
        if (ofRows.has(name)) expect(others).not.to.include('ops/index');
        const allowed = [...lists, ...(scalars.has(name) ? [...scalarLists, ...language] : [])];
        const besides = others
          .filter(
            (path) => !allowed.includes(path) && !/^(kernels|tune|device|compress)\//.test(path),
          )
          .filter(
            // A second format names operators that it has, and so does --stream; a new operator need
            // not be one.
            (path) => !/^(formats\/tfjs\/|passes\/stream)/.test(path),
          );
        const expected = known.get(name) ?? [];
        expect(expected, 'named there').to.include.members(besides);
      });
    }

    it('most are named in no pass: a new one needs no pass', () => {
      expect(known.size).to.be.below(operators.size / 2);
    });

    it('the page names the lists', () => {
      for (const list of [...lists, ...scalarLists]) expect(page).to.include(`\`${list}.ts\``);
    });
  });

  describe('a kernel: its text, and one file that is a line in kernels/index.ts', () => {
    const variants = [...operators.keys()].flatMap((op) => kernelsOf({ op }).variants);
    const texts = new Set(variants.map(({ template, text = template, file = text }) => file));

    it('every text below templates/kernels is a variant or a helper of one', () => {
      const all = filesBelow('templates/kernels')
        .filter((path) => path.endsWith('.hbs') && !/\/support\//.test(path))
        .map((path) => path.replace(/^templates\/kernels\/(.*)\.hbs$/, '$1'));
      expect(all).to.have.members([...texts]);
    });

    it('every other text there is called or included, or code names it', () => {
      const named = namedTexts(packageTemplateTexts());
      const templates = [...named.values()].join('\n');
      const code = [...sources.values()].join('\n');
      const unused = [...named.keys()].flatMap((path) => {
        const [, name] = /^kernels\/(.*)$/.exec(path) ?? [];
        if (name === undefined || texts.has(name)) return [];
        // A helper's parameters are behind its name: rescale_lanes_any is `rescale_lanes any=…`.
        const words = name.split('_');
        const shorter = words.map((_, i) => words.slice(0, words.length - i).join('_'));
        const isUsed =
          shorter.some((one) => new RegExp(`${one}["'\\s}]`).test(templates)) ||
          shorter.some((one) => code.includes(`\`${one}_\${`)) ||
          code.includes(name.replace(/^\w+\/(real_)?/, ''));
        return isUsed ? [] : [name];
      });
      expect(unused).to.deep.equal([]);
    });

    for (const text of texts) {
      it(`${text} is made in one file`, () => {
        const files = filesWith(new RegExp(`'${text}'`)).filter((p) =>
          p.startsWith('src/kernels/'),
        );
        expect(files.length).to.be.at.most(1);
      });
    }

    it('nothing but kernels/index.ts imports an instruction set', () => {
      const imports =
        /from '[^']*kernels\/(portable|swar|thumb1|rv32|xtensa|dsp|mve|encoding|layout|routines)\//;
      expect(filesWith(imports).filter((path) => !path.startsWith('src/kernels/'))).to.deep.equal(
        [],
      );
    });
  });

  describe('a board: a folder', () => {
    /** The default of `run`, this machine, and the core that a hint shows as an example. */
    const spoken = ['rp2040', 'host', 'cortex-m0plus'];
    for (const name of listTargets().filter((target) => !spoken.includes(target))) {
      it(`no code knows ${name}`, () => {
        expect(filesWith(new RegExp(`\\b${name}\\b`))).to.deep.equal([]);
      });
    }
  });

  describe('a pass, a simulator, a flash protocol: a file, and a line in its index', () => {
    /** Files that several of a folder use, or that are what all of them are. */
    const shared = new Set([
      'passes/rewrite',
      // An option: the pipeline runs it before the passes.
      'passes/stream',
      'passes/stream-rules',
      'passes/take-channels',
      'flash/protocol',
      'flash/image-check',
    ]);
    const parts = new Set([
      'rp2040core1',
      'rp2040flash',
      'rp2040mcu',
      'uf2',
      ...['access', 'device', 'holders', 'link', 'lock-files', 'missing-port', 'open-link'],
      ...['pty', 'rfc2217', 'serial', 'serial-bridge'],
      ...[
        'drive-board',
        'drive-folder',
        'hci',
        'simulated',
        'simulated-common',
        'slip',
        'socket',
        'telnet',
        'usb',
      ],
      'transport',
      'turns',
      ...['ports', 'boards'],
    ]);
    const isEntry = (path: string) =>
      !shared.has(path) && !parts.has(path.replace(/^device\//, '')) && !path.endsWith('/index');
    const entries = ['passes', 'flash', 'device']
      .flatMap((folder) => [...sources.keys()].filter((path) => path.startsWith(`src/${folder}/`)))
      // A folder in a folder is a part of one of its files.
      .filter((path) => path.split('/').length === 3)
      .map((path) => path.replace(/^src\/(.*)\.ts$/, '$1'))
      .filter(isEntry);
    for (const path of entries) {
      it(path, () => {
        const [folder, file] = path.split('/');
        const users = filesWith(new RegExp(`from '[^']*/${file}\\.js'`)).filter(
          (user) => user.startsWith(`src/${folder}/`) && user !== `src/${path}.ts`,
        );
        const besides =
          path === 'passes/order-channels' ? ['src/passes/remove-dead-channels.ts'] : [];
        expect(users).to.have.members([`src/${folder}/index.ts`, ...besides]);
      });
    }

    /** Other programs speak these; a test has a stand-in for them. */
    const byOthers = ['debug-probe', 'idf'];
    for (const { shape } of flashSettings.options) {
      const name = shape.protocol.value;
      it(`${name}: its settings are those of a board, and its boot loader is simulated`, () => {
        const users = listTargets().filter((target) =>
          loadTarget(target).flashProtocols.some(({ protocol }) => protocol === name),
        );
        expect(users, 'boards').not.to.deep.equal([]);
        const key = new RegExp(`^ {2}'?${name}'?[:,]`, 'm');
        const table = sources.get('src/flash/index.ts') ?? '';
        expect(table.includes(`'${name}'`) || key.test(table), 'flash/index.ts').to.equal(true);
        const chips = [...sources].filter(
          ([path, text]) =>
            /^src\/device\/(chips\/|simulated\.ts)/.test(path) &&
            (text.includes(`'${name}'`) || key.test(text)),
        );
        expect(chips.length > 0, 'simulated').to.equal(!byOthers.includes(name));
      });
    }

    it('the page names the places of a flash protocol', () => {
      const row = page.match(/\| a flash protocol \|.*/)?.[0] ?? '';
      for (const place of ['flash/index.ts', 'target/flash.ts', 'device/chips/']) {
        expect(row).to.include(place);
      }
    });

    it('target.json names simulators that there are', () => {
      for (const name of listTargets()) {
        const { simulator, machine, icountShift } = loadTarget(name);
        if (simulator === null) continue;
        expect([...simulators.keys()], name).to.include(simulator);
        if (!simulator.startsWith('qemu')) continue;
        expect([machine, icountShift], name).not.to.include(undefined);
      }
    });
  });
});
