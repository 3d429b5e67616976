/** Portable kernels for layers whose weights are a stream of positions and values (packed.ts). */
import type { NodeView } from '../../ir/graph.js';
import type { AccumulationAttrs } from '../../ops/arithmetic/accumulation.js';
import { type Convolution, isPixelRow, pixelsOf } from '../layout/convolution.js';
import { tilesLead, type WindowShape, windowLead } from '../layout/overlap.js';
import { residualOverlap, residualWork } from '../layout/residual.js';
import { roundingFlags, stageNumbers } from '../portable/dense.js';
import { gatherNumbers } from '../swar/layer.js';
import type { Flags, KernelCall, KernelVariant, Table } from '../variant.js';
import { fieldsInWord } from './bits.js';
import { isWorthwhile, rowsOf, scaleOperands } from './layer.js';
import { encode, type PackedChoice, packedChoice } from './packed.js';
import type { Positions, WeightRows } from './positions.js';
import type { Values } from './values.js';

/** Pixels whose sums the kernel holds at once. */
const tile = 4;
/** Weights with the same number of bits each, or coded: smaller if some are frequent. */
type Coding = 'packed' | 'coded';

/**
 * @param when whether the node is one layer, not a group of convolutions
 * @param describe called for nodes for which `when` holds
 */
export function packedKernel<A extends AccumulationAttrs>(
  coding: Coding,
  when: (view: NodeView<A>) => boolean,
  describe: (view: NodeView<A>) => Convolution,
): KernelVariant<A> {
  return {
    template: `portable/conv2d_${coding}`,
    text: 'portable/conv2d_packed',
    packs: true,
    needs: [],
    addsResidual: true,
    match(view) {
      if (!when(view)) return null;
      const layer = describe(view);
      const { shape, filters } = layer;
      const rows = rowsOf(view, filters);
      const choice = findChoice(rows, coding);
      if (choice === null) return null;
      const lanes = lanesOf(shape);
      const lead = lanes === 1 ? windowLead(shape, { channelBlock: 1 }) : tilesLead(shape, lanes);
      return {
        scratchBytes: lanes === 1 ? 0 : lanes * filters.depth,
        weightPasses: Math.ceil(pixelsOf(shape) / lanes),
        overlaps: [{ input: 0, lead, exact: false }, ...residualOverlap(view)],
        work: () => workOf(view, layer, choice),
        calls: () => [callOf(view, layer, rows, choice)],
      };
    },
  };
}

/** null if the encoding saves too little, or belongs to the other kernel. */
function findChoice(layer: WeightRows, coding: Coding): PackedChoice | null {
  const choice = packedChoice(layer, coding === 'coded');
  const isCoded = choice.values.kind === 'coded';
  if (isCoded !== (coding === 'coded')) return null;
  return isWorthwhile(choice.bytes, layer) ? choice : null;
}

/** Pixels whose sums the kernel holds at once; 1: rows that are multiplied in place. */
function lanesOf(shape: WindowShape): number {
  return isPixelRow(shape) && pixelsOf(shape) < tile ? 1 : tile;
}

/** Per field, on the RP2040, like all costs here. */
const fieldCycles = { gaps: 12, blocks: 25, groups: 15 };

function workOf(view: NodeView<object>, { shape, filters }: Convolution, choice: PackedChoice) {
  const { positions, values } = choice;
  const lanes = lanesOf(shape);
  const pixels = pixelsOf(shape);
  const passes = Math.ceil(pixels / lanes);
  const products = passes * choice.weights;
  // Registers hold sums, positions or bits, so the cost of each depends on the others.
  const by = (term: string) => `${term}By${lanes}`;
  const fields = { count: passes * choice.fields, cycles: fieldCycles[positions.kind] };
  const unpacked = { count: products, cycles: values.kind === 'coded' ? 35 : 12 };
  return {
    [by('products')]: { count: products, cycles: lanes === 1 ? 19 : 35 },
    [by('channels')]: { count: passes * filters.channels, cycles: lanes === 1 ? 240 : 500 },
    ...(choice.fields === 0 ? {} : { [by(positions.kind)]: fields }),
    ...(values.kind === 'bytes'
      ? {}
      : { [by(choice.fields === 0 ? 'unpacked' : 'values')]: unpacked }),
    ...(lanes === 1 ? {} : { gathered: { count: pixels * filters.depth, cycles: 16 } }),
    ...residualWork(view, 60),
  };
}

