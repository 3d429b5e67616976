/** Models that remember, over sequences on simulated boards: the frame `reset` begins each of them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { unzipSync } from 'fflate';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { measure } from '../../src/boards/profile/measure.js';
import { readVectors } from '../../src/boards/profile/vectors.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { mainGraph, statesOf } from '../../src/compiler/ir/graph.js';
import { evaluateGraph, initialStates } from '../../src/compiler/ops/evaluate.js';
import type { CompileOptions } from '../../src/compiler/plan/types.js';
import { compile } from '../../src/pipeline.js';
import { Random } from '../support/module.js';
import { needsSimulator } from '../support/skip.js';

const archive = unzipSync(
  readFileSync(fileURLToPath(new URL('../corpus/keras.zip', import.meta.url))),
);
const options: CompileOptions = {
  ...{ optimize: 'balanced', rounding: 'tflm', faithful: false, keepInput: false, xip: 'ideal' },
};

describe('sequences on simulated boards', () => {
  for (const targetName of ['rp2040', 'stm32f405']) {
    it(`an LSTM on ${targetName}: exact after each reset, and not without`, async function () {
      const target = loadTarget(targetName);
      needsSimulator(this, target);
      const bytes = archive['lstm_sequences.tflite'] as Uint8Array;
      const { module, plan, emission } = compile({ bytes, path: 'lstm.tflite', target, options });
      const graph = mainGraph(module);
      expect(statesOf(graph)).not.to.be.empty;
      const directory = mkdtempSync(join(tmpdir(), 'bonsaic-sequences-'));
      try {
        const { manifest } = emission;
        const project = join(directory, 'project');
        writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
        const image = findImage(await buildProject(project, { target, manifest }));
        const random = new Random(15);
        const count = plan.inputs[0]?.bytes ?? 0;
        const inputs = Array.from({ length: 6 }, () => random.int8(count, -128, 127));
        /** Vectors with the outputs of runs of which those in `resets` begin with a reset. */
        const vectors = (resets: readonly number[], starts: readonly number[]) => {
          let states = initialStates(graph);
          const pairs = inputs.map((input, i) => {
            if (resets.includes(i)) states = initialStates(graph);
            const { outputs, states: next } = evaluateGraph(graph, [input], states);
            states = next;
            return { input: [...input], output: [...(outputs[0] as Int8Array)] };
          });
          const sequences = starts.map((start, i) => pairs.slice(start, starts[i + 1]));
          return readVectors(Buffer.from(JSON.stringify({ sequences })), 'vectors.json', plan);
        };
        const mismatches = async (...given: Parameters<typeof vectors>) => {
          const run = { manifest, module, target, image, port: 'sim', xip: 'ideal' } as const;
          return (await measure({ ...run, vectors: vectors(...given) })).verify.mismatches;
        };
        expect(await mismatches([0, 3], [0, 3]), 'two sequences of three').to.equal(0);
        expect(await mismatches([0], [0]), 'one of six').to.equal(0);
        // The board resets before the fourth run: its outputs are no continuation.
        expect(await mismatches([0], [0, 3]), 'a reset too many').to.be.above(0);
        expect(await mismatches([0, 3], [0]), 'a reset too few').to.be.above(0);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
