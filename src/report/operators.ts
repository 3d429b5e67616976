/** The operators that bonsaic compiles: from the importer's table, the operators' types and the kernels. */
import { controlFlowOperators } from '../compiler/formats/tflite/control-flow.js';
import { foldedOperators } from '../compiler/formats/tflite/folded.js';
import { rows } from '../compiler/formats/tflite/ops.js';
import { variableOperators } from '../compiler/formats/tflite/variables.js';
import { arenaTypes, type DType } from '../compiler/ir/dtypes.js';
import { typesOf } from '../compiler/ir/op.js';
import { kernelsOf } from '../compiler/kernels/index.js';
import { opOf } from '../compiler/ops/index.js';

/** An operator of a model format. */
export interface SupportedOperator {
  /** Its name in TFLite: 'CONV_2D'. */
  readonly tflite: string;
  /** The operator of the IR; null for those that become states, constants, or other operators. */
  readonly op: string | null;
  /** The operator of the IR that it is where an input is computed, if that is another one. */
  readonly computed?: string;
  /** What it becomes in place of a node. */
  readonly becomes?: string;
  /** Positions of the inputs that may be computed; the others must be constants. */
  readonly operands: readonly number[] | 'all';
  /** Types of its computed inputs and of its outputs, which a kernel computes. */
  readonly types: readonly DType[];
  /** Folders of src/compiler/kernels that have kernels, best first, with the types that they compute. */
  readonly kernels: readonly { readonly folder: string; readonly types: readonly DType[] }[];
  /** Whether its bits depend on `--rounding`. */
  readonly rounds: boolean;
}

/** All operators, by name. */
export function supportedOperators(): readonly SupportedOperator[] {
  const becomeNodes = [...rows].map(([tflite, row]): SupportedOperator => {
    const { op, operands, rounding, roundsByShape = false } = row;
    const differs = JSON.stringify(rounding.tflm) !== JSON.stringify(rounding.tflite);
    const rounds = differs || roundsByShape;
    const kernels = kernelFolders(op);
    const computed = new Set(kernels.flatMap(({ types }) => types));
    const types = typesOf(opOf({ op })).filter((type) => computed.has(type));
    const other = row.computed === undefined ? {} : { computed: row.computed.op };
    return { tflite, op, ...other, operands, types, kernels, rounds };
  });
  const none = { op: null, operands: [], types: [], kernels: [], rounds: false };
  const others = [
    ...[...variableOperators].map((tflite) => ({ tflite, becomes: 'a state', ...none })),
    ...[...foldedOperators.keys()].map((tflite) => ({ tflite, becomes: 'a constant', ...none })),
    ...[...controlFlowOperators].map((tflite) => ({ tflite, becomes: 'what it runs', ...none })),
  ];
  return [...becomeNodes, ...others].sort((a, b) => (a.tflite < b.tflite ? -1 : 1));
}

function kernelFolders(op: string): SupportedOperator['kernels'] {
  const folders = new Map<string, Set<DType>>();
  for (const variant of kernelsOf({ op }).variants) {
    const [folder = ''] = variant.template.split('/');
    const types = folders.get(folder) ?? new Set();
    folders.set(folder, types);
    for (const type of typesOf(variant)) types.add(type);
  }
  return [...folders].map(([folder, types]) => ({ folder, types: [...types] }));
}

/** 'int8, int16'; 'any' where it takes every type that a tensor in the arena has. */
export function typeText(types: readonly DType[]): string {
  return arenaTypes.every((type) => types.includes(type)) ? 'any' : types.join(', ');
}

/** 'dsp (int8), portable': folders that compute fewer types than the operator has name them. */
export function kernelText({ types, kernels }: SupportedOperator): string {
  return kernels
    .map(({ folder, types: own }) =>
      types.every((type) => own.includes(type)) ? folder : `${folder} (${typeText(own)})`,
    )
    .join(', ');
}
