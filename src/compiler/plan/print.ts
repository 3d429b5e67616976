/** A plan as text, one line per step; equal plans give equal text. */
import { estimateName, isBeyondArena, rivalsOf } from './choose/explain.js';
import {
  type Decision,
  estimatedCount,
  type KernelEstimate,
  noKernel,
  type Plan,
  type PlanStep,
} from './types.js';

/**
 * The listing of `--dump plan`:
 *
 *     plan kws for rp2040, --optimize balanced
 *     prices: flash 10, arena 26 cycles for each byte (--optimize balanced)
 *     estimated: 1.6 M cycles, image 49 KB
 *     arena: 9080 B, at least 9080, limit 9080 of 200000
 *     0 conv2d "conv": thumb1/conv2d, 410 K cycles, price 440 K, 2640 B in sram, arena 9080 B; dense swar/conv2d 1.4 x cycles, 0.9 x bytes
 *
 * The price is the cycles plus the cost of the bytes of flash. The kernels that lost follow.
 * Estimates have two digits, so that a small change of a cost changes no line.
 */
export function printPlan(plan: Plan): string {
  const { model, target, options, decision, arenaBytes, arenaLowerBoundBytes } = plan;
  const { unit, flashPrice, arenaPrice, reason, arenaRoomBytes, imageBytes } = decision;
  const cores = options.cores === 2 ? ', --cores 2' : '';
  const room = arenaRoomBytes === null ? 'no limit' : `${arenaRoomBytes}`;
  return [
    `plan ${model.name} for ${target}, --optimize ${options.optimize}${cores}`,
    `prices: flash ${twoDigits(flashPrice)}, arena ${twoDigits(arenaPrice)} ${unit} for each byte (${reason})`,
    `estimated: ${short(estimatedCount(plan))} ${unit}, image ${short(imageBytes)}B`,
    `arena: ${arenaBytes} B, at least ${arenaLowerBoundBytes}, limit ${decision.arenaBytes} of ${room}`,
    ...(plan.stateBytes === 0 ? [] : [`states: ${plan.stateBytes} B`]),
    ...plan.steps.map((step) => stepLine(step, decision)),
    '',
  ].join('\n');
}

function stepLine(step: PlanStep, decision: Decision): string {
  const { index, op, name, kernel, alternatives, regions, move } = step;
  const head = `${index} ${op} ${JSON.stringify(name)}: `;
  const [chosen] = alternatives;
  if (kernel === noKernel || chosen === undefined) return `${head}${step.why}`;
  const { count, bytes, arenaBytes } = chosen;
  const places = regions.length === 0 ? 'flash' : [...new Set(regions)].sort().join(' and ');
  const what = [
    estimateName(chosen),
    `${short(count)} ${decision.unit}`,
    `price ${short(count + decision.flashPrice * bytes)}`,
    `${bytes} B in ${places}`,
    `arena ${arenaBytes} B`,
    ...(move === null ? [] : [`moves ${move.bytes} B`]),
  ];
  const rivals = rivalsOf(alternatives, decision).map((one) => rivalText(one, chosen, decision));
  const why = rivals.length > 0 ? rivals : ['the only one that applies'];
  return `${head}${[what.join(', '), ...why].join('; ')}`;
}

function rivalText(rival: KernelEstimate, chosen: KernelEstimate, decision: Decision): string {
  const times = (of: 'count' | 'bytes') => `${twoDigits(rival[of] / Math.max(1, chosen[of]))} x`;
  const arena = isBeyondArena(rival, decision) ? `, arena ${rival.arenaBytes} B is too large` : '';
  const costs = `${times('count')} ${decision.unit}, ${times('bytes')} bytes`;
  return `${rival.form} ${estimateName(rival)} ${costs}${arena}`;
}

function twoDigits(value: number): number {
  return Number(value.toPrecision(2));
}

/** Two digits: '950 ', '9.5 K', '12 M'. */
function short(value: number): string {
  const rounded = twoDigits(value);
  if (rounded >= 1e6) return `${twoDigits(rounded / 1e6)} M`;
  return rounded >= 1e3 ? `${twoDigits(rounded / 1e3)} K` : `${rounded}`;
}
