/** The C interface as a user's program meets it: header, helpers, two models, Makefile. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { emit } from '../../src/boards/project/emit.js';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { firmwareSources } from '../../src/boards/target/firmware.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import { type Module, mainGraph, type TensorData } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { execute } from '../support/execute.js';
import { GraphBuilder, perTensorQuant, randomInputs } from '../support/module.js';
import { inTemporaryDirectory, warnings } from '../support/native.js';
import { simplePlan } from '../support/plan.js';
import { needs } from '../support/skip.js';

/** Two inputs of other scales, one output with three classes. */
function classifier(name: string, extent = 4): Module {
  const b = new GraphBuilder();
  const x = b.input([1, extent, extent, 3], perTensorQuant(0.1, 3), 'serving_default_image:0');
  const y = b.input([1, 3], perTensorQuant(0.25, -7), 'bias');
  const attrs = { axes: [1, 2], keepDims: false, algorithm: 'general' };
  const mean = b.node('mean', [x], attrs, { quant: perTensorQuant(0.05, 0) });
  const sum = b.node('add', [mean, y], { activation: 'none' }, { quant: perTensorQuant(0.2, 1) });
  const softmax = { beta: 1, algorithm: 'fixed' };
  const quant = perTensorQuant(1 / 256, -128);
  return b.module([b.node('softmax', [sum], softmax, { quant })], name);
}

const labels = ['left "hand"', 'right', 'über??/'];

