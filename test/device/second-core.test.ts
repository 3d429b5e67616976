import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { openRp2040 } from '../../src/boards/device/rp2040sim.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { emit } from '../../src/boards/project/emit.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { type Module, mainGraph } from '../../src/compiler/ir/graph.js';
import { runPasses } from '../../src/compiler/passes/index.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import { sharedLayer, sharedNetwork, sharedOps } from '../support/halves.js';
import { mergeModules, perTensorQuant } from '../support/module.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';
import { needs } from '../support/skip.js';

/** Its lines, 190 pixels, wait on the stack of each core. */
function longLines(): Module {
  const b = new NetworkBuilder();
  const quant = perTensorQuant(0.5, -128);
  return b.module([b.depthwise(b.input([1, 8, 190, 4], quant), { pad: 1, quant })]);
}

const modules = [1, 2]
  .map(sharedNetwork)
  .concat(sharedOps.flatMap((op) => [1, 2].map((seed) => sharedLayer(op, seed))))
  .concat(longLines());

describe('the second core of the simulated RP2040', () => {
  let directory = '';
  before(function () {
    needs(this, 'arm-none-eabi-gcc');
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-cores-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('halves most of the time, with the same bits; without it one core computes both', async () => {
    const target = loadTarget('rp2040');
    const module = runPasses(mergeModules(modules), { faithful: false });
    const facts = analyse(mainGraph(module));
    const planned = makePlan(module, facts, target, { ...defaults, faithful: false, cores: 2 });
    const { plan } = planned;
    const shared = plan.steps.filter(({ cores }) => cores > 1);
    expect(shared).to.have.lengthOf.above(6);
    expect(shared.at(-1)?.kernel).to.equal('thumb1/depthwise_conv2d');
    const { files, manifest } = emit(module, planned, target);
    writeProject(directory, new Map([...files, ...firmwareFiles(target, 2)]));
    const image = readFileSync(findImage(await buildProject(directory, { target, manifest })));
    const cyclesOn = async (cores: number) => {
      const options = { name: 'sim', link: 'uart', xip: 'model', cores } as const;
      const device = await openRp2040(image, options);
      try {
        const session = await openSession(device, manifest);
        const vectors = seededVectors(plan, module);
        const { verify, layerCounts } = await verifyOnDevice(session, manifest, module, vectors);
        expect(verify).to.include({ mismatches: 0, firstDivergingLayer: null });
        return shared.reduce((sum, { index }) => sum + (layerCounts[index] ?? 0), 0);
      } finally {
        await device.close();
      }
    };
    const alone = await cyclesOn(1);
    expect(await cyclesOn(2)).to.be.within(alone * 0.5, alone * 0.65);
  });
});
