/** Weights lie where the plan says: in flash, or in RAM, as arrays and as code. */
import { expect } from 'chai';
import { packageTemplates } from '../../src/boards/project/templates.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { analyse } from '../../src/compiler/analysis/index.js';
import { emitProgram } from '../../src/compiler/codegen/program.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { makePlan } from '../../src/compiler/plan/index.js';
import type { Region } from '../../src/compiler/plan/types.js';
import { NetworkBuilder } from '../support/networks.js';
import { defaults } from '../support/plan.js';

function programOf(template: string, regions: (calls: number) => readonly Region[]) {
  const b = new NetworkBuilder();
  const row = template === 'portable/fully_connected';
  const output = row ? b.dense(b.input([1, 256]), 99) : b.conv2d(b.input([1, 4, 4, 8]), 8);
  const module = b.module([output]);
  const facts = analyse(mainGraph(module));
  const kernels = [[mainGraph(module).nodes[0]?.name ?? '', template]] as const;
  const options = { ...defaults, kernels };
  const { plan, implementations } = makePlan(module, facts, loadTarget('rp2040'), options);
  const steps = plan.steps.map((step) => ({ ...step, regions: regions(step.regions.length) }));
  return emitProgram(module, { plan: { ...plan, steps }, implementations }, packageTemplates());
}

/** 'conv_weights flash' of each array. */
function arraysOf(source: string): readonly string[] {
  const all = source.matchAll(/^static const \w+ (\w+)\[\d+\] BONSAI_(\w+) = /gm);
  return [...all].map(([, name, region]) => `${name?.replace(/^.*?_\d+_/, '')} ${region}`);
}

describe('codegen: where weights lie', () => {
  const all = (region: Region) => (calls: number) => new Array<Region>(calls).fill(region);
  const rows: [edge: string, regions: (calls: number) => readonly Region[], wanted: string[]][] = [
    ['in RAM', all('sram'), ['SRAM', 'SRAM', 'SRAM']],
    ['in flash', all('flash'), ['FLASH', 'FLASH', 'FLASH']],
    ['in both', () => ['sram', 'flash', 'sram'], ['SRAM', 'FLASH', 'SRAM']],
    ['in flash where nothing is said', () => [], ['FLASH', 'FLASH', 'FLASH']],
  ];
  for (const [edge, regions, wanted] of rows) {
    it(`${edge}; biases are in flash`, () => {
      const { source, tables } = programOf('portable/fully_connected', regions);
      const arrays = arraysOf(source);
      const of = (name: string) =>
        arrays.filter((array) => array.includes(name)).map((array) => array.split(' ').at(-1));
      expect(of('weights')).to.deep.equal(wanted);
      expect(new Set(of('stage'))).to.deep.equal(new Set(['FLASH']));
      const places = tables.filter(({ role }) => role === 'weights').map(({ region }) => region);
      expect(places.map((place) => place.toUpperCase())).to.deep.equal(wanted);
      expect(/#define BONSAI_SRAM/.test(source)).to.equal(wanted.includes('SRAM'));
    });
  }

  for (const [region, section] of [
    ['flash', '.text.'],
    ['sram', '.data.bonsai_code.'],
  ] as const) {
    it(`weights as code in ${region} are in ${section}*`, () => {
      const { routines } = programOf('thumb1/conv2d', all(region));
      const sections = [...(routines ?? '').matchAll(/^ *\.section (\.[a-z_.]*\.)/gm)];
      expect(sections).to.not.have.length(0);
      expect(new Set(sections.map(([, name]) => name))).to.deep.equal(new Set([section]));
    });
  }
});
