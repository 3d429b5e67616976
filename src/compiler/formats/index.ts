/** Model files → IR. One folder per format. */
import { sha256 } from '../../bytes.js';
import { BonsaiError } from '../../errors.js';
import { modelCName } from '../ir/c-names.js';
import { checkModule } from '../ir/check.js';
import type { Module } from '../ir/graph.js';
import type { RuntimeRounding } from '../ir/rounding.js';
import { operators } from '../ops/index.js';
import { checkRoom } from './room.js';
import { importTfjs, isTfjs, type ReadBeside } from './tfjs/index.js';
import type { LoopStyle } from './tflite/control-flow.js';
import { importTflite, shapedModel } from './tflite/index.js';
import { readModel } from './tflite/read.js';
import type { InputShape } from './tflite/shapes.js';
import { type SurveyedOperator, surveyOperators } from './tflite/survey.js';

export type { InputShape } from './tflite/shapes.js';
export type { SurveyedOperator } from './tflite/survey.js';

export interface ImportOptions {
  /** The model's name, from the file name; it becomes a C identifier. */
  readonly name: string;
  /** For errors: the file's path. */
  readonly where: string;
  /** The runtime whose arithmetic to reproduce. */
  readonly rounding: RuntimeRounding;
  /** Whether to refuse faults of a file that TFLM ignores. */
  readonly strict?: boolean;
  /** Shapes of inputs that are dynamic in the file. Formats other than TFLite take none. */
  readonly shapes?: readonly InputShape[];
  /** Whether loops may be kept: 'laid out' for models that are trained. Default: 'by size'. */
  readonly loops?: LoopStyle;
  /** Reads files of the model's folder, for formats that have several. Without it there are none. */
  readonly beside?: ReadBeside;
}

/**
 * Reads a model. Constants are views of `bytes`, which must not change afterwards. Any input gives
 * a valid module or a BonsaiError, in time linear in its length.
 *
 * @throws BonsaiError with exit status 2
 */
export function importModel(bytes: Uint8Array, options: ImportOptions): Module {
  const { module: imported, shards } = isTfjs(bytes)
    ? importTfjs(bytes, { beside: noFiles, ...options, rounding: builtinRounding(options) })
    : { module: importTflite(bytes, options), shards: [] };
  if (options.shapes !== undefined && isTfjs(bytes)) {
    const hint = 'it is for .tflite models: convert this one with fixed shapes';
    throw new BonsaiError('usage', '--shape', 'is not taken by models of TensorFlow.js', hint);
  }
  const sum = sha256(bytes, ...shards);
  const module = { name: modelCName(options.name), sha256: sum, ...imported };
  const fileBytes = shards.reduce((sum, shard) => sum + shard.length, bytes.length);
  checkRoom(module, fileBytes);
  checkModule(module, operators, 'import');
  return module;
}

/**
 * The operators of a model, whether or not bonsaic supports them. null for formats that name no
 * operators of TFLite.
 *
 * @throws BonsaiError where the file is damaged
 */
export function surveyModel(
  bytes: Uint8Array,
  { where, rounding, shapes }: Pick<ImportOptions, 'where' | 'rounding' | 'shapes'>,
): readonly SurveyedOperator[] | null {
  if (isTfjs(bytes)) return null;
  return surveyOperators(shapedModel(readModel(bytes, where), shapes), rounding);
}

/** Models of TensorFlow.js are float: no runtime's delegate computes them in integers. */
function builtinRounding({ rounding }: ImportOptions): 'tflm' | 'tflite' {
  return rounding === 'tflm' ? 'tflm' : 'tflite';
}

function noFiles(name: string): never {
  throw new BonsaiError('not-a-model', name, 'cannot be read here', 'give the path of the model');
}
