/** The report as text, for people. */
import {
  estimateName,
  isBeyondArena,
  priceDigits,
  priceText,
  rivalsOf,
} from '../compiler/plan/choose/explain.js';
import { prose, shorten, textTable } from './text-table.js';
import type { Report } from './types.js';

export const thousands = (value: number) =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ' ');

/** Milliseconds to three digits or whole: '0.0156', '0.830', '12.4', '1050'. */
export const milliseconds = (ms: number) => (ms < 100 ? ms.toPrecision(3) : ms.toFixed(0));

/** Options of the text. */
export interface ReportStyle {
  /** Columns of the terminal; by default lines do not wrap. */
  readonly width?: number;
  /** Whether to show the kernels that were not chosen and the prices; default false. */
  readonly why?: boolean;
}

function layerTable(report: Report, width: number): string {
  const measured = report.latency !== null;
  const unit = report.latency?.unit ?? 'cycles';
  const columns = [
    '#',
    'layer',
    'op',
    'kernel',
    'MAC',
    ...(measured ? [unit, 'share', `${unit}/MAC`] : []),
    'weights B',
    'region',
  ];
  const rows = report.layers.map((layer) => [
    String(layer.index),
    shorten(layer.name, width < 120 ? 24 : 32),
    layer.op,
    estimateName(layer),
    layer.macs === 0 ? '' : thousands(layer.macs),
    ...(measured
      ? [
          thousands(layer.count ?? 0),
          `${((layer.share ?? 0) * 100).toFixed(1)} %`,
          layer.macs > 0 ? ((layer.count ?? 0) / layer.macs).toFixed(2) : '',
        ]
      : []),
    layer.weightBytes === 0 ? '' : thousands(layer.weightBytes),
    layer.weightBytes === 0 ? '' : layer.region,
  ]);
  const right = new Set(['#', 'MAC', unit, 'share', `${unit}/MAC`, 'weights B']);
  return textTable(columns, rows, { right, width });
}

/** For each layer with a choice: its kernel, and the best rival of each form. */
function choiceLines({ layers, options }: Report, width: number): string[] {
  const { decision } = options;
  const rows = layers.flatMap(({ index, alternatives }) => {
    const [chosen] = alternatives;
    if (chosen === undefined || alternatives.length === 1) return [];
    return [chosen, ...rivalsOf(alternatives, decision)].map((one) => [
      one === chosen ? String(index) : '',
      estimateName(one),
      one.form,
      thousands(one.count),
      thousands(one.bytes),
      isBeyondArena(one, decision) ? thousands(one.arenaBytes) : '',
    ]);
  });
  if (rows.length === 0) return [];
  const header = [
    '#',
    'kernel, and others',
    'form',
    `about ${decision.unit}`,
    'weights + tables B',
    'for an arena of B',
  ];
  const right = new Set(header.filter((title) => !/kernel|form/.test(title)));
  // The table leaves out code, so a kernel that shares its code with another layer may look ill
  // chosen without this sentence.
  const code = decision.flashPrice === 0 ? '' : '; a kernel also has code, once for all its layers';
  return [
    textTable(header, rows, { right, width }),
    prose(`chosen: ${priceText(decision)}${code}`, width, 8),
    '',
  ];
}

/** A process does not paint its stack and reports 0. */
function stackText(stackBytes: number | null): string {
  return stackBytes ? `stack ${thousands(stackBytes)} (painted peak)` : 'stack not measured';
}

/** The lines for flash, arena and RAM, as far as their parts are known. */
function memoryLines(report: Report): string[] {
  const { memory } = report;
  const lines: string[] = [];
  if (memory.flashBytes !== null) {
    lines.push(
      `flash    ${thousands(memory.flashBytes)} B: code ${thousands(memory.codeBytes ?? 0)}, ` +
        `tables ${thousands(memory.tableBytes)}, weights ${thousands(memory.weightBytes)}`,
    );
  } else {
    const code = report.toolchain === null ? 'known after build' : 'not measured: instrumented';
    lines.push(
      `flash    at most ${thousands(memory.flashMostBytes)} B: tables ${thousands(memory.tableBytes)}, weights ${thousands(memory.weightBytes)}, code ${code}`,
    );
  }
  lines.push(...moreFlash(report));
  const bound =
    memory.arenaBytes === memory.arenaLowerBoundBytes
      ? 'the least for these kernels'
      : `lower bound ${thousands(memory.arenaLowerBoundBytes)}`;
  lines.push(`arena    ${thousands(memory.arenaBytes)} B (${bound}${arenaReason(report)})`);
  const { stateBytes } = memory;
  if (stateBytes > 0) lines.push(`states   ${thousands(stateBytes)} B beside the arena`);
  const copies =
    memory.sramCopyBytes === 0
      ? ''
      : `weights copied from flash at start ${thousands(memory.sramCopyBytes)}`;
  if (memory.ramBytes !== null) {
    lines.push(
      `RAM      ${thousands(memory.ramBytes)} B: arena ${thousands(memory.arenaBytes)}, ` +
        (stateBytes === 0 ? '' : `states ${thousands(stateBytes)}, `) +
        `static ${thousands(memory.staticRamBytes ?? 0)}, ${stackText(memory.stackBytes)}` +
        (copies && `, ${copies}`),
    );
  } else if (memory.ramMostBytes !== null) {
    lines.push(
      `RAM      at most ${thousands(memory.ramMostBytes)} B: firmware and stack ` +
        `${thousands(memory.ramMostBytes - memory.arenaBytes - stateBytes - memory.sramCopyBytes)}` +
        (copies && `, ${copies}`),
    );
  } else if (copies) {
    lines.push(`RAM      ${copies} B`);
  }
  return lines;
}

