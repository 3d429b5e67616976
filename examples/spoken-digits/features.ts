/**
 * Log-mel features of speech: the energy in bands of frequency, over time.
 *
 * log_mel.c computes the same on a device.
 */

export const sampleRate = 8000;
/** Samples of a window (32 ms), also the length of the Fourier transform. */
export const windowLength = 256;
/** Samples from one window to the next: 16 ms. */
export const hop = 128;
export const bands = 32;
/** Windows of a recording: 1.04 s. Shorter recordings end in silence, longer ones are cut. */
export const frames = 64;
/** Samples that the features of a recording are computed from. */
export const recordingLength = windowLength + (frames - 1) * hop;

/** Of the lowest and the highest band, in Hz. */
const lowest = 60;
const highest = 4000;
/** Energy, in units of a full-scale sine, below which all is silence: −70 dB. */
const silence = 1e-7;

/** O'Shaughnessy's formula, as in HTK. */
const melOf = (hertz: number) => 2595 * Math.log10(1 + hertz / 700);
const hertzOf = (mel: number) => 700 * (10 ** (mel / 2595) - 1);

/** Factors of the bins from `first` on; all others count nothing. */
interface Filter {
  readonly first: number;
  readonly factors: readonly number[];
}

/**
 * Triangles over the bins 0 to windowLength / 2, evenly spaced on the mel scale; each begins at the
 * top of the one before it and ends at the top of the next.
 */
export const filters: readonly Filter[] = Array.from({ length: bands }, (_, band) => {
  const [from, to] = [melOf(lowest), melOf(highest)];
  const edge = (i: number) => hertzOf(from + ((to - from) * i) / (bands + 1));
  const [left, top, right] = [edge(band), edge(band + 1), edge(band + 2)];
  const heights = Array.from({ length: windowLength / 2 + 1 }, (_, bin) => {
    const hertz = (bin * sampleRate) / windowLength;
    return Math.min((hertz - left) / (top - left), (right - hertz) / (right - top));
  });
  const isInside = (height: number) => height > 0;
  return { first: heights.findIndex(isInside), factors: heights.filter(isInside) };
});

/** Hann's window. */
const window = Float64Array.from(
  { length: windowLength },
  (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / windowLength),
);

/**
 * [frames, bands]: decades by which each band's energy exceeds silence, from 0 on.
 *
 * @param samples `recordingLength` samples in [−1, 1] at `sampleRate`
 */
export function logMel(samples: Float32Array): Float32Array {
  const features = new Float32Array(frames * bands);
  for (let frame = 0; frame < frames; frame += 1) {
    const energies = spectrum(samples.subarray(frame * hop, frame * hop + windowLength));
    for (const [band, { first, factors }] of filters.entries()) {
      const energy = factors.reduce(
        (sum, factor, i) => sum + factor * (energies[first + i] as number),
        0,
      );
      features[frame * bands + band] = Math.log10(1 + energy / silence);
    }
  }
  return features;
}

/** |X|² of the bins 0 to n / 2 of a window; 1 for a sine of amplitude 1 in the middle of a bin. */
export function spectrum(samples: Float32Array): Float64Array {
  const re = new Float64Array(windowLength);
  const im = new Float64Array(windowLength);
  for (const [n, sample] of samples.entries()) {
    re[reversed[n] as number] = sample * (window[n] as number);
  }
  transform(re, im);
  // Hann's window halves the amplitude, and half of it is at the negative frequency.
  const unit = (windowLength / 4) ** 2;
  return Float64Array.from({ length: windowLength / 2 + 1 }, (_, k) => {
    return ((re[k] as number) ** 2 + (im[k] as number) ** 2) / unit;
  });
}

/** An index with its bits in reverse order. */
const reversed = Uint16Array.from({ length: windowLength }, (_, n) => {
  let index = 0;
  for (let bit = 1; bit < windowLength; bit *= 2) index = index * 2 + ((n & bit) > 0 ? 1 : 0);
  return index;
});

/** e^(−2πik / windowLength) */
const angle = (_: unknown, k: number) => (-2 * Math.PI * k) / windowLength;
const angles = Float64Array.from({ length: windowLength / 2 }, angle);
const cosines = angles.map(Math.cos);
const sines = angles.map(Math.sin);

/** Cooley and Tukey's Fourier transform of elements in the order of `reversed`, in place. */
function transform(re: Float64Array, im: Float64Array): void {
  for (let half = 1; half < windowLength; half *= 2) {
    for (let first = 0; first < windowLength; first += 2 * half) {
      for (let k = 0; k < half; k += 1) {
        const [even, odd] = [first + k, first + k + half];
        const turn = k * (windowLength / 2 / half);
        const [cos, sin] = [cosines[turn] as number, sines[turn] as number];
        const [a, b] = [re[odd] as number, im[odd] as number];
        const [turnedRe, turnedIm] = [a * cos - b * sin, a * sin + b * cos];
        re[odd] = (re[even] as number) - turnedRe;
        im[odd] = (im[even] as number) - turnedIm;
        re[even] = (re[even] as number) + turnedRe;
        im[even] = (im[even] as number) + turnedIm;
      }
    }
  }
}
