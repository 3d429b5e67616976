/**
 * --shape: a model whose inputs have dynamic extents, with the extents that the user gives. All
 * shapes that follow from them are inferred again, and so are the integers that the file computes
 * from shapes. A file that computes shapes has 1 for the extents of what follows from them, so that
 * these are inferred without --shape, too.
 */
import { BonsaiError, refusalOf } from '../../../errors.js';
import type { Shape } from '../../ir/graph.js';
import { Inference } from './inference.js';
import { operatorName, placeOf, type RawModel, type RawSubgraph, type RawTensor } from './read.js';

/** The shape of an input; `name` is null where the model has a single one. */
export interface InputShape {
  readonly name: string | null;
  readonly shape: Shape;
}

/**
 * The model with fixed shapes.
 *
 * @param names of the main subgraph's inputs
 * @throws BonsaiError 'usage' for a name or shape that no input has, 'bad-shape' where a layer does
 *   not take the shape
 */
export function withShapes(
  file: RawModel,
  given: readonly InputShape[],
  names: readonly string[],
): RawModel {
  const raw = { ...file, subgraphs: file.subgraphs.map(withoutStale) };
  const [main, ...others] = raw.subgraphs;
  if (main === undefined) return raw;
  if (given.length === 0) return withOwnShapes(raw, main);
  const shaped = new Inference(raw, main);
  for (const { name, shape } of given) {
    const position = name === null && names.length === 1 ? 0 : names.indexOf(name ?? '');
    const input = main.inputs[position];
    if (input === undefined) throw noSuchInput(name, names);
    const tensor = shaped.tensors[input] as RawTensor;
    checkFit(tensor, shape, names[position] ?? '');
    shaped.tensors[input] = { ...tensor, shapeSignature: [] };
    shaped.setShape(input, shape);
  }
  main.operators.forEach((operator, index) => {
    try {
      shaped.infer(operator, index);
    } catch (error) {
      if (!(error instanceof BonsaiError)) throw error;
      const where = placeOf(raw, main, operator, index);
      const hint = 'give another --shape: the layer does not take what follows from this one';
      throw new BonsaiError(error.code, where, error.message, hint);
    }
  });
  return inferred(shaped, main, others);
}

/**
 * The subgraph without signatures that contradict the shapes beside them: tools that cut and pad tensors
 * leave the old ones. TFLM reads shapes alone.
 */
function withoutStale(subgraph: RawSubgraph): RawSubgraph {
  const agrees = ({ shape, shapeSignature }: RawTensor) =>
    shapeSignature.length === shape.length &&
    shapeSignature.every((extent, d) => extent < 0 || extent === shape[d]);
  const tensors = subgraph.tensors.map((tensor) =>
    tensor.shapeSignature.length === 0 || agrees(tensor)
      ? tensor
      : { ...tensor, shapeSignature: [] },
  );
  return { ...subgraph, tensors };
}

/**
 * The shapes that follow from those of the inputs in the file. Where an extent is dynamic the file has
 * 1 for it, also behind operators that make others of a batch of 1, such as SPACE_TO_BATCH_ND.
 */
function withOwnShapes(raw: RawModel, main: RawSubgraph): RawModel {
  const isOpen = (index: number) =>
    main.tensors[index]?.shapeSignature.some((extent) => extent < 0) ?? false;
  const computesShapes = main.operators.some((one) => operatorName(raw, one) === 'SHAPE');
  if (!computesShapes && !main.tensors.some((_, index) => isOpen(index))) return raw;
  const shaped = new Inference(raw, main);
  // What cannot be inferred keeps the shape of the file: the importer tells what is wrong with it.
  main.operators.forEach((operator, index) => {
    refusalOf(() => shaped.infer(operator, index, operator.outputs.some(isOpen)));
  });
  return inferred(shaped, main, raw.subgraphs.slice(1));
}

function inferred(shaped: Inference, main: RawSubgraph, others: readonly RawSubgraph[]): RawModel {
  return { ...shaped.current(), subgraphs: [{ ...main, tensors: shaped.tensors }, ...others] };
}

function noSuchInput(name: string | null, names: readonly string[]): BonsaiError {
  const where = name === null ? '--shape' : `--shape ${name}=…`;
  const what = name === null ? 'does not name its input' : 'names no input of the model';
  const list = names.map((each) => `"${each}"`).join(', ');
  return new BonsaiError('usage', where, what, `give --shape NAME=1,2,3 with a name of: ${list}`);
}

function checkFit({ shape: stored, shapeSignature }: RawTensor, shape: Shape, name: string): void {
  const signature = shapeSignature.length === 0 ? stored : shapeSignature;
  const fits =
    shape.length === signature.length &&
    signature.every((extent, d) => extent < 0 || extent === shape[d]);
  if (fits) return;
  const fixed = signature.map((extent) => (extent < 0 ? 'any' : extent)).join(', ');
  const message = `does not fit the input "${name}" of [${fixed}]`;
  const hint = 'give as many extents, and those that are fixed as they are';
  throw new BonsaiError('usage', `--shape ${shape.join(',')}`, message, hint);
}