/** '         1 932 704 B would save 28 % of the time: --max-flash 1932704'. */
function moreFlash({ options }: Report): string[] {
  const { withMoreFlash } = options.decision;
  if (withMoreFlash === null) return [];
  const bytes = Math.ceil(withMoreFlash.imageBytes);
  const saved = Math.round(100 * (1 - withMoreFlash.timeShare));
  return [
    `         about ${thousands(bytes)} B would save ${saved} % of the time: --max-flash ${bytes}`,
  ];
}

/** Why the arena is no larger: '; for faster kernels a byte has to save 12 cycles'. */
function arenaReason({ options }: Report): string {
  const { decision, maxRam } = options;
  const { isShortOfRam, arenaPrice, unit } = decision;
  if (isShortOfRam) {
    const limit = maxRam === undefined ? "the target's RAM" : `--max-ram ${maxRam}`;
    return `; ${limit} has no room for faster ones`;
  }
  return arenaPrice === 0
    ? ''
    : `; for faster ones a byte has to save ${priceDigits(arenaPrice)} ${unit}`;
}

function latencyLines(report: Report): string[] {
  const { latency } = report;
  if (latency === null) return [];
  const spread =
    latency.min === latency.max ? '' : `, ${thousands(latency.min)} to ${thousands(latency.max)}`;
  const { unit, ms, clockHz } = latency;
  const at = `${milliseconds(ms)} ms at ${(clockHz / 1e6).toFixed(0)} MHz`;
  const time = {
    cycles: ` = ${at}`,
    instructions: `, ${at} if each took a cycle`,
    nanoseconds: ` = ${milliseconds(ms)} ms`,
  }[unit];
  const lines = [
    `latency  ${thousands(latency.count)} ${unit}${time} (median of ${latency.runs} runs${spread})`,
  ];
  const { simulation } = report.options;
  if (simulation !== null) lines.push(`         simulated: ${simulation}`);
  return lines;
}

function verifyLines({ verify }: Report): string[] {
  if (verify === null) return [];
  if (verify.mismatches === 0) {
    const layers =
      verify.layersChecked === 0 ? '' : `, ${verify.layersChecked} layers' checksums too`;
    return [`verify   ${verify.vectors} of ${verify.vectors} vectors bit-exact${layers}`];
  }
  const first = verify.firstDivergingLayer;
  return [
    `verify   ${verify.mismatches} of ${verify.vectors} vectors DIFFER` +
      (first === null ? '' : `; first at layer ${first.index} (${first.op}) "${first.name}"`),
  ];
}

/** A line of text has room for the classes of some vectors; --json has all. */
const classesShown = 12;

/** 'class    vector 0: yes 0.98, 1: no 0.75'. */
function classLines({ verify }: Report): string[] {
  const classes = verify?.classes ?? [];
  if (classes.length === 0) return [];
  const several = new Set(classes.map(({ output }) => output)).size > 1;
  const shown = classes.slice(0, classesShown).map(({ vector, output, class: name, score }) => {
    const of = several ? `${vector} ${output}` : vector;
    return `${of}: ${name} ${Number(score.toPrecision(3))}`;
  });
  const left = classes.length - shown.length;
  return [`class    vector ${shown.join(', ')}${left > 0 ? `, and ${left} more (--json)` : ''}`];
}

/** The width of the labels 'flash    ', 'latency  ', … */
const labelWidth = 9;

/** The whole report as text, no trailing newline. */
export function reportText(
  report: Report,
  { width = Infinity, why = false }: ReportStyle = {},
): string {
  const { model } = report;
  const live =
    model.liveMacs === model.macs ? '' : `, ${thousands(model.liveMacs)} after compilation`;
  const title =
    `${model.name} on ${report.target}${report.device === null ? '' : ` (${report.device})`}: ` +
    `${thousands(model.macs)} MAC${live}, ${thousands(model.parameters)} parameters`;
  const facts = [
    ...latencyLines(report),
    ...memoryLines(report),
    ...verifyLines(report),
    ...classLines(report),
  ];
  return [
    prose(title, width, labelWidth),
    '',
    ...(report.layers.length === 0 ? [] : [layerTable(report, width), '']),
    ...(why ? choiceLines(report, width) : []),
    ...facts.map((line) => prose(line, width, labelWidth)),
  ].join('\n');
}
