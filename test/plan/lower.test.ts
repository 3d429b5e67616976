/** Calls of kernels: which share a function, and which constants they share. */
import { expect } from 'chai';
import type { Optimize, TargetTraits } from '../../src/compiler/ir/op.js';
import { callBytes, functionKey, withoutShared } from '../../src/compiler/kernels/calls.js';
import type { KernelCall, Routine, Table } from '../../src/compiler/kernels/variant.js';
import { kernelContext } from '../../src/compiler/plan/schedule/lower.js';
import { noFacts } from '../support/plan.js';

const call: KernelCall = { inputs: [0], outputs: [0], flags: {}, numbers: {}, tables: {} };
const weights = (...values: readonly number[]): Table => ({
  ...{ role: 'weights', data: Int8Array.from(values) },
});
const routine = (text: string, bytes = 2): Routine => ({
  ...{ isa: 'thumb', text: (symbol) => `${symbol}: ${text}`, bytes },
  twin: () => ({
    kind: 'pixels',
    words: new Int32Array(),
    second: null,
    weights: new Int8Array(),
    stages: [],
  }),
});

describe('plan: bytes of a call', () => {
  it('weights are arrays and code, all other constants are tables', () => {
    const tables = {
      ...{ a: weights(1, 2, 3), b: weights(4) },
      stage: { role: 'table', data: new Int32Array(5) },
      lookup: { role: 'table', data: new Int8Array(6) },
    } as const;
    const routines = { pair: routine('', 100), rest: routine('', 20) };
    expect(callBytes({ ...call, tables, routines })).to.deep.equal({ weights: 124, tables: 26 });
    expect(callBytes({ ...call, tables })).to.deep.equal({ weights: 4, tables: 26 });
    expect(callBytes({ ...call, routines })).to.deep.equal({ weights: 120, tables: 0 });
    expect(callBytes(call)).to.deep.equal({ weights: 0, tables: 0 });
  });
});

describe('plan: constants of a second half that are not those of the first', () => {
  const rows: [
    edge: string,
    own: Record<string, Table>,
    first: Record<string, Table>,
    left: string[],
  ][] = [
    ['the same', { a: weights(1, 2) }, { a: weights(1, 2) }, []],
    ['another value', { a: weights(1, 2) }, { a: weights(1, 3) }, ['a']],
    ['more values', { a: weights(1, 2) }, { a: weights(1) }, ['a']],
    ['the same under another name', { a: weights(1, 2) }, { b: weights(1, 2) }, ['a']],
    ['one of two', { a: weights(1, 2), b: weights(3) }, { a: weights(1, 2), b: weights(4) }, ['b']],
  ];
  for (const [edge, own, first, left] of rows) {
    it(`arrays: ${edge}`, () => {
      const { tables } = withoutShared({ ...call, tables: own }, { ...call, tables: first });
      expect(Object.keys(tables)).to.deep.equal(left);
    });
  }

  const codes: [edge: string, first: Record<string, Routine> | undefined, left: string[]][] = [
    ['the same', { pair: routine('adds'), rest: routine('subs') }, []],
    ['another text', { pair: routine('adds'), rest: routine('muls') }, ['rest']],
    ['the same under another name', { other: routine('adds'), rest: routine('subs') }, ['pair']],
    ['none', undefined, ['pair', 'rest']],
  ];
  for (const [edge, first, left] of codes) {
    it(`code: ${edge}`, () => {
      const own = { ...call, routines: { pair: routine('adds'), rest: routine('subs') } };
      const other = first === undefined ? call : { ...call, routines: first };
      expect(Object.keys(withoutShared(own, other).routines ?? {})).to.deep.equal(left);
    });
  }

  it('keep all else of the call', () => {
    const own = { ...call, numbers: { depth: 4 }, outputBytes: 8, tables: { a: weights(1) } };
    const left = withoutShared(own, own);
    expect(left).to.deep.equal({ ...own, tables: {}, routines: {} });
  });
});

describe('plan: calls of one function', () => {
  const one = { ...call, flags: { few: true, wide: false }, numbers: { depth: 4, rows: 1 } };
  const rows: [edge: string, other: Partial<KernelCall>, goals: Optimize[]][] = [
    ['the same', {}, ['speed', 'balanced', 'size']],
    [
      'flags in another order',
      { flags: { wide: false, few: true } },
      ['speed', 'balanced', 'size'],
    ],
    ['numbers in another order', { numbers: { rows: 1, depth: 4 } }, ['speed', 'balanced', 'size']],
    ['other numbers: not for speed', { numbers: { depth: 5, rows: 1 } }, ['balanced', 'size']],
    ['other flags', { flags: { few: false, wide: false } }, []],
    ['other tables', { tables: { a: weights(1) } }, ['speed', 'balanced', 'size']],
  ];
  for (const [edge, other, goals] of rows) {
    it(edge, () => {
      const all: readonly Optimize[] = ['speed', 'balanced', 'size'];
      const isSame = (goal: Optimize) =>
        functionKey('a/b', one, goal) === functionKey('a/b', { ...one, ...other }, goal);
      expect(all.filter(isSame)).to.deep.equal(goals);
    });
  }

  it('are of one template', () => {
    expect(functionKey('a/b', one, 'size')).to.not.equal(functionKey('a/c', one, 'size'));
  });
});

describe('plan: what kernels know of flash', () => {
  const regions = {
    flash: { cacheBytes: 1024, lineBytes: 8, missCycles: 1 },
    sram: { reservedBytes: 0 },
  };
  const flat: TargetTraits = {
    ...{ name: 'test', features: new Set(), costs: {}, costUnit: 'cycles' },
    ...{ flashBytes: null, ramBytes: null },
  };
  const rows: [edge: string, target: TargetTraits, xip: 'model' | 'ideal', known: TargetTraits][] =
    [
      ['its cache', { ...flat, regions }, 'model', { ...flat, regions }],
      ['none where flash is ideal', { ...flat, regions }, 'ideal', flat],
      ['none where the target has none', flat, 'model', flat],
    ];
  for (const [edge, target, xip, known] of rows) {
    it(edge, () => {
      const context = kernelContext(noFacts, target, { optimize: 'size', xip });
      expect(context).to.deep.equal({ facts: noFacts, target: known, optimize: 'size' });
    });
  }
});
