import { expect } from 'chai';
import type { Graph, TensorId } from '../../src/compiler/ir/graph.js';
import {
  activationQuant,
  activationQuants,
  separated,
  type TensorTypes,
} from '../../src/compress/quantize/scheme.js';
import { type TypeOptions, withTypes } from '../../src/compress/quantize/types.js';
import { BonsaiError } from '../../src/errors.js';
import { FloatNetwork } from '../support/float-network.js';

describe('types of activations', () => {
  const wide = { activations: 'int16' } as const;
  const narrow = { activations: 'int8' } as const;
  const only = (...names: readonly string[]): TypeOptions => {
    return { ...narrow, layers: Object.fromEntries(names.map((name) => [name, wide])) };
  };
  const image = () => new FloatNetwork([8, 8, 2]);
  const chain = () => image().conv(4).maxPool().conv(5).dense(3, 'none').softmax();
  const joined = (op: string, attrs: object) => {
    const network = image().conv(3, 3, 1, 'none');
    const before = network.last;
    return network.conv(3).add(op, [before], { ...attrs, activation: 'none' });
  };

  /** 'x conv2d 16 quantize 8': what each node makes, behind the type of the input. */
  function textOf(graph: Graph, types: TensorTypes): string {
    const bits = (id: TensorId | undefined) => types.get(id ?? -1)?.slice(3);
    const nodes = graph.nodes.map(({ op, outputs: [id] }) => `${op} ${bits(id)}`);
    return [bits(graph.inputs[0]), ...nodes].join(' ');
  }

  const rows: readonly (readonly [string, FloatNetwork, TypeOptions, string])[] = [
    [
      'all int8 without an option',
      chain(),
      narrow,
      '8 conv2d 8 max_pool2d 8 conv2d 8 reshape 8 fully_connected 8 softmax 8',
    ],
    [
      'all int16: no conversion',
      chain(),
      wide,
      '16 conv2d 16 max_pool2d 16 conv2d 16 reshape 16 fully_connected 16 softmax 16',
    ],
    [
      'the first layer: the input is int16, and maxima of int16 are converted',
      chain(),
      only('conv2d_0'),
      '16 conv2d 16 max_pool2d 16 quantize 8 conv2d 8 reshape 8 fully_connected 8 softmax 8',
    ],
    [
      'a layer between others: one conversion on each side',
      chain(),
      only('conv2d_2'),
      '8 conv2d 8 max_pool2d 8 quantize 16 conv2d 16 reshape 16 quantize 8 fully_connected 8 softmax 8',
    ],
    [
      'neighbours share tensors, also through what copies',
      chain(),
      only('conv2d_0', 'conv2d_2', 'fully_connected_4'),
      '16 conv2d 16 max_pool2d 16 conv2d 16 reshape 16 fully_connected 16 quantize 8 softmax 8',
    ],
    [
      'a named copy is converted before it',
      chain(),
      { ...only('conv2d_0'), layers: { conv2d_0: wide, max_pool2d_1: narrow } },
      '16 conv2d 16 quantize 8 max_pool2d 8 conv2d 8 reshape 8 fully_connected 8 softmax 8',
    ],
    [
      'int8 in an int16 model',
      chain(),
      { ...wide, layers: { fully_connected_4: narrow } },
      '16 conv2d 16 max_pool2d 16 conv2d 16 reshape 16 quantize 8 fully_connected 8 quantize 16 softmax 16',
    ],
    [
      'an input that int8 reads too is int8',
      image().conv(2, 3, 1, 'none').add('add', [0], { activation: 'none' }),
      only('conv2d_0'),
      '8 quantize 16 conv2d 16 quantize 8 add 8',
    ],
    [
      'a concatenation takes the wider type of its parts',
      joined('concatenation', { axis: 3 }),
      only('conv2d_1'),
      '8 conv2d 8 quantize 16 conv2d 16 concatenation 16',
    ],
    [
      'one conversion serves two readers',
      joined('add', {}),
      only('conv2d_1', 'add_2'),
      '8 conv2d 8 quantize 16 conv2d 16 add 16',
    ],
    [
      'an operator that copies and has no int16 kernel stays int8',
      image().conv(4).add('depth_to_space', [], { block: 2 }).conv(3),
      only('conv2d_0', 'conv2d_2'),
      '16 conv2d 16 quantize 8 depth_to_space 8 quantize 16 conv2d 16',
    ],
  ];
  for (const [edge, network, options, wanted] of rows) {
    it(edge, () => {
      const { graph, types } = withTypes(separated(network.graph()), options);
      expect(textOf(graph, types)).to.equal(wanted);
      // Again, and back: conversions of before go.
      const again = withTypes(graph, options);
      expect(textOf(again.graph, again.types)).to.equal(wanted);
      const back = withTypes(graph, narrow);
      expect(back.graph.nodes).to.deep.equal(separated(network.graph()).nodes);
    });
  }

  it('a constant that layers of both types read has both', () => {
    const network = image().conv(3, 3, 1, 'none');
    const shift = network.tensors.push({
      ...(network.tensors[0] as (typeof network.tensors)[number]),
      shape: [1, 1, 1, 3],
      data: Float32Array.of(1, 2, 3),
    });
    for (const op of ['add', 'mul']) network.add(op, [shift - 1], { activation: 'none' });
    const { graph, types } = withTypes(network.graph(), only('mul_2'));
    const [, sum, , product] = graph.nodes;
    const read = [sum, product].map((node) => types.get(node?.inputs[1] ?? -1));
    expect(read).to.deep.equal(['int8', 'int16']);
    expect(sum?.inputs[1]).to.equal(shift - 1);
  });

  const refused: readonly (readonly [string, TypeOptions, RegExp, RegExp])[] = [
    ['of a whole model', wide, /"hard_swish_1"/, /"hard_swish_1": {"activations": "int8"}/],
    ['that is named', only('hard_swish_1'), /"hard_swish_1"/, /leave "activations" out/],
  ];
  for (const [edge, options, where, hint] of refused) {
    it(`an operator without an int16 kernel, ${edge}, is refused by name`, () => {
      const graph = separated(image().conv(2).add('hard_swish', [], {}).graph());
      const found = (() => {
        try {
          withTypes(graph, options);
        } catch (error) {
          return error as BonsaiError;
        }
        return null;
      })();
      expect(found).to.be.instanceOf(BonsaiError);
      expect(found?.exitStatus).to.equal(2);
      expect(found?.where).to.match(where);
      expect(found?.message).to.equal('has no kernel for int16');
      expect(found?.hint).to.match(hint);
    });
  }

  describe('scales', () => {
    const quants = (network: FloatNetwork, options: TypeOptions, range = { min: -3, max: 5 }) => {
      const { graph, types } = withTypes(separated(network.graph()), options);
      const ranges = new Map(graph.tensors.map((_, id) => [id, range]));
      const found = activationQuants(graph, ranges, types);
      return (node: number) => found.get(graph.nodes[node]?.outputs[0] ?? -1);
    };

    it('of int16 are symmetric around 0', () => {
      const quant = activationQuant({ min: -3, max: 2 }, 'int16');
      expect(quant).to.deep.equal({ type: 'int16', scale: Math.fround(3 / 32767), zeroPoint: 0 });
      expect(activationQuant({ min: 0, max: 0 }, 'int16').scale).to.equal(1);
    });

    it('of softmax, logistic and tanh are 2^-15', () => {
      const unit = { type: 'int16', scale: 2 ** -15, zeroPoint: 0 };
      for (const op of ['softmax', 'logistic', 'tanh']) {
        expect(quants(image().add(op, [], { beta: 1 }), wide)(0), op).to.deep.equal(unit);
      }
    });

    it('of int8 that becomes int16: a conversion is a shift', () => {
      const quantOf = quants(chain(), only('conv2d_2'));
      expect(quantOf(2)).to.deep.equal({
        type: 'int16',
        scale: (quantOf(1)?.scale ?? 0) / 128,
        zeroPoint: 0,
      });
    });

    it('of int8 that joins int16: one for all parts', () => {
      const quantOf = quants(joined('concatenation', { axis: 3 }), {
        ...narrow,
        layers: { conv2d_0: wide, concatenation_2: wide },
      });
      const wanted = activationQuant({ min: -3, max: 5 }, 'int16');
      expect([0, 3, 4].map(quantOf)).to.deep.equal([wanted, wanted, wanted]);
    });
  });
});
