/** The smallest encoding of a layer's weights as positions and values. */
import { BitReader, BitWriter, bitStreamBytes, FieldReader, FieldWriter } from './bits.js';
import {
  type Positions,
  positionChoices,
  putWeights,
  takeWeights,
  type WeightRows,
} from './positions.js';
import { type Values, valueChoices, valueReader, valueWriter } from './values.js';

export interface PackedChoice {
  readonly positions: Positions;
  readonly values: Values;
  /** All bytes. */
  readonly bytes: number;
  /** Number of stored weights. */
  readonly weights: number;
  /** Number of fields for positions. */
  readonly fields: number;
}

/**
 * @param coded whether values may be coded (value-code.ts): smaller, but several times slower to
 *   decode
 */
export function packedChoices(layer: WeightRows, coded: boolean): readonly PackedChoice[] {
  return positionChoices(layer).flatMap(({ positions, histogram, fields, ...choice }) =>
    valueChoices(histogram, coded).map(
      ({ values, streamBits, tableBytes }): PackedChoice => ({
        positions,
        values,
        bytes:
          choice.bytes + tableBytes + (values.kind === 'bytes' ? 0 : bitStreamBytes(streamBits)),
        weights: histogram.reduce((sum, count) => sum + count, 0),
        fields,
      }),
    ),
  );
}

/** The smallest choice. */
export function packedChoice(layer: WeightRows, coded: boolean): PackedChoice {
  return packedChoices(layer, coded).reduce((best, choice) =>
    choice.bytes < best.bytes ? choice : best,
  );
}

export interface Encoded {
  /** Positions; empty if all weights are stored. */
  readonly fields: Uint16Array;
  /** Values as bytes, or as a stream of bits. */
  readonly values: Int8Array | Uint16Array;
}

export function encode(layer: WeightRows, { positions, values }: PackedChoice): Encoded {
  const fields = new FieldWriter(positions.width);
  const stream = new BitWriter();
  const bytes: number[] = [];
  putWeights(fields, layer, positions, valueWriter(stream, bytes, values));
  return {
    fields: positions.width === 0 ? new Uint16Array(0) : fields.finish(),
    values: values.kind === 'bytes' ? Int8Array.from(bytes) : stream.finish(),
  };
}

/** int8[channels][depth], the input of `encode`. */
export function decode(
  { fields, values: stored }: Encoded,
  { positions, values }: PackedChoice,
  shape: Omit<WeightRows, 'data'>,
): Int8Array {
  const take = valueReader(
    new BitReader(stored instanceof Int8Array ? new Uint16Array(0) : stored),
    stored instanceof Int8Array ? stored : new Int8Array(0),
    values,
  );
  return takeWeights(new FieldReader(fields, positions.width), positions, take, shape);
}
