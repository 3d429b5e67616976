/** RAM and flash of the firmware around a model, added up by hand. */
import { expect } from 'chai';
import type { FirmwareMemory, TargetTraits } from '../../src/compiler/ir/op.js';
import { budgetForModel, mostMemory } from '../../src/compiler/plan/choose/firmware.js';
import type { CompileOptions, Plan } from '../../src/compiler/plan/types.js';

const firmware = { codeBytes: 7000, staticBytes: 1000, stackBytes: 500 } as FirmwareMemory;
const measured = { firmware } as TargetTraits;
const unmeasured = {} as TargetTraits;
/** Two steps that write three tensors, two copies in RAM. */
const plan = (cores?: number) =>
  ({
    options: cores === undefined ? {} : { cores },
    decision: { imageBytes: 20000.5 },
    steps: [
      { writes: [1, 2], regions: ['sram', 'flash'] },
      { writes: [3], regions: ['sram'] },
    ],
    arenaBytes: 4000,
    stateBytes: 300,
  }) as unknown as Plan;

describe('plan: memory of the firmware', () => {
  const own = 1000 + 500 + 32 + 2 * 8 + 3 * 4;
  const model = 4000 + 300 + 90 + 2 * 4;
  const rows: [
    edge: string,
    target: TargetTraits,
    cores: number | undefined,
    ram: number | null,
  ][] = [
    ['one core', measured, undefined, own + model],
    ['two cores', measured, 2, own + model + 1536],
    ['a board that was not measured', unmeasured, 2, null],
  ];
  for (const [edge, target, cores, ramBytes] of rows) {
    it(`what an image takes at most: ${edge}`, () => {
      const flashBytes = 20001 + (target === measured ? 7000 : 0);
      expect(mostMemory(plan(cores), target, 90)).to.deep.equal({ flashBytes, ramBytes });
    });
  }

  const budgets: [edge: string, target: TargetTraits, options: object, bytes: number][] = [
    ['what is measured, for five steps', measured, {}, 10000 - 1532 - 5 * 12],
    ['on two cores', measured, { cores: 2 }, 10000 - 1532 - 5 * 12 - 1536],
    ['an allowance', unmeasured, {}, 10000 - 77],
  ];
  for (const [edge, target, options, bytes] of budgets) {
    it(`a budget leaves RAM to the model: less ${edge}`, () => {
      const asked = { maxRam: 10000, ...options } as CompileOptions;
      expect(budgetForModel(target, asked, 5, 77)).to.equal(bytes);
    });
  }

  it('without a budget all of it', () => {
    expect(budgetForModel(measured, {} as CompileOptions, 5, 77)).to.equal(Infinity);
  });
});
