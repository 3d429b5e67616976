/**
 * Recordings: RIFF WAVE, PCM and floats (Microsoft, 'Multimedia Programming Interface and Data
 * Specifications 1.0', 1991; WAVE_FORMAT_EXTENSIBLE as in mmreg.h). wavefile, the package for it, is
 * no longer maintained, and changes amplitudes by a third when it resamples.
 */
import { badData } from './dataset.js';

export interface Recording {
  readonly sampleRate: number;
  /** The mean of all channels, in [−1, 1]. */
  readonly samples: Float32Array;
}

const convert = 'convert it: sox IN.wav -e signed -b 16 OUT.wav';
const formats: Readonly<Record<number, string>> = { 1: 'PCM', 3: 'floats' };
const extensible = 0xfffe;

/** @throws BonsaiError 'bad-data' */
export function readWav(bytes: Uint8Array, where: string): Recording {
  const { fmt, data } = chunksOf(bytes, where);
  const tag = fmt.getUint16(0, true);
  const isExtensible = tag === extensible && fmt.byteLength >= 26;
  const format = isExtensible ? fmt.getUint16(24, true) : tag;
  const channels = fmt.getUint16(2, true);
  const sampleRate = fmt.getUint32(4, true);
  const bits = fmt.getUint16(14, true);
  const read = sampleReader(data, formats[format], bits);
  if (read === null) {
    const message = `has ${bits} bits of the encoding 0x${format.toString(16)}, which is not supported`;
    throw badData(where, message, convert);
  }
  if (channels < 1 || channels > 64 || sampleRate < 100 || sampleRate > 1e6) {
    throw badData(where, `has ${channels} channels at ${sampleRate} Hz`, convert);
  }
  const width = bits / 8;
  const frames = Math.floor(data.byteLength / (channels * width));
  if (frames === 0) throw badData(where, 'has no samples', 'remove the file');
  const samples = new Float32Array(frames);
  for (let frame = 0; frame < frames; frame += 1) {
    let sum = 0;
    for (let c = 0; c < channels; c += 1) sum += read((frame * channels + c) * width);
    samples[frame] = sum / channels;
  }
  return { sampleRate, samples };
}

/** A chunk is its name, its length, its bytes, and a byte of padding where the length is odd. */
function chunksOf(bytes: Uint8Array, where: string): { fmt: DataView; data: DataView } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at: number) => Buffer.from(bytes.subarray(at, at + 4)).toString('latin1');
  if (bytes.length < 12 || name(0) !== 'RIFF' || name(8) !== 'WAVE') {
    throw badData(where, 'is no .wav file: it does not begin with RIFF and WAVE', convert);
  }
  let fmt: DataView | null = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const left = bytes.length - at - 8;
    // Writers that stream leave a length of 0 or 2^32 − 1.
    const isOpen = length === 0xffffffff || (length === 0 && left > 0);
    if (name(at) === 'data' && fmt !== null) {
      if (length > left && !isOpen) {
        const message = `declares ${length} bytes of samples, but holds ${left}`;
        throw badData(where, message, 'the file is cut off: remove or repair it');
      }
      const size = isOpen ? left : length;
      return { fmt, data: new DataView(bytes.buffer, bytes.byteOffset + at + 8, size) };
    }
    if (name(at) === 'fmt ' && length >= 16 && length <= left) {
      fmt = new DataView(bytes.buffer, bytes.byteOffset + at + 8, length);
    }
    at += 8 + length + (length % 2);
  }
  throw badData(where, `has no chunk "${fmt === null ? 'fmt ' : 'data'}"`, convert);
}

function sampleReader(
  data: DataView,
  format: string | undefined,
  bits: number,
): ((at: number) => number) | null {
  switch (`${format} ${bits}`) {
    case 'PCM 8':
      return (at) => (data.getUint8(at) - 128) / 128;
    case 'PCM 16':
      return (at) => data.getInt16(at, true) / 2 ** 15;
    case 'PCM 24':
      return (at) => (data.getUint16(at, true) + data.getInt8(at + 2) * 2 ** 16) / 2 ** 23;
    case 'PCM 32':
      return (at) => data.getInt32(at, true) / 2 ** 31;
    case 'floats 32':
      return (at) => data.getFloat32(at, true);
    case 'floats 64':
      return (at) => data.getFloat64(at, true);
    default:
      return null;
  }
}

/** Zero crossings of the sinc on each side. */
const crossings = 16;

/**
 * The first `length` samples at another rate, with zeros behind the end: a sinc under a Hann window,
 * whose band ends at half the lower rate (Smith, 'Digital Audio Resampling Home Page').
 */
export function resampled(
  { samples, sampleRate }: Recording,
  rate: number,
  length: number,
): Float32Array {
  const out = new Float32Array(length);
  if (sampleRate === rate) {
    out.set(samples.subarray(0, length));
    return out;
  }
  const band = Math.min(1, rate / sampleRate);
  const reach = crossings / band;
  const count = Math.min(length, Math.ceil((samples.length * rate) / sampleRate));
  for (let i = 0; i < count; i += 1) {
    const center = (i * sampleRate) / rate;
    const first = Math.max(0, Math.ceil(center - reach));
    const last = Math.min(samples.length - 1, Math.floor(center + reach));
    let sum = 0;
    for (let k = first; k <= last; k += 1) {
      const distance = k - center;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
      sum += (samples[k] as number) * window * sinc(distance * band);
    }
    out[i] = sum * band;
  }
  return out;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
