/** --shape: dynamic extents of inputs, and all that follows from them. */
import { expect } from 'chai';
import { type InputShape, importModel } from '../../src/compiler/formats/index.js';
import { mainGraph } from '../../src/compiler/ir/graph.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { type BonsaiError, refusalOf } from '../../src/errors.js';
import { optionsOf } from '../support/options.js';
import {
  addConstant,
  at,
  bytesOf,
  changed,
  dense,
  encodeModel,
  operatorOf,
  type RawModel,
  type RawSubgraph,
  reshape,
  smallModel,
  tensor,
} from './fixture.js';

type Change = (model: RawModel, main: RawSubgraph) => void;

const graphOf = (bytes: Uint8Array, shapes?: readonly InputShape[]) =>
  mainGraph(
    importModel(bytes, {
      ...{ name: 'm', where: 'm.tflite', rounding: 'tflm' },
      ...(shapes === undefined ? {} : { shapes }),
    }),
  );

const refused = (bytes: Uint8Array, ...shapes: InputShape[]): BonsaiError | null =>
  refusalOf(() => graphOf(bytes, shapes.length === 0 ? undefined : shapes));

const shape = (...extents: number[]): InputShape => ({ name: null, shape: extents });

/** Height and width are dynamic, so that the file has 1 in every shape that follows. */
const dynamic: Change = (_, main) => {
  Object.assign(at(main.tensors, 0), { shape: [1, 1, 1, 2], shapeSignature: [1, -1, -1, 2] });
  Object.assign(at(main.tensors, 3), { shape: [1, 1, 1, 3], shapeSignature: [1, -1, -1, 3] });
  Object.assign(at(main.tensors, 5), { shape: [1, 3], shapeSignature: [1, -1] });
};

/** The new shape is [batch, -1], with the batch from the shape of the convolution. */
const computedShape: Change = (model, main) => {
  const computed = (name: string, extents: number[]) =>
    main.tensors.push(tensor(name, 'int32', extents)) - 1;
  const extents = computed('extents', [4]);
  const batch = computed('batch', []);
  const target = computed('target', [2]);
  const [begin, end, stride] = [0, 1, 1].map((value, i) =>
    addConstant(model, main, `slice_${i}`, [1], [value]),
  );
  const rest = addConstant(model, main, 'rest', [], [-1]);
  const arithmetic = [
    { ...operatorOf(model, 'SHAPE'), inputs: [3], outputs: [extents] },
    {
      ...operatorOf(model, 'STRIDED_SLICE', 32, optionsOf('STRIDED_SLICE'), { shrinkAxisMask: 1 }),
      ...{ inputs: [extents, begin, end, stride] as number[], outputs: [batch] },
    },
    {
      ...operatorOf(model, 'PACK', 59, optionsOf('PACK'), { count: 2 }),
      ...{ inputs: [batch, rest], outputs: [target] },
    },
  ];
  at(main.operators, reshape).inputs.splice(1, 1, target);
  main.operators.splice(reshape, 0, ...arithmetic);
};

