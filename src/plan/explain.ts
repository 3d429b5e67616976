/** Why a kernel was chosen, for people. */
import type { Decision, KernelEstimate, KernelForm } from './types.js';

const forms: readonly KernelForm[] = ['dense', 'sparse', 'packed'];

/**
 * Of each form that there is the kernel that costs least, the chosen one not among them.
 *
 * @param alternatives the chosen one first
 */
export function rivalsOf(
  [, ...others]: readonly KernelEstimate[],
  { flashPrice }: Decision,
): readonly KernelEstimate[] {
  return forms.flatMap((form) => bestOf(form, others, flashPrice) ?? []);
}

function bestOf(
  form: KernelForm,
  alternatives: readonly KernelEstimate[],
  flashPrice: number,
): KernelEstimate | null {
  const cost = ({ count, bytes }: KernelEstimate) => count + flashPrice * bytes;
  const [best] = alternatives.filter((one) => one.form === form).sort((a, b) => cost(a) - cost(b));
  return best ?? null;
}

/**
 * 'about 120 cycles, 64 B; dense: portable/conv2d about 180 cycles, 80 B; …; least at 34 cycles for
 * each byte (--optimize balanced)'.
 *
 * @param alternatives the chosen one first
 * @param refused what applies but was not to be had, and why
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
  const rivals = rivalsOf(alternatives, decision).map(
    (rival) => `${rival.form}: ${estimateName(rival)} ${figures(rival)}`,
  );
  return [
    `${chosen.cores > 1 ? 'on two cores, ' : ''}${figures(chosen)}`,
    ...rivals,
    ...refused,
    others.length === 0 ? 'the only one that applies' : priceText(decision),
  ].join('; ');
}

/** 'fewest cycles', 'fewest bytes', or 'least at 34 cycles for each byte (--optimize balanced)'. */
export function priceText({ unit, flashPrice, reason }: Decision): string {
  if (flashPrice === 0) return `fewest ${unit} (${reason})`;
  if (flashPrice > highestPrice) return `fewest bytes (${reason})`;
  return `least at ${Number(flashPrice.toPrecision(2))} ${unit} for each byte (${reason})`;
}

/** Dearer is a byte only where nothing fits the budget. */
const highestPrice = 1e8;

/** 'swar/conv2d', or 'swar/conv2d ×2' on two cores. */
export function estimateName({ kernel, cores }: Pick<KernelEstimate, 'kernel' | 'cores'>): string {
  return cores > 1 ? `${kernel} ×${cores}` : kernel;
}
