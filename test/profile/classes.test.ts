/** --labels: the class and score of each vector, from the device's outputs. */
import { expect } from 'chai';
import { measureSpread } from '../../src/boards/profile/boards.js';
import { classesOf } from '../../src/boards/profile/classes.js';
import { seededVectors } from '../../src/boards/profile/seeded-vectors.js';
import { openSession } from '../../src/boards/profile/session.js';
import type { VectorPair } from '../../src/boards/profile/vectors.js';
import { verifyOnDevice } from '../../src/boards/profile/verify.js';
import { loadTarget } from '../../src/boards/target/index.js';
import { makeReport } from '../../src/report/index.js';
import { reportText } from '../../src/report/text.js';
import { chainModule, FakeBoard, manifestOf } from '../support/fake-board.js';

const module = chainModule(3);
const manifest = manifestOf(module);
const vectors = seededVectors(manifest.plan, module);
const names = ['no', 'yes', 'maybe'];
const [output] = manifest.plan.outputs;

const measureOn = async (port: string, some: readonly VectorPair[]) => {
  const session = await openSession(new FakeBoard(module, manifest), manifest);
  const result = await verifyOnDevice(session, manifest, module, some, undefined, names);
  return { ...result, device: port, simulation: null, xip: null };
};
const expected = vectors.flatMap(({ outputs }, i) =>
  classesOf(i, outputs, manifest.plan.outputs, names),
);

describe('classes of vectors', () => {
  if (output === undefined) throw new RangeError('the chain has an output');
  const tensor = { ...output, shape: [1, 3], scale: 0.5, zeroPoint: -10 };
  const rows = [
    ['the greatest, in real numbers', [1, 5, -3], ['yes', 7.5]],
    ['of equals the first', [4, 4, 4], ['no', 7]],
    ['all at the least', [-128, -128, -128], ['no', -59]],
    ['of rows the last', [100, 0, 0, 1, 2, 3], ['maybe', 6.5]],
  ] as const;
  for (const [edge, values, [name, score]] of rows) {
    it(edge, () => {
      expect(classesOf(4, [Int8Array.from(values)], [tensor], names)).to.deep.equal([
        { vector: 4, output: tensor.name, class: name, score },
      ]);
    });
  }

  it('none of an output that the names do not fit, and of the others', () => {
    const two = { ...tensor, shape: [1, 2], name: 'two' };
    const values = [Int8Array.of(1, 2), Int8Array.of(3, 2, 1)];
    const found = classesOf(0, values, [two, tensor], names);
    expect(found.map(({ output }) => output)).to.deep.equal([tensor.name]);
    expect(classesOf(0, values, [two, tensor], [])).to.deep.equal([]);
  });

  it('stand in the result and its text, and nothing does without names', async () => {
    const measured = await measureOn('sim', vectors);
    expect(measured.verify.classes).to.deep.equal(expected);
    expect(expected.map(({ vector }) => vector)).to.deep.equal([0, 1, 2, 3]);
    const text = reportText(makeReport({ manifest, target: loadTarget('rp2040'), measured }));
    const [{ class: name = '', score = 0 } = {}] = expected;
    expect(text).to.match(/^class {4}vector 0: \w+ -?[\d.]+, 1: \w+ /m);
    expect(text).to.include(`class    vector 0: ${name} ${Number(score.toPrecision(3))},`);
    const session = await openSession(new FakeBoard(module, manifest), manifest);
    const plain = await verifyOnDevice(session, manifest, module, vectors);
    expect(plain.verify).not.to.have.property('classes');
  });

  it('of boards that share the vectors, in the order of the vectors', async () => {
    const { merged } = await measureSpread({
      ...{ ports: ['a', 'b'], vectors, measureOn, observe: () => {} },
    });
    expect(merged?.verify.classes).to.deep.equal(expected);
  });

  it('of many vectors: the first dozen, and how many more there are', async () => {
    const many = Array.from({ length: 14 }, () => vectors[0] as VectorPair);
    const text = reportText(
      makeReport({
        manifest,
        target: loadTarget('rp2040'),
        measured: await measureOn('sim', many),
      }),
    );
    expect(text).to.match(/ 11: \w+ \S+, and 2 more \(--json\)$/m);
  });
});
