/** Whether what samples are labelled with is classes, or numbers that the outputs shall be. */
import { badData } from './dataset.js';
import { elementsOfAll, type Ports } from './ports.js';

/** What a reader found beside a sample. */
export interface Found {
  /** Numbers for a sample. */
  readonly size: number;
  /** Whether any of them is no integer, or their type is one of real numbers. */
  readonly isReal: boolean;
  /** Whether all are 0 or 1. */
  readonly isBinary: boolean;
}

const option = '--task classes or --task values says which';

/**
 * 'values' for numbers that the outputs shall be, else 'classes'. By the model: several outputs, or rows
 * as long as its output, are values, and so is one number beside a single output that may be any
 * number. Whole numbers beside several outputs are classes, 0 and 1 beside a single one are too.
 *
 * @throws BonsaiError 'bad-data' where both are possible, which names the option
 */
export function wantedOf(
  where: string,
  { size, isReal, isBinary }: Found,
  { ports, task }: { readonly ports?: Ports; readonly task?: 'classes' | 'values' },
): 'classes' | 'values' {
  if (ports === undefined) return 'classes';
  const elements = elementsOfAll(ports.outputs);
  if (ports.outputs.length > 1) {
    if (task !== 'classes') return 'values';
    const message = `the model has ${ports.outputs.length} outputs: their samples are labelled with numbers`;
    throw badData(where, message, 'leave out --task, and give numbers for each output');
  }
  if (task !== undefined) return task;
  if (size === 1 && elements === 1) return ofOne(where, isReal, isBinary, ports);
  if (size !== elements || elements === 1) return 'classes';
  if (ports.end !== 'softmax') return 'values';
  const message = `holds ${size} numbers for a sample, and the model's outputs are probabilities of classes`;
  const hint = `save class indices: y.argmax(1) of one-hot rows; or learn these numbers themselves: ${option}`;
  throw badData(where, message, hint);
}

function ofOne(where: string, isReal: boolean, isBinary: boolean, { end }: Ports) {
  if (end === 'logistic') return isReal && !isBinary ? 'values' : 'classes';
  if (!isBinary) return 'values';
  if (!isReal) return 'classes';
  const message = 'holds real numbers that are all 0 or 1: classes, or values of the output';
  throw badData(where, message, option);
}

/** Numbers of a sample's shape, or of all its elements in a row. */
export function describedNumbers(values: ArrayLike<number>, size: number, isReal: boolean): Found {
  let [isBinary, isWhole] = [true, true];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    isBinary &&= value === 0 || value === 1;
    isWhole &&= Number.isInteger(value);
  }
  return { size, isReal: isReal || !isWhole, isBinary };
}

/** @throws BonsaiError 'bad-data' for another number of values of a sample than the outputs have */
export function checkWidth(where: string, width: number, ports: Ports | undefined): void {
  if (ports === undefined) return;
  const size = elementsOfAll(ports.outputs);
  if (width === size) return;
  const shapes = ports.outputs.map(({ shape }) => `[${shape.join(', ')}]`).join(' and ');
  const message = `has ${width} numbers for a sample; the model's outputs are ${shapes}`;
  throw badData(where, message, `give ${size} numbers for each sample`);
}

/** @throws BonsaiError 'bad-data' for rows of another length than the outputs, and NaN or infinity */
export function checkTargets(
  where: string,
  targets: Float32Array,
  count: number,
  ports: Ports,
): void {
  checkWidth(where, targets.length / count, ports);
  const size = elementsOfAll(ports.outputs);
  const wrong = targets.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return;
  const message = `sample ${Math.floor(wrong / size)} shall give ${targets[wrong]}`;
  throw badData(where, message, 'remove or repair the sample');
}
