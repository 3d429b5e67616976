/** The comment above a step in the generated C: layer, shapes, attributes; kernel, work and why. */
import { type AttrValue, dtypes, type NodeView, type Tensor } from '../ir/graph.js';
import type { PlanStep } from '../plan/types.js';
import { comment } from './c.js';

/** 'conv2d_0: "block1/conv"  s8 [1,49,10,1] -> [1,25,5,64]  10x4 stride 2 relu'. */
export function describeStep(step: PlanStep, symbol: string, view: NodeView): string {
  const activations = view.inputs.filter((tensor) => tensor !== null && tensor.data === null);
  const inputs = activations.map((tensor) => shape(tensor as Tensor)).join(', ');
  const outputs = view.outputs.map(shape).join(', ');
  const [of] = [...activations, ...view.outputs];
  const [result = of] = view.outputs;
  const types = [of, result].map((tensor) => (tensor == null ? '' : dtypes[tensor.dtype].short));
  const type = types[0] === types[1] ? types[0] : types.join(' to ');
  const details = attributes(view);
  return comment(
    `${symbol}: "${step.name}"  ${type} ${inputs} -> ${outputs}${details === '' ? '' : `  ${details}`}`,
  );
}

/** 'swar/conv2d, 15360 MAC: about 76674 cycles, 1776 B; the only one that applies' */
export function describeChoice({ kernel, macs, why }: PlanStep): string {
  return comment(`${kernel}${macs > 0 ? `, ${macs} MAC` : ''}${why === '' ? '' : `: ${why}`}`);
}

function shape(tensor: Tensor): string {
  return `[${tensor.shape.join(',')}]`;
}

/** Attributes in the field's notation. Attributes without effect are left out. */
function attributes({ attrs, inputs }: NodeView): string {
  const words: string[] = [];
  const number = (name: string) => attrs[name] as number;
  const pair = (word: string, h: string, w: string) => {
    if (number(h) === 1 && number(w) === 1) return;
    words.push(`${word} ${number(h) === number(w) ? number(h) : `${number(h)}x${number(w)}`}`);
  };
  if ('strideH' in attrs) {
    const weights = inputs[1]?.shape;
    const [h, w] =
      'kernelH' in attrs ? [number('kernelH'), number('kernelW')] : [weights?.[1], weights?.[2]];
    words.push(`${h}x${w}`);
    pair('stride', 'strideH', 'strideW');
    if ('dilationH' in attrs) pair('dilation', 'dilationH', 'dilationW');
    const pads = ['padTop', 'padBottom', 'padLeft', 'padRight'].map(number);
    if (pads.some((pad) => pad !== 0)) words.push(`pad ${pads.join(',')}`);
  }
  for (const [name, value] of Object.entries(attrs)) {
    if (!geometric.test(name)) words.push(...attribute(name, value));
  }
  return words.join(' ');
}

const geometric =
  /^(kernel|stride|dilation)[HW]$|^pad(Top|Bottom|Left|Right)$|^shape$|^depthMultiplier$/;

function attribute(name: string, value: AttrValue): readonly string[] {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  if (name === 'activation') return value === 'none' ? [] : [String(value)];
  // TFLM's own rounding is the default.
  if (name === 'rounding' && value === 'double') return [];
  if (typeof value === 'boolean') return value ? [words] : [];
  if (typeof value === 'object') return [`${words} [${value.join(',')}]`];
  return [`${words} ${value}`];
}
