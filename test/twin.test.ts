/** What `verify --target` runs on this machine: the plan of each target, with the C of its kernels. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { buildProject, findImage } from '../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../src/boards/build/project.js';
import { measure } from '../src/boards/profile/measure.js';
import { seededVectors } from '../src/boards/profile/seeded-vectors.js';
import { emitTwin } from '../src/boards/project/emit.js';
import { loadTarget } from '../src/boards/target/index.js';
import { compile } from '../src/pipeline.js';
import { defaults } from './support/plan.js';

const path = fileURLToPath(new URL('../examples/activity/activity.tflite', import.meta.url));

describe("a target's kernels on this machine, under sanitizers", function () {
  this.timeout(120_000);
  const rows = [
    { target: 'rp2040', isa: 'thumb1', cores: 2, files: ['activity_weights.c'] },
    { target: 'stm32f405', isa: 'dsp', cores: 1, files: [] },
    { target: 'mps3-an547', isa: 'mve', cores: 1, files: [] },
  ];
  for (const { target: name, isa, cores, files } of rows) {
    it(`${name}: ${isa}${cores > 1 ? ', on two cores' : ''}`, async () => {
      const bytes = await readFile(path);
      // With weights as code, where the board has kernels of that kind.
      const options = { ...defaults, optimize: 'speed', ...(cores > 1 ? { cores } : {}) } as const;
      const request = { bytes, path, target: loadTarget(name), options };
      const compilation = compile(request);
      const { plan, module } = compilation;
      const { target, emission } = emitTwin(module, compilation, request.target);
      expect(emission.manifest.plan).to.equal(plan);
      expect(plan.steps.some(({ kernel }) => kernel.startsWith(isa))).to.equal(true);
      const names = [...emission.files.keys()].filter((file) => /_weights/.test(file));
      expect(names, 'weights as code are C').to.deep.equal(files);
      const directory = mkdtempSync(join(tmpdir(), 'bonsaic-twin-'));
      try {
        writeProject(directory, new Map([...emission.files, ...firmwareFiles(target, cores)]));
        const { manifest } = emission;
        const built = await buildProject(directory, { target, manifest, sanitize: true });
        const { verify } = await measure({
          ...{ manifest, module, target, port: 'sim', image: findImage(built), xip: 'ideal' },
          vectors: seededVectors(plan, module),
        });
        expect(verify).to.include({ vectors: 4, mismatches: 0 });
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
