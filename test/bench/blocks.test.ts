import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { execute } from '../../bench/qemu/blocks.js';
import { buildProject } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { qemuCommand } from '../../src/boards/device/qemu.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { compile } from '../../src/pipeline.js';
import { needs } from '../support/skip.js';

describe('bench: instructions that ran', () => {
  it('are as many as the firmware counts, in the run and in all its steps', async function () {
    needs(this, qemuCommand);
    needs(this, 'gcc');
    const target = loadTarget('stm32f405');
    const path = 'examples/activity/activity.tflite';
    const { module, plan, emission } = compile({
      bytes: readFileSync(path),
      path,
      target,
      options: {
        optimize: 'balanced',
        rounding: 'tflm',
        faithful: false,
        keepInput: false,
        xip: 'model',
      },
    });
    const { manifest } = emission;
    const directory = mkdtempSync(join(tmpdir(), 'bonsaic-blocks-'));
    try {
      const project = join(directory, 'project');
      writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
      const { elf } = await buildProject(project, { target, manifest });
      const [vector] = seededVectors(plan, module);
      const { run, steps, count } = await execute(elf, target, manifest, vector?.inputs ?? []);
      const total = (instructions: typeof run) =>
        instructions.reduce((sum, { runs }) => sum + runs, 0);
      // Calibration runs an empty function, whose return is taken off as a reading's cost is.
      expect(total(run)).to.equal(count + 1);
      expect(steps).to.have.length(plan.steps.length);
      const ofSteps = steps.reduce((sum, step) => sum + total(step), 0);
      expect(ofSteps).to.be.within(count, count + 20 * plan.steps.length);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
