/**
 * Real models with golden vectors (../shared, skipped where it is absent): every output and every
 * source operator's checksum, in C under sanitizers and on the simulated board.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { buildProject, findImage } from '../src/boards/build/index.js';
import { firmwareFiles, writeProject } from '../src/boards/build/project.js';
import { measure } from '../src/boards/profile/measure.js';
import { readVectors } from '../src/boards/profile/vectors.js';
import { loadTarget } from '../src/boards/target/index.js';
import { compile } from '../src/pipeline.js';
import { firmwareOnce } from './support/firmware-once.js';
import { needsSimulator, skip } from './support/skip.js';

const shared = fileURLToPath(new URL('../../shared/', import.meta.url));

/** On this machine all vectors are checked, in simulators the first ones: each runs all kernels. */
const simulatedVectors = 2;

const models = ['kws', 'vww', 'ic', 'ad'];
const pruned = ['kws_u80', 'ad_u80'];

/** Simulated boards run all models; one whose core has another's kernels runs one of them. */
const boards = [
  { target: 'host', sanitize: true, only: models },
  { target: 'rp2040', sanitize: false, only: models },
  { target: 'stm32f405', sanitize: false, only: models },
  { target: 'mps2-an385', sanitize: false, only: ['kws'] },
  { target: 'mps2-an500', sanitize: false, only: models },
  { target: 'mps2-an505', sanitize: false, only: ['kws'] },
  { target: 'mps3-an547', sanitize: false, only: models },
  { target: 'esp32c3', sanitize: false, only: [...models, ...pruned] },
  { target: 'lx60', sanitize: false, only: ['kws'] },
];

describe('golden models on boards', () => {
  for (const name of [...models, ...pruned]) {
    for (const { target: targetName, sanitize } of boards.filter(({ only }) =>
      only.includes(name),
    )) {
      it(`${name} on ${targetName}: every layer`, async function () {
        const path = join(shared, 'models', `${name}.tflite`);
        if (!existsSync(path)) skip(this, 'the shared models are not here');
        const target = loadTarget(targetName);
        needsSimulator(this, target);
        const bytes = readFileSync(path);
        const options = {
          optimize: 'balanced',
          rounding: 'tflm',
          faithful: true,
          keepInput: false,
          xip: 'ideal',
        } as const;
        const { module, plan, emission } = compile({ bytes, path, target, options });
        const { manifest } = emission;
        const directory = mkdtempSync(join(tmpdir(), 'bonsaic-boards-'));
        try {
          const project = join(directory, 'project');
          writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
          const built = await buildProject(project, {
            ...{ target, manifest, sanitize, cc: firmwareOnce(target) },
          });
          const golden = join(shared, 'golden', `${name}.json`);
          const all = readVectors(readFileSync(golden), golden, plan);
          const vectors = target.simulator === 'process' ? all : all.slice(0, simulatedVectors);
          const { verify } = await measure({
            manifest,
            module,
            target,
            port: 'sim',
            image: findImage(built),
            xip: 'ideal',
            vectors,
          });
          const layers = vectors.reduce((sum, vector) => sum + vector.layers.length, 0);
          expect(verify).to.deep.equal({
            vectors: vectors.length,
            mismatches: 0,
            firstDivergingLayer: null,
            layersChecked: layers,
          });
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      });
    }
  }
});
