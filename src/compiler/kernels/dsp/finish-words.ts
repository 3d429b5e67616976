/** How templates name the ways in which sums are finished. */
import { laneBlocks, lanes } from '../layout/interleave.js';
import type { WorkTerm } from '../variant.js';
import { type ChannelFinish, type Finish, finerSteps, isException } from './finish.js';

/** Which of the templates' forms finishes outputs. */
export function finishFlags(finish: Finish) {
  const { method, isMixed } = finish;
  const ways = { linear: method === 'linear', mixed: isMixed, twice: method === 'twice' };
  return { ...ways, ...stepFlags(finish) };
}

/** Whether the steps of lines' results are finer than usual. */
export function stepFlags({ step }: Finish) {
  return { fine: step === finerSteps[0], finest: step === finerSteps[1] };
}

/** The same of kernels that decide ties. */
export function tyingFlags(finish: Finish) {
  const { method } = finish;
  const flags = { linear: method === 'linear', tied: isTied(finish), twice: method === 'twice' };
  return { ...flags, ...stepFlags(finish) };
}

/** The fraction of a line's result in bits, and the bits above it. */
export function precisionWords(finish: Finish) {
  const { fine, finest } = stepFlags(finish);
  const bits = Math.log2(finish.step);
  const word = finest ? 'finest' : fine ? 'fine' : '';
  return { word, bits: `${bits}`, above: `${32 - bits}` };
}

/** How templates finish sums: the helper for one sum, and the precision of lines. */
export function finishWords(finish: Finish) {
  const { linear, mixed, twice } = finishFlags(finish);
  const tied = isTied(finish);
  const precision = precisionWords(finish);
  const ways = { linear, mixed, tied, [precision.word]: true, twice };
  const way = mixed ? 'mixed' : linear ? 'linear' : finish.method;
  return {
    word: Object.entries(ways)
      .flatMap(([way, holds]) => (holds && way !== '' ? [way] : []))
      .join('_'),
    ...{ linear, tied, twice, precision, helper: `dsp/finish_${way}`, method: finish.method },
    ...{ frame: tied ? '52' : '44', words: `${tied ? 9 : linear ? 8 : 16}` },
    ...{ constants: linear ? '1' : '3', row: linear ? '2' : '4' },
    stage_bytes: `${4 * (tied ? 9 : linear ? 8 : 16)}`,
  };
}

/** Whether a channel has ties that a table decides. */
const hasTies = ({ lowered }: ChannelFinish) => lowered !== undefined;

/** Whether the kernel decides ties. */
export const isTied = ({ channels }: Finish) => channels.some(hasTies);

/**
 * Work of ties where four channels are finished together.
 *
 * @param pixels that are finished
 */
export function tieWork({ channels }: Finish, pixels: number): Readonly<Record<string, WorkTerm>> {
  const groups = laneBlocks(channels.length).filter((first) =>
    channels.slice(first, first + lanes).some(hasTies),
  );
  return groups.length === 0 ? {} : { ties: { count: pixels * groups.length, cycles: 12 } };
}

/** Work of exceptions where channels are finished one by one. */
export function exceptionWork(
  { channels, isMixed }: Finish,
  outputs: number,
  cycles: number,
): Readonly<Record<string, WorkTerm>> {
  if (!isMixed) return {};
  const share = channels.filter(isException).length / channels.length;
  return { exceptions: { count: outputs * share, cycles } };
}

/** Work of clamping outputs to the activation's range. */
export function clampWork(
  { isClamped }: Finish,
  outputs: number,
): Readonly<Record<string, WorkTerm>> {
  return isClamped ? { clamped: { count: outputs, cycles: 9 } } : {};
}