function callOf(
  view: NodeView<AccumulationAttrs>,
  layer: Convolution,
  rows: WeightRows,
  choice: PackedChoice,
): KernelCall {
  const { shape, filters, stage } = layer;
  const { channels, depth } = filters;
  const tiled = lanesOf(shape) > 1;
  const encoded = encode(rows, choice);
  const positions = positionOperands(choice.positions, encoded.fields);
  const values = valueOperands(choice.values, encoded.values);
  const scaling = scaleOperands(view, filters, stage, !tiled);
  return {
    inputs: [0],
    outputs: [0],
    flags: {
      ...positions.flags,
      ...values.flags,
      ...scaling.flags,
      tiled,
      ...roundingFlags(stage),
    },
    words: {
      read: `portable/packed_read_${choice.values.kind}`,
      walk: `portable/packed_walk_${positions.flags.every ? 'all' : choice.positions.kind}`,
    },
    numbers: {
      ...positions.numbers,
      ...values.numbers,
      ...(tiled ? gatherNumbers(view, shape) : { depth }),
      pixels: pixelsOf(shape),
      count: choice.positions.kind === 'blocks' ? choice.positions.starts.length - 1 : depth,
      channels,
      ...stageNumbers(stage),
      ...scaling.numbers,
    },
    tables: {
      ...positions.tables,
      ...values.tables,
      ...scaling.tables,
    },
  };
}

interface Operands {
  readonly flags: Flags;
  readonly numbers: Readonly<Record<string, number>>;
  readonly tables: Readonly<Record<string, Table>>;
}

function positionOperands(positions: Positions, fields: Uint16Array): Operands {
  const { kind, width } = positions;
  const flags = {
    gaps: kind === 'gaps',
    blocks: kind === 'blocks',
    groups: kind === 'groups' && width > 0,
    every: width === 0,
  };
  if (width === 0) return { flags, numbers: {}, tables: {} };
  // The marker is the bit above the last field: what is left of a word once its fields are taken.
  const numbers = { field_bits: width, marker: 2 ** (width * fieldsInWord(width)) };
  const tables: Operands['tables'] = { fields: { data: fields, role: 'weights' } };
  if (kind === 'gaps') return { flags, numbers, tables };
  if (kind === 'blocks') {
    const { starts } = positions;
    return {
      flags,
      numbers,
      tables: { ...tables, starts: { data: starts, role: 'weights' } },
    };
  }
  const { size, count } = positions;
  return { flags, numbers: { ...numbers, group_taps: size, group_weights: count }, tables };
}

function valueOperands(values: Values, data: Int8Array | Uint16Array): Operands {
  const { kind } = values;
  const flags = { bytes: kind === 'bytes', palette: kind === 'palette', coded: kind === 'coded' };
  const tables: Operands['tables'] = { values: { data, role: 'weights' } };
  switch (kind) {
    case 'bytes':
      return { flags, numbers: {}, tables };
    case 'range':
      return { flags, numbers: { value_bits: values.bits, least_value: values.least }, tables };
    case 'palette': {
      const entries = { data: values.entries, role: 'weights' } as const;
      return { flags, numbers: { value_bits: values.bits }, tables: { ...tables, entries } };
    }
    case 'coded': {
      const { classBits, classes, values: entries } = values.code;
      return {
        flags,
        numbers: { value_bits: classBits },
        tables: {
          ...tables,
          classes: { data: classes, role: 'weights' },
          entries: { data: entries, role: 'weights' },
        },
      };
    }
  }
}
