/** The tests of every operator: golden values of the runtimes, C against `evaluate`, refusals. */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  type Attrs,
  allocate,
  type DType,
  elementCount,
  type Module,
  mainGraph,
  type Node,
  type Quant,
  type Shape,
  type TensorData,
  tensorOf,
} from '../../src/compiler/ir/graph.js';
import { typesOf } from '../../src/compiler/ir/op.js';
import { kernelsOf } from '../../src/compiler/kernels/index.js';
import { evaluateGraph } from '../../src/compiler/ops/evaluate.js';
import { BonsaiError, type ErrorCode } from '../../src/errors.js';
import { goldenPath, readGolden } from './golden.js';
import { GraphBuilder, indicesBelow, perChannelQuant, perTensorQuant, Random } from './module.js';
import { expectSameBits, expectSameBitsOfAll } from './native.js';
import {
  type Closeness,
  describeTensor,
  expectClose,
  expectedOf,
  expectRuntimes,
  type Rounding,
  type RuntimeAnswers,
  runtimeAnswers,
} from './runtime-rows.js';

export interface OperandCase {
  readonly shape: Shape;
  /** null for a type that is not quantized. */
  readonly quant?: Quant | null;
  /** Elements of a constant; absent for an input of the model. */
  readonly data?: TensorData;
  /** By default that of `data`, else int8. */
  readonly dtype?: DType;
  /** Elements of an int32 or int16 input are from 0 to this, exclusive. */
  readonly below?: number;
}

/** One node. */
export interface OperatorCase {
  /** The case that the row covers: 'stride 2 SAME, odd input'. */
  readonly edge: string;
  /** null: an optional operand that is absent. */
  readonly inputs: readonly (OperandCase | null)[];
  readonly attrs?: Attrs;
  /** Quantization of all outputs, null for a type without; by default that of input 0. */
  readonly quant?: Quant | null;
  /** Shapes of outputs that the attributes do not determine. */
  readonly shapes?: readonly Shape[];
  readonly outputs?: number;
  /** Type of all outputs; by default that of input 0. */
  readonly dtype?: DType;
  /** Types of the outputs, if these differ. */
  readonly dtypes?: readonly DType[];
}

export interface Refusal extends OperatorCase {
  readonly code: ErrorCode;
  readonly message: RegExp;
}

export interface OperatorTests extends Closeness {
  readonly op: string;
  /** Name of the golden file; by default that of the operator. */
  readonly golden?: string;
  /**
   * Nodes whose golden rows the reference runtimes compute: `UPDATE_GOLDEN=1` runs them anew and
   * writes test/golden/ops/<op>.json. Absent: the rows were made by hand.
   */
  readonly cases?: readonly OperatorCase[];
  /** Runtimes whose bits are undefined for a node of these attributes. */
  readonly differs?: (attrs: Attrs) => readonly Rounding[];
  /** Random nodes whose C is compared with `evaluate`, in addition to the golden ones. */
  readonly random?: (random: Random) => Omit<OperatorCase, 'edge'>;
  readonly refused?: readonly Refusal[];
  /** Takes the nodes, to compile those of several operators at once. Default: the C of each alone. */
  readonly together?: (modules: () => readonly Module[]) => void;
}

interface GoldenTensor {
  readonly shape: Shape;
  /** Absent for integers that are no quantized values. */
  readonly scale?: number;
  readonly zeroPoint?: number;
  /** Whether its values are part of the model. */
  readonly constant?: boolean;
  /** One scale per index along `axis`, instead of `scale`. */
  readonly scales?: readonly number[];
  readonly axis?: number;
  /** Default: int8. */
  readonly dtype?: DType;
}

/** JSON has no infinity, NaN and −0: these are strings. */
type GoldenNumber = number | string;

const inJson = (_: string, value: unknown) => {
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
};

/** test/golden/ops/<op>.json: the outputs of the interpreters of TFLM and desktop TFLite. */
interface GoldenRow {
  readonly edge: string;
  readonly inputs: readonly (GoldenTensor | null)[];
  readonly outputs: readonly GoldenTensor[];
  /** Values of each input; null for an absent one. */
  readonly values: readonly (readonly GoldenNumber[] | null)[];
  readonly expected: readonly {
    readonly runtimes: readonly ('tflm' | 'tflite-portable')[];
    readonly attrs: Attrs;
    readonly outputs: readonly (readonly GoldenNumber[])[];
  }[];
}

function goldenRows(op: string): readonly GoldenRow[] {
  return JSON.parse(readGolden(`ops/${op}.json`)) as GoldenRow[];
}

