import { expect } from 'chai';
import { partOf, spokenDigits } from '../../examples/spoken-digits/data.js';
import {
  bands,
  filters,
  frames,
  hop,
  logMel,
  recordingLength,
  spectrum,
  windowLength,
} from '../../examples/spoken-digits/features.js';
import { inFolder, wav } from '../compress/data/files.js';

/** `cycles` in a window: the bin of the sine. */
const sine = (cycles: number, length: number, amplitude = 1) =>
  Float32Array.from(
    { length },
    (_, n) => amplitude * Math.sin((2 * Math.PI * cycles * n) / windowLength),
  );
const impulse = (at: number, length: number) =>
  Float32Array.from({ length }, (_, n) => (n === at ? 1 : 0));

describe('examples/spoken-digits: spectrum', () => {
  // The sum of the window over 256 samples is 128; 64² is the unit.
  const rows: readonly [edge: string, samples: Float32Array, wanted: (bin: number) => number][] = [
    [
      'a sine of 1000 Hz: 1 in bin 32, a quarter beside it',
      sine(32, windowLength),
      (bin) => [1, 0.25][Math.abs(bin - 32)] ?? 0,
    ],
    [
      'a constant: bin 0 has no negative frequency beside it',
      new Float32Array(windowLength).fill(1),
      (bin) => [4, 1][bin] ?? 0,
    ],
    ['an impulse where the window is 1', impulse(128, windowLength), () => 1 / 64 ** 2],
    ['an impulse where the window is 0', impulse(0, windowLength), () => 0],
    [
      'the highest frequency',
      Float32Array.from({ length: windowLength }, (_, n) => (-1) ** n),
      (bin) => [4, 1][128 - bin] ?? 0,
    ],
  ];
  for (const [edge, samples, wanted] of rows) {
    it(edge, () => {
      const found = spectrum(samples);
      expect(found.length).to.equal(windowLength / 2 + 1);
      for (const [bin, energy] of found.entries()) {
        expect(energy, `bin ${bin}`).to.be.closeTo(wanted(bin), 1e-6);
      }
    });
  }
});

describe('examples/spoken-digits: features', () => {
  it('between the first top and the last, all filters together count each bin once', () => {
    const sums = new Float64Array(windowLength / 2 + 1);
    for (const { first, factors } of filters) {
      expect(factors).to.not.have.length(0);
      for (const [i, factor] of factors.entries()) {
        sums[first + i] = (sums[first + i] as number) + factor;
      }
    }
    // Tops: 102 Hz, bin 3.3, to 3732 Hz, bin 119.4.
    for (let bin = 4; bin <= 119; bin += 1) expect(sums[bin], `${bin}`).to.be.closeTo(1, 1e-12);
    expect([sums[0], sums[1]], 'below 60 Hz').to.deep.equal([0, 0]);
  });

  it('1000 Hz is 1000 mel, which lies between the tops of bands 13 and 14', () => {
    // 60 Hz is 92.7 mel, 4000 Hz is 2146.1; 14.58 of 33 steps of 62.2 between them are 1000 mel.
    const features = logMel(sine(32, recordingLength));
    const middle = features.subarray(20 * bands, 21 * bands);
    expect(middle.indexOf(Math.max(...middle))).to.equal(14);
    const energy = middle.reduce((sum, value) => sum + (10 ** value - 1) * 1e-7, 0);
    expect(energy).to.be.closeTo(1.5, 1e-4);
  });

  it('silence is 0', () => {
    const features = logMel(new Float32Array(recordingLength));
    expect(features).to.deep.equal(new Float32Array(frames * bands));
  });

  it('a tenth of the amplitude is two decades less', () => {
    const [loud, quiet] = [1, 0.1].map((amplitude) => logMel(sine(32, recordingLength, amplitude)));
    expect((loud?.[14] ?? 0) - (quiet?.[14] ?? 0)).to.be.closeTo(2, 1e-3);
  });

  it('an impulse in the middle of window 3 is in window 3 alone', () => {
    const features = logMel(impulse(3 * hop + windowLength / 2, recordingLength));
    for (let frame = 0; frame < frames; frame += 1) {
      const loudest = Math.max(...features.subarray(frame * bands, (frame + 1) * bands));
      if (frame === 3) expect(loudest).to.be.above(3);
      else expect(loudest, `window ${frame}`).to.equal(0);
    }
  });
});

describe('examples/spoken-digits: data', () => {
  it('recordings 0 to 4 are the test set, 5 to 11 for choices', () => {
    const parts = [0, 4, 5, 11, 12, 49].map(partOf);
    expect(parts).to.deep.equal(['test', 'test', 'validation', 'validation', 'train', 'train']);
  });

  const tone = (index: number) => wav(Int16Array.from(sine(8 + index, 400, 9000)));
  const digits = Array.from({ length: 10 }, (_, digit) => digit);
  const folder = Object.fromEntries(
    digits.flatMap((digit) =>
      [0, 7, 20].map((index) => [`${digit}_ann_${index}.wav`, tone(digit)] as const),
    ),
  );

  it('labels and parts follow from the names; other files are left alone', () =>
    inFolder({ ...folder, 'README.md': 'x' }, (path) => {
      const { train, validation, test } = spokenDigits(path);
      for (const part of [train, validation, test]) {
        expect(part.shape).to.deep.equal([frames, bands, 1]);
        expect([...(part.labels ?? [])]).to.deep.equal(digits);
      }
    }));

  it('a recording of another name is refused', () =>
    inFolder({ ...folder, 'seven.wav': tone(7) }, (path) => {
      expect(() => spokenDigits(path)).to.throw(/has another name/);
    }));

  it('recordings of one digit alone are refused', () =>
    inFolder({ '0_ann_0.wav': tone(0), '0_ann_20.wav': tone(1) }, (path) => {
      expect(() => spokenDigits(path)).to.throw(/has one class only/);
    }));
});
