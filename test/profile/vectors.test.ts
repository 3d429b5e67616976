import { expect } from 'chai';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { earlierOf, readVectors } from '../../src/boards/profile/vectors.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError } from '../../src/errors.js';
import { chainModule, manifestOf } from '../support/fake-board.js';
import { GraphBuilder } from '../support/module.js';
import { simplePlan } from '../support/plan.js';

const module = chainModule(3);
const { plan } = manifestOf(module);

function twoPortPlan() {
  const builder = new GraphBuilder();
  const a = builder.input([1, 2]);
  const b = builder.input([1, 3]);
  const outputs = [a, b].map((id) => builder.node('add', [id, id], { activation: 'none' }));
  return simplePlan(builder.module(outputs)).plan;
}

describe('profile/vectors', () => {
  it('reads pairs and their layers, whatever else the file says', () => {
    const layers = [{ op: 0, tensor: 5, bytes: 3, crc32: 0xffff_ffff }];
    const file = { model: 'x', pairs: [{ input: [-128, 0, 127], output: [1, 2, 3], layers }] };
    expect(readVectors(JSON.stringify(file), 'v.json', plan)).to.deep.equal([
      { inputs: [Int8Array.of(-128, 0, 127)], outputs: [Int8Array.of(1, 2, 3)], layers },
    ]);
  });

  it('reads several inputs and outputs as arrays of arrays, from bytes', () => {
    const pair = {
      input: [
        [1, 2],
        [3, 4, 5],
      ],
      output: [
        [6, 7],
        [8, 9, 10],
      ],
    };
    const bytes = new TextEncoder().encode(JSON.stringify({ pairs: [pair] }));
    const [vector] = readVectors(bytes, 'v.json', twoPortPlan());
    expect(vector?.inputs).to.deep.equal([Int8Array.of(1, 2), Int8Array.of(3, 4, 5)]);
    expect(vector?.outputs).to.deep.equal([Int8Array.of(6, 7), Int8Array.of(8, 9, 10)]);
  });

  it('reads sequences: each begins anew', () => {
    const pair = { input: [1, 2, 3], output: [4, 5, 6] };
    const file = JSON.stringify({ sequences: [[pair, pair], [pair]] });
    const read = readVectors(file, 'v.json', plan);
    expect(read.map(({ continues }) => continues)).to.deep.equal([false, true, false]);
    expect(read[1]?.outputs).to.deep.equal([Int8Array.of(4, 5, 6)]);
    expect([0, 1, 2].map((i) => earlierOf(read, i).length)).to.deep.equal([0, 1, 0]);
  });

  it('splits whole windows into the runs of a model that streams', () => {
    const b = new GraphBuilder();
    const x = b.input([2, 1, 3]);
    const streaming = simplePlan(b.module([b.node('relu', [x])])).plan;
    const stream = { ...streaming, options: { ...streaming.options, stream: { axis: 1, hop: 1 } } };
    const window = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16];
    const file = JSON.stringify({ pairs: [{ input: window, output: [1, 1, 1, 1, 1, 1] }] });
    const [first, second, ...others] = readVectors(file, 'v.json', stream);
    expect(others).to.deep.equal([]);
    expect(first).to.deep.include({ inputs: [Int8Array.of(1, 2, 3, 11, 12, 13)], outputs: [] });
    expect(second?.inputs).to.deep.equal([Int8Array.of(4, 5, 6, 14, 15, 16)]);
    expect(second?.outputs).to.deep.equal([Int8Array.of(1, 1, 1, 1, 1, 1)]);
    expect([first?.continues, second?.continues]).to.deep.equal([false, true]);
    expect(() => readVectors(file, 'v.json', streaming)).to.throw(/has 12 values/);
  });

  const good = { input: [1, 2, 3], output: [1, 2, 3] };
  const rows: [edge: string, text: string, where: RegExp, message: RegExp][] = [
    ['no JSON', '{', /^v\.json$/, /is not JSON/],
    ['no pairs', '{}', /^v\.json$/, /^pairs is /],
    ['no sequence', '{"sequences":[]}', /^v\.json$/, /^sequences is /],
    ['an empty sequence', '{"sequences":[[]]}', /^v\.json$/, /^sequence 0 is /],
    [
      'a pair of a sequence without output',
      JSON.stringify({ sequences: [[good], [good, { input: [1, 2, 3] }]] }),
      /^v\.json$/,
      /^sequence 1, pair 1, output is missing/,
    ],
    [
      'too few values in a sequence',
      JSON.stringify({ sequences: [[good, { ...good, input: [1] }]] }),
      /sequence 0, pair 1, input "input_0"/,
      /has 1 values, the tensor has 3/,
    ],
    [
      'pairs and sequences',
      JSON.stringify({ pairs: [good], sequences: [[good]] }),
      /^v\.json$/,
      /pairs/,
    ],
    ['an empty list', '{"pairs":[]}', /^v\.json$/, /^pairs is /],
    [
      'a pair without output',
      pairs(good, { input: [1, 2, 3] }),
      /^v\.json$/,
      /^pair 1, output is missing/,
    ],
    [
      'a layer without checksum',
      pairs({ ...good, layers: [{ op: 1, tensor: 2, bytes: 3 }] }),
      /^v\.json$/,
      /^pair 0, layers\.0\.crc32 is missing/,
    ],
    [
      'too few values',
      pairs(good, { ...good, input: [1, 2] }),
      /pair 1, input "input_0"/,
      /has 2 values, the tensor has 3 \(\[1, 3\]\)/,
    ],
    [
      'a value beyond int8',
      pairs(good, { ...good, output: [1, 2, 128] }),
      /pair 1, output "third\/out_0"/,
      /element 2 is 128, not an integer from -128 to 127/,
    ],
    ['a fraction', pairs({ ...good, input: [1, 0.5, 2] }), /pair 0, input/, /element 1 is 0\.5/],
    ['a text', pairs({ ...good, input: [1, '2', 2] }), /pair 0, input/, /element 1 is "2"/],
    [
      'two inputs too many',
      pairs({ ...good, input: [[1], [2]] }),
      /pair 0/,
      /has 2 inputs.* has 1/,
    ],
  ];
  for (const [edge, text, where, message] of rows) {
    it(`refuses ${edge}`, () => {
      const error = thrownBy(() => readVectors(text, 'v.json', plan));
      expect(error.code).to.equal('bad-vectors');
      expect(error.where).to.match(where);
      expect(error.message).to.match(message);
      expect(error.hint).not.to.equal('');
    });
  }

  describe('a large file ends at its first wrong pair, before the rest is read', () => {
    const large = 2 ** 21;
    // Nothing after it is JSON.
    const behind = (text: string) => Buffer.from(text.padEnd(large, '!'));
    const right = JSON.stringify(good);
    const rows = [
      ['an array as a pair', '{"pairs":[[],', /^pair 0 is an array/],
      [
        'a pair without output',
        `{"pairs":[${right},{"input":[1,2,3]},`,
        /^pair 1, output is missing/,
      ],
      ['one in a sequence', `{"sequences":[[${right}],[${right},7,`, /^sequence 1, pair 1 /],
      [
        'a pair that does not end',
        `{"pairs":[${right},{"input":[${'1,'.repeat(large)}`,
        /after 1 pairs/,
      ],
      ['what is no pair', `{"type":"${' '.repeat(large)}`, /after 0 pairs/],
      ['JSON that is broken before', `{"pairs":[${right},,`, /^is not JSON/],
    ] as const;
    for (const [edge, text, message] of rows) {
      it(edge, () => {
        const error = thrownBy(() => readVectors(behind(text), 'v.json', plan));
        expect([error.code, error.where]).to.deep.equal(['bad-vectors', 'v.json']);
        expect(error.message).to.match(message);
      });
    }

    it('and is read as a small one where all are right', () => {
      const many = Array.from({ length: large / right.length }, () => good);
      const [expected] = readVectors(pairs(good), 'v.json', plan);
      for (const file of [{ pairs: many }, { sequences: [[good], many] }]) {
        const read = readVectors(Buffer.from(JSON.stringify(file)), 'v.json', plan);
        expect(read.length).to.be.at.least(many.length);
        expect(read.at(-1)?.outputs).to.deep.equal(expected?.outputs);
      }
    });
  });

  it('says that one input is flat, where it is given as rows', () => {
    const rows = pairs({ ...good, input: [[1], [2], [3]] });
    expect(thrownBy(() => readVectors(rows, 'v.json', plan)).hint).to.match(/, flat;/);
  });

  it('refuses one flat array for two inputs, and names them', () => {
    const error = thrownBy(() => readVectors(pairs(good), 'v.json', twoPortPlan()));
    expect(error.message).to.match(/one flat array, the model has 2 inputs/);
    expect(error.hint).to.match(/"input_0", "input_1"/);
  });

  it('seeds 4 vectors, the same every time, over the whole range', () => {
    const large = chainModule(5000);
    const vectors = seededVectors(manifestOf(large).plan, large);
    expect(vectors).to.deep.equal(seededVectors(manifestOf(large).plan, large));
    expect(vectors).to.have.length(4);
    for (const { inputs, outputs } of vectors) {
      const values = new Set(inputs[0] as Int8Array);
      expect(values.size).to.equal(256);
      expect(outputs).to.deep.equal(evaluateGraph(mainGraph(large), inputs).outputs);
    }
  });
});

function pairs(...list: object[]): string {
  return JSON.stringify({ pairs: list });
}

function thrownBy(work: () => unknown): BonsaiError {
  try {
    work();
  } catch (error) {
    if (error instanceof BonsaiError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