/** A model of one node. */
export function moduleOf(op: string, given: OperatorCase): Module {
  const builder = new GraphBuilder();
  const inputs = given.inputs.map((operand, i) => {
    if (operand === null) return null;
    const { shape, quant, data, dtype, below } = operand;
    const name = below === undefined ? undefined : `input_${i} of ${indicesBelow(below)}`;
    return data === undefined
      ? builder.input(shape, quant, name, dtype)
      : builder.constant(data, shape, quant === undefined ? perTensorQuant(0.5, 3) : quant, dtype);
  });
  const { edge, quant, shapes, outputs, dtype, dtypes } = given;
  const options = {
    name: edge,
    ...(quant === undefined ? {} : { quant }),
    ...(shapes === undefined ? {} : { shapes }),
    ...(outputs === undefined ? {} : { outputs }),
    ...(dtype === undefined ? {} : { dtype }),
    ...(dtypes === undefined ? {} : { dtypes }),
  };
  return builder.module(builder.nodeAll(op, inputs, given.attrs ?? {}, options));
}

function goldenOperand(
  tensor: GoldenTensor | null,
  values: readonly GoldenNumber[],
): OperandCase | null {
  if (tensor === null) return null;
  const { shape, scale, zeroPoint, constant = false, scales, axis, dtype = 'int8' } = tensor;
  const isPerChannel = scales !== undefined && axis !== undefined;
  return {
    shape,
    dtype,
    quant: scale === undefined ? null : perTensorQuant(scale, zeroPoint ?? 0),
    ...(isPerChannel ? { quant: perChannelQuant(scales, axis) } : {}),
    ...(constant ? { data: elementsOf(dtype, values) } : {}),
  };
}

/** Golden values as elements of their type; int64 comes as numbers. */
function elementsOf(dtype: DType, values: readonly GoldenNumber[]): TensorData {
  const data = allocate(dtype, values.length);
  values.forEach((value, i) => {
    data[i] = (dtype === 'int64' ? BigInt(value) : Number(value)) as never;
  });
  return data;
}

function goldenModule(op: string, row: GoldenRow, attrs: Attrs): Module {
  const [output] = row.outputs;
  return moduleOf(op, {
    edge: row.edge,
    inputs: row.inputs.map((tensor, i) => goldenOperand(tensor, row.values[i] ?? [])),
    attrs,
    quant: output?.scale === undefined ? null : perTensorQuant(output.scale, output.zeroPoint ?? 0),
    dtypes: row.outputs.map(({ dtype = 'int8' }) => dtype),
    shapes: row.outputs.map(({ shape }) => shape),
  });
}

/** The nodes of a golden file, with the attributes of each runtime that answered. */
export function goldenModules(op: string, golden = op): readonly Module[] {
  return goldenRows(golden).flatMap((row) =>
    row.expected.map(({ attrs }) => goldenModule(op, row, attrs)),
  );
}

const seeds = Array.from({ length: 24 }, (_, seed) => seed + 1);

/** Operators whose golden rows are written anew, with the interpreters started once for all. */
const updated: OperatorTests[] = [];

/** Runs the cases of all operators in the reference runtimes and writes their rows. */
function updateGolden(context: Mocha.Context): void {
  const modules = updated.flatMap(({ op, cases = [] }) => cases.map((one) => moduleOf(op, one)));
  const answers = runtimeAnswers(context, modules);
  let first = 0;
  for (const tests of updated) {
    const count = tests.cases?.length ?? 0;
    const rows = Array.from({ length: count }, (_, i) =>
      goldenRow(tests, i, modules[first + i] as Module, answers[first + i] as RuntimeAnswers),
    );
    first += count;
    const { golden = tests.op } = tests;
    writeFileSync(goldenPath(`ops/${golden}.json`), JSON.stringify(rows, inJson));
  }
  const paths = updated.map(({ op, golden = op }) => goldenPath(`ops/${golden}.json`));
  execFileSync('npx', ['biome', 'format', '--write', ...paths], { stdio: 'ignore' });
}

function goldenRow(tests: OperatorTests, index: number, module: Module, answered: RuntimeAnswers) {
  const { cases = [], differs = () => [] } = tests;
  const { edge } = cases[index] as OperatorCase;
  const answers = answered.answers.filter(
    ({ rounding, attrs }) => !differs(attrs).includes(rounding),
  );
  const graph = mainGraph(module);
  const node = graph.nodes[0] as Node;
  const tensors = node.inputs.map((id) => (id === null ? null : tensorOf(graph, id)));
  let fed = 0;
  return {
    edge,
    inputs: node.inputs.map((id) => (id === null ? null : describeTensor(graph, id))),
    outputs: node.outputs.map((id) => describeTensor(graph, id)),
    values: tensors.map((t) => t && Array.from(t.data ?? answered.inputs[fed++] ?? [], Number)),
    expected: expectedOf(answers, edge),
  };
}