/** Writes a model's files, and the firmware of a target. */
function writeAll(directory: string, module: Module, targetName: string): void {
  const target = loadTarget(targetName);
  const { files } = emit(module, simplePlan(module), target, { labels });
  const firmware = [...firmwareSources(target)].map(([path, text]) => [`firmware/${path}`, text]);
  for (const [path, text] of [...files, ...firmware] as [string, string][]) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

describe('generated files', () => {
  it('are the same for the same input, and name no place of this machine', () => {
    const emission = () => {
      const module = classifier('kws');
      return emit(module, simplePlan(module), loadTarget('rp2040'), { labels });
    };
    const first = emission();
    expect([...first.files]).to.deep.equal([...emission().files]);
    expect([...first.files.keys()]).to.deep.equal([
      'kws.h',
      'kws.c',
      'kws_model.c',
      'client/kws.ts',
      'Makefile',
      'bonsai.json',
    ]);
    const year = String(new Date().getFullYear());
    for (const [path, text] of first.files) {
      expect(text, path).to.not.include(process.cwd()).and.not.include(year);
      expect(text.endsWith('\n') && !text.endsWith('\n\n'), `${path} ends in one newline`).to.equal(
        true,
      );
      expect(text, path).to.not.match(/[ \t]\n/);
    }
    expect(JSON.parse(first.files.get('bonsai.json') ?? '')).to.deep.equal(first.manifest);
  });

  it('have a tag that follows the generated C', () => {
    const tag = (extent: number) => {
      const module = classifier('kws', extent);
      return emitProgram(module, simplePlan(module), packageTemplates()).tag;
    };
    expect(tag(4))
      .to.match(/^[0-9a-f]{8}$/)
      .and.equal(tag(4))
      .and.not.equal(tag(5));
  });

  it('list every table and span in the manifest', () => {
    const module = classifier('kws');
    const { manifest, files } = emit(module, simplePlan(module), loadTarget('host'));
    const defined = [
      ...(files.get('kws.c') ?? '').matchAll(/^static const \w+ (\w+)\[\d+\] \w+ = /gm),
    ];
    expect(manifest.tables.map(({ symbol }) => symbol)).to.deep.equal(
      defined.map(([, name]) => name),
    );
    expect(manifest.spans.map(({ step, bytes }) => [step, bytes])).to.deep.equal([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
  });
});

describe('header', () => {
  const rows = [
    { edge: 'C99, pedantic', command: ['gcc', '-std=c99', '-pedantic', '-x', 'c'] },
    { edge: 'C++11', command: ['g++', '-std=c++11', '-pedantic', '-x', 'c++'] },
    { edge: 'C++17', command: ['g++', '-std=c++17', '-pedantic', '-x', 'c++'] },
  ] as const;
  for (const { edge, command } of rows) {
    it(`compiles and links as ${edge}`, () =>
      inTemporaryDirectory(async (directory) => {
        writeAll(directory, classifier('kws'), 'host');
        const program = `
#include "kws.h"
#include "kws.h"
static const char *const labels[] = KWS_OUTPUT_0_LABELS;
static KWS_ARENA(arena);
static void hook(void *context, int32_t step) { *(int32_t *)context += step; }
int main(void)
{
    int32_t steps = 0;
    kws_reset(arena);
    kws_input(arena, 0)[KWS_INPUT_0_BYTES - 1] = kws_quantize(0.5f, 0);
    kws_run(arena);
    kws_run_hooked(arena, hook, &steps);
    int32_t best = kws_argmax(kws_output(arena, 0), KWS_OUTPUT_0_COUNT);
    return labels[best][0] == 0 || steps != 3 || kws_dequantize(-128, 0) != 0.0f
        || KWS_INPUT_0_DIM_1 != 4 || KWS_OUTPUT_0_RANK != 2 || KWS_INPUTS != 2 || KWS_STEPS != 3
        || kws_input(arena, -1) || kws_input(arena, KWS_INPUTS) || kws_output(arena, 1)
        || KWS_INPUT_0_NAME[0] != 's' || KWS_INPUT_1_ZERO_POINT != -7 || KWS_INPUT_1_SCALE != 0.25f;
}
`;
        writeFileSync(join(directory, 'main.txt'), program);
        const cwd = { cwd: directory };
        const [compiler, ...flags] = command;
        await execute('gcc', ['-std=c99', ...warnings, '-c', 'kws.c'], cwd);
        await execute(compiler, [...flags, ...warnings, '-c', 'main.txt', '-o', 'main.o'], cwd);
        await execute(compiler, ['main.o', 'kws.o', '-o', 'main'], cwd);
        await execute(join(directory, 'main'), []);
      }));
  }
});

describe('two models in one program', () => {
  it('share an arena, whatever each has left in it', () =>
    inTemporaryDirectory(async (directory) => {
      const modules = [classifier('first'), classifier('second', 7)];
      for (const module of modules) writeAll(directory, module, 'host');
      const feed = modules.map((module) => randomInputs(module, 5));
      const array = (name: string, values: TensorData) =>
        `static const int8_t ${name}[] = { ${values.join(', ')} };`;
      const use = (name: string) => `
    memcpy(${name}_input(arena, 0), ${name}_0, sizeof ${name}_0);
    memcpy(${name}_input(arena, 1), ${name}_1, sizeof ${name}_1);
    ${name}_run(arena);
    fwrite(${name}_output(arena, 0), 1, ${name.toUpperCase()}_OUTPUT_0_BYTES, stdout);`;
      const program = `
#include <stdio.h>
#include <string.h>
#include "first.h"
#include "second.h"
${modules
  .flatMap(({ name }, m) => (feed[m] ?? []).map((values, i) => array(`${name}_${i}`, values)))
  .join('\n')}
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
static int8_t arena[LARGER(FIRST_ARENA_BYTES, SECOND_ARENA_BYTES)] __attribute__((aligned(8)));
int main(void)
{
    ${use('first')}${use('second')}${use('first')}
    return 0;
}
`;
      writeFileSync(join(directory, 'main.c'), program);
      const sources = ['main.c', 'first.c', 'second.c'];
      const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];
      const args = ['-std=c99', '-O1', ...sanitizers, ...warnings, ...sources, '-o', 'main'];
      await execute('gcc', args, { cwd: directory });
      const output = await execute(join(directory, 'main'), []);
      const expected = modules.map((module, m) =>
        Array.from(evaluateGraph(mainGraph(module), feed[m] ?? []).outputs[0] ?? [], Number),
      );
      const [first = [], second = []] = expected;
      const bytes = Array.from(output, (byte) => (byte << 24) >> 24);
      expect(bytes).to.deep.equal([...first, ...second, ...first]);
    }));
});

describe('Makefile', () => {
  // Names that the firmware or C uses itself.
  const rows = [
    { target: 'host', name: 'kws' },
    { target: 'host', name: 'model' },
    { target: 'host', name: 'main' },
    { target: 'host', name: 'stdint' },
    { target: 'rp2040', name: 'kws' },
    { target: 'rp2040', name: 'string' },
  ];
  for (const { target, name } of rows) {
    it(`builds ${name} for ${target}, without a warning`, function () {
      needs(this, loadTarget(target).compiler);
      return inTemporaryDirectory(async (directory) => {
        writeAll(directory, classifier(name), target);
        await execute('make', ['-j2', 'WARNINGS=-Wall -Wextra -Wconversion -Werror'], {
          cwd: directory,
        });
        const { images } = loadTarget(target);
        const made = images
          .filter((image) => image !== 'uf2')
          .map((image) => `build/${name}.${image}`);
        await execute('ls', made, { cwd: directory });
      });
    });
  }
});