describe('--shape', () => {
  const given = shape(1, 4, 4, 2);
  const fixed = encodeModel(smallModel());
  const input = Int8Array.from({ length: 32 }, (_, i) => (i * 29) % 251);

  const constantShape: Change = (model) => {
    Object.assign(at(model.buffers, 3), {
      data: bytesOf([1, -1]),
    });
  };
  const rows: readonly (readonly [edge: string, change: Change])[] = [
    ['the new shape of a RESHAPE has -1', constantShape],
    ['the new shape is computed from a shape', computedShape],
  ];
  for (const [edge, change] of rows) {
    it(`gives the model that has these shapes in its file: ${edge}`, () => {
      const bytes = changed((model, main) => {
        change(model, main);
        dynamic(model, main);
      });
      for (const name of [null, 'input']) {
        const made = graphOf(bytes, [{ ...given, name }]);
        const expected = graphOf(fixed);
        expect(made.nodes.map(({ op }) => op)).to.deep.equal(expected.nodes.map(({ op }) => op));
        const shapes = (graph: typeof made) => graph.tensors.map((each) => [each.name, each.shape]);
        expect(shapes(made)).to.have.deep.members(shapes(expected));
        const outputs = [made, expected].map((graph) => evaluateGraph(graph, [input]).outputs);
        expect(outputs[0]).to.deep.equal(outputs[1]);
      }
    });
  }

  it('is not needed where shapes follow from shapes that the file has', () => {
    // The converter writes 1 for extents that a dynamic batch leaves open.
    const batched = changed((model, main) => {
      computedShape(model, main);
      Object.assign(at(main.tensors, 0), { shapeSignature: [-1, 4, 4, 2] });
      const [flat = -1] = main.operators.at(reshape + 3)?.outputs ?? [];
      Object.assign(at(main.tensors, flat), { shape: [1, 1], shapeSignature: [-1, -1] });
    });
    const [made, expected] = [graphOf(batched), graphOf(fixed)];
    expect(made.nodes.map(({ op }) => op)).to.deep.equal(expected.nodes.map(({ op }) => op));
    const outputs = [made, expected].map((graph) => evaluateGraph(graph, [input]).outputs);
    expect(outputs[0]).to.deep.equal(outputs[1]);
  });

  it('is not needed where a tool that pads left the signature of before', () => {
    // TFLM reads shapes alone.
    const padded = changed((model, main) => {
      Object.assign(at(main.tensors, 0), { shape: [1, 2, 2, 2], shapeSignature: [-1, 2, 2, 2] });
      const ring = addConstant(model, main, 'ring', [4, 2], [0, 0, 1, 1, 1, 1, 0, 0]);
      const stale = { shapeSignature: [-1, 2, 2, 2] };
      const wide = main.tensors.push({ ...tensor('wide', 'int8', [1, 4, 4, 2]), ...stale }) - 1;
      at(main.operators, 0).inputs[0] = wide;
      main.operators.unshift({ ...operatorOf(model, 'PAD'), inputs: [0, ring], outputs: [wide] });
    });
    const graph = graphOf(padded);
    expect(graph.tensors.find(({ name }) => name === 'wide')?.shape).to.deep.equal([1, 4, 4, 2]);
  });

  it('is not needed where operators make other batches of a dynamic one', () => {
    // The file has 1 for the batch of SPACE_TO_BATCH_ND's output, which is 4.
    const batched = changed((model, main) => {
      Object.assign(at(main.tensors, 0), { shapeSignature: [-1, 4, 4, 2] });
      const block = addConstant(model, main, 'block', [2], [2, 2]);
      const none = addConstant(model, main, 'none', [2, 2], [0, 0, 0, 0]);
      const open = { shapeSignature: [-1, 2, 2, 2] };
      const apart = main.tensors.push({ ...tensor('apart', 'int8', [1, 2, 2, 2]), ...open }) - 1;
      const back = main.tensors.push(tensor('back', 'int8', [1, 4, 4, 2])) - 1;
      at(main.operators, 0).inputs[0] = back;
      main.operators.unshift(
        { ...operatorOf(model, 'SPACE_TO_BATCH_ND'), inputs: [0, block, none], outputs: [apart] },
        {
          ...operatorOf(model, 'BATCH_TO_SPACE_ND'),
          inputs: [apart, block, none],
          outputs: [back],
        },
      );
    });
    const graph = graphOf(batched);
    expect(graph.tensors.find(({ name }) => name === 'apart')?.shape).to.deep.equal([4, 2, 2, 2]);
    const outputs = [graph, graphOf(fixed)].map((of) => evaluateGraph(of, [input]).outputs);
    expect(outputs[0]).to.deep.equal(outputs[1]);
  });

  it('a layer that does not take what follows is refused as what it is', () => {
    const wrong = changed((model, main) => {
      computedShape(model, main);
      Object.assign(at(main.tensors, 0), { shape: [1, 4, 5, 2] });
    });
    expect(refused(wrong)?.where).to.match(/^operator \d/);
    expect(refused(wrong)?.hint).not.to.include('--shape');
  });

  const bytes = changed((model, main) => {
    constantShape(model, main);
    dynamic(model, main);
  });

  it('a model without it asks for it, with the extents that it has', () => {
    const error = refused(bytes);
    expect([error?.code, error?.where]).to.deep.equal(['bad-shape', 'input tensor 0 "input"']);
    expect(error?.message).to.equal('has the dynamic shape [1, -1, -1, 2]');
    expect(error?.hint).to.include('--shape "input=1,?,?,2"');
  });

  const wrong: readonly (readonly [edge: string, code: string, says: RegExp, InputShape])[] = [
    [
      'too few extents',
      'usage',
      /does not fit the input "input" of \[1, any, any, 2\]/,
      shape(4, 4),
    ],
    ['another fixed extent', 'usage', /\[1, any, any, 2\]/, shape(1, 4, 4, 3)],
    ['no such name', 'usage', /names no input/, { name: 'image', shape: [1, 4, 4, 2] }],
    [
      'a layer that does not take it',
      'bad-shape',
      /operator 2 \(FULLY_CONNECTED\) .*→ give another --shape/,
      shape(1, 4, 5, 2),
    ],
  ];
  for (const [edge, code, says, given] of wrong) {
    it(edge, () => {
      const error = refused(bytes, given);
      expect(error?.code).to.equal(code);
      expect(`${error?.where}: ${error?.message} → ${error?.hint}`).to.match(says);
    });
  }

  it('says which inputs there are where it names none of several', () => {
    const several = changed((_, main) => {
      main.tensors.push(tensor('other', 'int8', [1, 5]));
      main.inputs.push(10);
      Object.assign(at(main.operators, dense), {});
    });
    expect(refused(several, given)?.hint).to.include('"input", "other"');
  });

  it('leaves a model of fixed shapes as it is, and refuses another shape', () => {
    expect(graphOf(fixed, [given])).to.deep.equal(graphOf(fixed));
    expect(refused(fixed, shape(1, 5, 5, 2))?.message).to.match(/of \[1, 4, 4, 2\]/);
  });
});