export function testOperator(tests: OperatorTests): void {
  const { op, golden = op, cases, random, refused = [], together } = tests;
  if (process.env.UPDATE_GOLDEN === '1' && cases !== undefined) {
    if (updated.push(tests) > 1) return;
    it('golden rows of the runtimes', function () {
      updateGolden(this);
    });
    return;
  }
  describe(`operator ${golden}`, () => {
    const rows = goldenRows(golden);
    if (cases !== undefined) {
      it('has a golden row of each case', () => {
        const edges = cases.map(({ edge }) => edge);
        expect(rows.map(({ edge }) => edge)).to.deep.equal(edges);
      });
      it('gives the bits of the interpreters for random nodes', function () {
        const modules = [...randomModules(), ...cases.map((one) => moduleOf(op, one))];
        expectRuntimes(this, modules, tests.differs, tests);
      });
    }
    for (const row of rows) {
      for (const { runtimes, attrs, outputs } of row.expected) {
        it(`gives the bits of ${runtimes.join(' and ')}: ${row.edge}`, () => {
          const [graph] = goldenModule(op, row, attrs).graphs;
          if (graph === undefined) throw new Error('a module has a graph');
          const inputs = row.inputs.flatMap((tensor, i) => {
            const values = row.values[i];
            if (tensor === null || tensor.constant !== undefined || values == null) return [];
            return [elementsOf(tensor.dtype ?? 'int8', values)];
          });
          const evaluation = evaluateGraph(graph, inputs);
          outputs.forEach((values, i) => {
            const wanted = elementsOf(row.outputs[i]?.dtype ?? 'int8', values);
            expectClose(evaluation.outputs[i] as TensorData, wanted, tests, row.edge);
          });
          expect(graph.outputs.map((id) => graph.tensors[id]?.shape)).to.deep.equal(
            row.outputs.map(({ shape }) => shape),
          );
        });
      }
    }

    function randomModules(): readonly Module[] {
      if (random === undefined) return [];
      return seeds.map((seed) =>
        moduleOf(op, { edge: `random, seed ${seed}`, ...random(new Random(seed)) }),
      );
    }
    const modules = () => [...goldenModules(op, golden), ...randomModules()];
    if (together === undefined) compareC(op, modules);
    else together(modules);
    for (const refusal of refused) {
      it(`refuses ${refusal.edge}`, () => {
        try {
          moduleOf(op, refusal);
        } catch (error) {
          expect(error).to.be.instanceOf(BonsaiError);
          const { code, message, where, hint } = error as BonsaiError;
          expect(code, message).to.equal(refusal.code);
          expect(message).to.match(refusal.message);
          expect(where).to.include(refusal.edge);
          expect(hint).to.not.equal('');
          return;
        }
        throw new Error('was accepted');
      });
    }
  });
}

/** Compiled C and `evaluate`, with each kernel. */
function compareC(op: string, modules: () => readonly Module[]): void {
  it('in C gives the bits of evaluate, a kernel for each shape', () =>
    expectSameBits(modules(), { optimize: 'speed' }));
  // A simple plan takes the first kernel without needs that knows the types. Weights as code run on
  // boards only; other kernels have equivalent C for instructions that a machine lacks.
  const variants = kernelsOf({ op }).variants.filter((variant, i, all) => {
    const known = all
      .slice(0, i)
      .filter(({ needs }) => needs.length === 0)
      .flatMap(typesOf);
    const isOther =
      variant.needs.length > 0 || typesOf(variant).some((type) => known.includes(type));
    return isOther && !variant.template.startsWith('thumb1/');
  });
  const others = variants.map(({ template }) => ({ kernel: template, overlap: true }));
  const name = ['', ...others.map(({ kernel }) => kernel)].join(', ');
  it(`in C gives the bits of evaluate, kernels shared, also in the memory of an input${name}`, () => {
    const all = modules();
    const rows = [{}, { overlap: true }, ...others];
    return expectSameBitsOfAll(rows.map((options) => ({ modules: all, options })));
  });
}

/** A shape of `rank` extents from 1 to `largest`. */
export function randomShape(random: Random, rank: number, largest = 5): Shape {
  return Array.from({ length: rank }, () => random.integer(1, largest));
}

/** Any zero point, and a scale from 2^-10 to 2. */
export function randomQuant(random: Random): Quant {
  return perTensorQuant(2 ** (random.integer(-1000, 100) / 100), random.integer(-128, 127));
}

/** Two operands that broadcast, one of them sometimes constant. */
export function randomPair(random: Random): { readonly inputs: readonly OperandCase[] } {
  const shape = randomShape(random, random.integer(1, 4));
  const other = shape.map((extent) => (random.integer(0, 3) === 0 ? 1 : extent));
  const shapes = random.integer(0, 1) === 0 ? [shape, other] : [other, shape];
  const constant = random.integer(0, 5);
  return {
    inputs: shapes.map((own, i) => ({
      shape: own,
      quant: randomQuant(random),
      ...(i === constant ? { data: random.int8(elementCount(own)) } : {}),
    })),
  };
}
