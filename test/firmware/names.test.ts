/** One namespace: whatever a model is called, its firmware links. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { emit, modelGlue } from '../../src/boards/project/emit.js';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { compilerFlags, firmwareSources } from '../../src/boards/target/firmware.js';
import { linkerScriptOf, loadTarget, type Target } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import { modelCName } from '../../src/compiler/ir/c-names.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { execute } from '../support/execute.js';
import { GraphBuilder, perTensorQuant, Random } from '../support/module.js';
import { inTemporaryDirectory } from '../support/native.js';
import { defaults } from '../support/plan.js';
import { needs } from '../support/skip.js';

/** A convolution, weights as code where the core takes them, and a look-up. */
function network(): Module {
  const b = new GraphBuilder();
  const random = new Random(5);
  const x = b.input([1, 6, 6, 4]);
  const weights = b.constant(random.int8(4 * 4 * 9), [4, 3, 3, 4], perTensorQuant(0.02, 0));
  const window = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1 };
  const pads = { padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
  const attrs = { ...window, ...pads, activation: 'relu', rounding: 'double' };
  const y = b.node('conv2d', [x, weights, b.constant(random.int32(4, -99, 99))], attrs);
  return b.module([b.node('tanh', [y], {}, { quant: perTensorQuant(1 / 128, 0) })], 'base');
}

const suffixes = ['run', 'run_hooked', 'reset', 'input', 'output', 'step'].concat([
  ...['quantize', 'dequantize', 'argmax', 'conv2d_0', 'tanh_1'],
]);

/** Names that C, its library and the firmware's files have. */
const words = (
  'auto break case char const continue default do double else enum extern float for goto if ' +
  'inline int long register restrict return short signed sizeof static struct switch typedef ' +
  'union unsigned void volatile while bool true class new this template int8_t uint8_t int32_t ' +
  'int8 INT8 size_t stdint stddef string stdbool limits math stdio NULL main mem str memcpy ' +
  'memmove memset model port frame commands counters bonsai Bonsai_model bonsai_model arena ' +
  'BONSAI_FLASH target firmware build client Makefile Überwachung __proto__ constructor 7 to'
).split(' ');

/** What the linker may find that is neither the firmware's nor a model's. */
const foreign = /^(_|main$|mem(cpy|move|set|cmp)$|\.)/;

interface Symbols {
  readonly defined: readonly string[];
  readonly all: readonly string[];
}

/** Symbols of object files, of static functions and tables too. */
async function symbolsOf(nm: string, files: readonly string[]): Promise<Symbols> {
  const text = (await execute(nm, ['-P', ...files])).toString();
  const rows = [...text.matchAll(/^([A-Za-z_]\w*)\S* (\w)/gm)];
  const names = (isTaken: (type: string) => boolean) => [
    ...new Set(rows.filter(([, , type]) => isTaken(type ?? '')).map(([, name]) => name ?? '')),
  ];
  return {
    defined: names((type) => type !== 'U' && type === type.toUpperCase()),
    all: names(() => true),
  };
}

function write(directory: string, files: Iterable<readonly [string, string]>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

const objectsBelow = (directory: string) =>
  readdirSync(directory, { recursive: true })
    .map((path) => join(directory, String(path)))
    .filter((path) => path.endsWith('.o'));

/** The network as the target's firmware computes it, by two cores where there are two. */
function plannedFor(target: Target) {
  const module = network();
  const facts = analyse(mainGraph(module));
  const cores = target.secondCore === undefined ? 1 : 2;
  const planned = makePlan(module, facts, target, { ...defaults, faithful: false, cores });
  return { module, planned, cores };
}

/** Compiles a model of each name, and links all of them with the firmware of `base`. */
async function linkAll(directory: string, target: Target, names: readonly string[]) {
  const { module, planned } = plannedFor(target);
  const sources: string[] = [];
  for (const name of names) {
    const named = { ...module, name };
    const program = emitProgram(named, planned, packageTemplates());
    const files: [string, string][] = [
      [`${name}.h`, program.header],
      [`${name}.c`, program.source],
    ];
    if (program.routines !== null) files.push([`${name}_weights.S`, program.routines]);
    sources.push(...files.map(([path]) => path).filter((path) => !path.endsWith('.h')));
    files.push([`glue/${name}_model.c`, modelGlue(named, planned.plan, program, target)]);
    write(directory, files);
  }
  const flags = [...compilerFlags(target), '-std=c99', '-O0', '-I.'];
  const run = (...args: string[]) =>
    execute(target.compiler, [...flags, ...args], { cwd: directory });
  // Only the glue meets the firmware's types and macros, all of them BONSAI's.
  const likeFirmware = names.filter((name) => /bonsai|^model|^arena/i.test(name));
  await run('-fsyntax-only', ...likeFirmware.map((name) => `glue/${name}_model.c`));
  await run('-c', ...sources);
  const linker = linkerScriptOf(target);
  const script = linker === null ? [] : ['-T', `firmware/${linker.name}`];
  await run(...script, ...objectsBelow(directory), ...target.linkFlags, '-o', 'all.elf');
}

describe('names', () => {
  for (const name of ['host', 'rp2040', 'stm32f405']) {
    const target = loadTarget(name);
    it(`of ${name}’s firmware begin with bonsai_, and no model’s name clashes`, function () {
      needs(this, target.compiler);
      return inTemporaryDirectory(async (directory) => {
        const { module, planned, cores } = plannedFor(target);
        const firmware = [...firmwareSources(target, cores)].map(
          ([path, text]) => [`firmware/${path}`, text] as const,
        );
        write(directory, [...emit(module, planned, target).files, ...firmware]);
        const both = planned.plan.options.cores === 2 ? ' -DBONSAI_BOTH=bonsai_both' : '';
        const flags = `KERNEL_FLAGS=-O1 -fno-inline${both}`;
        await execute('make', ['-j2', flags], { cwd: directory });
        const nm = target.compiler.replace(/gcc$/, 'nm');
        const objects = objectsBelow(join(directory, 'build'));
        const image = join(directory, 'build/base.elf');
        const { defined, all } = await symbolsOf(nm, [...objects, image]);
        const strangers = defined.filter(
          (symbol) => !/^(bonsai|base)_/.test(symbol) && !foreign.test(symbol),
        );
        expect(strangers).to.deep.equal([]);
        const names = new Set([...defined, ...(name === 'host' ? words : [])].map(modelCName));
        // What a name and one of its own endings make must be nothing that there is already.
        for (const symbol of all) {
          const suffix = suffixes.find((each) => symbol.endsWith(`_${each}`));
          if (suffix !== undefined) names.add(modelCName(symbol.slice(0, -suffix.length - 1)));
        }
        const others = [...names].filter((other) => !/^base(_|$)/.test(other));
        await linkAll(directory, target, others);
      });
    });
  }
});
