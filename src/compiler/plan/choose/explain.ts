/** Why a kernel was chosen, in words. */
import type { Decision, KernelEstimate, KernelForm } from '../types.js';

const forms: readonly KernelForm[] = ['dense', 'sparse', 'packed'];

/**
 * The best rival of each form, and the kernel that would have been chosen if the arena had room.
 *
 * @param alternatives the chosen one first
 */
export function rivalsOf(
  [chosen, ...others]: readonly KernelEstimate[],
  decision: Decision,
): readonly KernelEstimate[] {
  const cost = ({ count, bytes }: KernelEstimate) => count + decision.flashPrice * bytes;
  const cheapest = (some: readonly KernelEstimate[]) =>
    [...some].sort((a, b) => cost(a) - cost(b)).slice(0, 1);
  const affordable = others.filter((one) => !isBeyondArena(one, decision));
  const tempting = others.filter(
    (one) => isBeyondArena(one, decision) && chosen !== undefined && cost(one) < cost(chosen),
  );
  return [
    ...forms.flatMap((form) => cheapest(affordable.filter((one) => one.form === form))),
    ...cheapest(tempting),
  ];
}

/** Whether the kernel needs a larger arena than the limit. */
export function isBeyondArena(one: KernelEstimate, { arenaBytes }: Decision): boolean {
  return one.arenaBytes > arenaBytes;
}

/**
 * 'about 120 cycles, 64 B; dense: portable/conv2d about 180 cycles, 80 B; …; least at 34 cycles for
 * each byte (--optimize balanced)'.
 *
 * @param alternatives the chosen one first
 * @param refused variants that apply but are refused, with the reason
 */
export function explain(
  alternatives: readonly KernelEstimate[],
  refused: readonly string[],
  decision: Decision,
): string {
  const [chosen, ...others] = alternatives;
  if (chosen === undefined) return '';
  const figures = ({ count, bytes }: KernelEstimate) =>
    `about ${count} ${decision.unit}, ${bytes} B`;
  const rivals = rivalsOf(alternatives, decision).map((rival) => {
    const arena = isBeyondArena(rival, decision) ? `, but ${arenaText(rival, decision)}` : '';
    return `${rival.form}: ${estimateName(rival)} ${figures(rival)}${arena}`;
  });
  return [
    `${chosen.cores > 1 ? 'on two cores, ' : ''}${figures(chosen)}`,
    ...rivals,
    ...refused,
    others.length + refused.length === 0 ? 'the only one that applies' : priceText(decision),
  ].join('; ');
}

/** 'the arena would need 34900 B: there is room for 30000', or another reason against it. */
function arenaText({ arenaBytes }: KernelEstimate, decision: Decision): string {
  const { arenaRoomBytes, arenaPrice } = decision;
  const needs = `the arena would need ${arenaBytes} B`;
  if (arenaRoomBytes !== null && arenaBytes > arenaRoomBytes) {
    return `${needs}: there is room for ${arenaRoomBytes}`;
  }
  return `${needs}: ${arenaPrice > 0 ? 'not worth it' : 'RAM serves copies of weights better'}`;
}

/**
 * 'fewest cycles', 'fewest bytes', or 'least at 34 cycles for each byte of flash, 12 of the arena
 * (--optimize balanced)'.
 */
export function priceText({ unit, flashPrice, arenaPrice, reason }: Decision): string {
  if (flashPrice === 0 && arenaPrice === 0) return `fewest ${unit} (${reason})`;
  if (flashPrice > highestPrice) return `fewest bytes (${reason})`;
  const prices = `${priceDigits(flashPrice)} ${unit} for each byte of flash, ${priceDigits(arenaPrice)} of the arena`;
  return `least at ${prices} (${reason})`;
}

/** Two digits, since prices follow from estimates. */
export function priceDigits(price: number): number {
  return Number(price.toPrecision(2));
}

/** A higher price is tried only when nothing fits. */
const highestPrice = 1e8;

/** 'swar/conv2d', or 'swar/conv2d ×2' on two cores. */
export function estimateName({ kernel, cores }: Pick<KernelEstimate, 'kernel' | 'cores'>): string {
  return cores > 1 ? `${kernel} ×${cores}` : kernel;
}
