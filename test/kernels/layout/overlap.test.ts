/** Leads of windowed kernels against memory, byte by byte: safe from the lead on, not below it. */
import { expect } from 'chai';
import fc from 'fast-check';
import {
  type Walk,
  type WindowShape,
  windowLead,
} from '../../../src/compiler/kernels/layout/overlap.js';
import { runs } from '../../support/runs.js';

function shapeOf(
  [inH, inW, inC]: readonly [number, number, number],
  outC: number,
  kernel: number,
  stride: number,
  pad: readonly [before: number, after: number],
  more: Partial<WindowShape> = {},
): WindowShape {
  const { dilationH = 1, dilationW = 1, batches = 1 } = more;
  const extent = (input: number, dilation: number) =>
    Math.floor((input + pad[0] + pad[1] - (kernel - 1) * dilation - 1) / stride) + 1;
  return {
    batches,
    inH,
    inW,
    inC,
    outH: extent(inH, dilationH),
    outW: extent(inW, dilationW),
    outC,
    kernelH: kernel,
    kernelW: kernel,
    strideH: stride,
    strideW: stride,
    dilationH,
    dilationW,
    padTop: pad[0],
    padLeft: pad[0],
  };
}

const range = (first: number, end: number, step = 1) =>
  Array.from({ length: Math.max(0, Math.ceil((end - first) / step)) }, (_, i) => first + i * step);

/** Whether a kernel that walks so reads only what is still there, its input `lead` bytes higher. */
function isSafe(s: WindowShape, walk: Walk, lead: number): boolean {
  const { tilePixels = 1, tileRows = 1, channelBlock, depthwise = false, lineBuffer } = walk;
  const rowBytes = s.inW * s.inC;
  const written = new Set<number>();
  let safe = true;
  const load = (byte: number) => {
    if (written.has(lead + byte)) safe = false;
  };
  for (const n of range(0, s.batches)) {
    /** Rows that the kernel has copied, in the order in which it did. */
    let ring: number[] = [];
    const copy = (last: number) => {
      const { rows = 0 } = lineBuffer ?? {};
      for (const y of range((ring.at(-1) ?? -1) + 1, last + 1)) ring.push(y);
      ring = rows > 0 ? ring.slice(-rows) : [];
    };
    /** Input rows that output row oy needs. */
    const rowsOf = (oy: number) =>
      range(0, s.kernelH)
        .map((ky) => oy * s.strideH - s.padTop + ky * s.dilationH)
        .filter((y) => y >= 0 && y < s.inH);
    const pixel = (oy: number, ox: number, block: readonly number[], then: 'read' | 'write') => {
      if (then === 'write') {
        for (const c of block) written.add(((n * s.outH + oy) * s.outW + ox) * s.outC + c);
        return;
      }
      for (const y of rowsOf(oy)) {
        if (ring.includes(y)) continue;
        for (const kx of range(0, s.kernelW)) {
          const x = ox * s.strideW - s.padLeft + kx * s.dilationW;
          if (x < 0 || x >= s.inW) continue;
          const channels = depthwise
            ? block.map((c) => Math.floor((c * s.inC) / s.outC))
            : range(0, s.inC);
          for (const c of channels) load(((n * s.inH + y) * s.inW + x) * s.inC + c);
        }
      }
    };
    for (const oy0 of range(0, s.outH, Math.min(tileRows, s.outH))) {
      const band = range(oy0, Math.min(oy0 + tileRows, s.outH));
      const later = new Set(range(oy0, s.outH).flatMap(rowsOf));
      const before = [...ring];
      if (lineBuffer !== undefined) {
        const bottom = (band.at(-1) ?? 0) * s.strideH - s.padTop + (s.kernelH - 1) * s.dilationH;
        copy(Math.min(s.inH - 1, lineBuffer.newest ? bottom : bottom - 1));
      }
      for (const y of ring.filter((y) => later.has(y) && !before.includes(y)))
        for (const i of range(0, rowBytes)) load((n * s.inH + y) * rowBytes + i);
      for (const ox0 of range(0, s.outW, Math.min(tilePixels, s.outW))) {
        const columns = range(ox0, Math.min(ox0 + tilePixels, s.outW));
        const pixels = band.flatMap((oy) => columns.map((ox) => [oy, ox] as const));
        const all = range(0, s.outC);
        if (channelBlock === undefined) {
          for (const [oy, ox] of pixels) pixel(oy, ox, all, 'read');
          for (const [oy, ox] of pixels) pixel(oy, ox, all, 'write');
          continue;
        }
        for (const first of range(0, s.outC, channelBlock)) {
          for (const [oy, ox] of pixels) {
            const end = Math.min(first + channelBlock, s.outC);
            const block = range(Math.max(0, end - channelBlock), end);
            pixel(oy, ox, block, 'read');
            pixel(oy, ox, block, 'write');
          }
        }
      }
    }
  }
  return safe;
}

const rows: readonly { edge: string; shape: WindowShape; walk?: Walk; lead: number }[] = [
  { edge: '1x1, as many channels', shape: shapeOf([4, 5, 8], 8, 1, 1, [0, 0]), lead: 0 },
  {
    edge: '1x1, channels in blocks: the last block still reads the pixel',
    shape: shapeOf([4, 5, 8], 8, 1, 1, [0, 0]),
    walk: { channelBlock: 4 },
    lead: 4,
  },
  {
    edge: '1x1 to twice the channels: nearly all of the input lies behind',
    shape: shapeOf([48, 48, 8], 16, 1, 1, [0, 0]),
    lead: (48 * 48 - 1) * 8,
  },
  {
    edge: '1x1 to half the channels: the output can even begin later',
    shape: shapeOf([4, 5, 8], 4, 1, 1, [0, 0]),
    lead: -4,
  },
  {
    edge: '3x3 SAME: one row and one pixel are still needed',
    shape: shapeOf([25, 5, 64], 64, 3, 1, [1, 1]),
    lead: 5 * 64 + 64,
  },
  {
    edge: '3x3 SAME, depthwise: channels in blocks read no others',
    shape: shapeOf([25, 5, 64], 64, 3, 1, [1, 1]),
    walk: { channelBlock: 4, depthwise: true },
    lead: 5 * 64 + 64,
  },
  {
    edge: '3x3 stride 2, depthwise: the first pixel reads where it writes',
    shape: shapeOf([24, 24, 16], 16, 3, 2, [0, 1]),
    walk: { channelBlock: 4, depthwise: true },
    lead: 0,
  },
  {
    edge: '3x3 SAME by rows',
    shape: shapeOf([25, 5, 64], 64, 3, 1, [1, 1]),
    walk: { tilePixels: Infinity },
    lead: 5 * 64,
  },
  {
    edge: '3x3 SAME, two rows copied',
    shape: shapeOf([25, 5, 64], 64, 3, 1, [1, 1]),
    walk: { lineBuffer: { rows: 2, newest: false } },
    lead: 0,
  },
  {
    edge: '3x3 SAME, three rows copied, the newest too',
    shape: shapeOf([25, 5, 64], 64, 3, 1, [1, 1]),
    walk: { lineBuffer: { rows: 3, newest: true } },
    lead: -5 * 64,
  },
  {
    edge: '3x3 stride 2 of an image of 3 channels',
    shape: shapeOf([96, 96, 3], 8, 3, 2, [0, 1]),
    lead: 47 * 8 - 46 * 2 * 3 - 2 * 3,
  },
  {
    edge: 'the whole image is read first',
    shape: shapeOf([4, 4, 2], 3, 3, 1, [1, 1]),
    walk: { tileRows: 4, tilePixels: 4 },
    lead: -32,
  },
];

const shapes = fc
  .record({
    batches: fc.integer({ min: 1, max: 2 }),
    inH: fc.integer({ min: 1, max: 6 }),
    inW: fc.integer({ min: 1, max: 6 }),
    inC: fc.integer({ min: 1, max: 4 }),
    outC: fc.integer({ min: 1, max: 7 }),
    kernelH: fc.integer({ min: 1, max: 3 }),
    kernelW: fc.integer({ min: 1, max: 3 }),
    strideH: fc.integer({ min: 1, max: 4 }),
    strideW: fc.integer({ min: 1, max: 4 }),
    dilationH: fc.integer({ min: 1, max: 3 }),
    dilationW: fc.integer({ min: 1, max: 3 }),
    padTop: fc.nat({ max: 3 }),
    padLeft: fc.nat({ max: 3 }),
    padBottom: fc.nat({ max: 3 }),
    padRight: fc.nat({ max: 3 }),
  })
  .map((s) => {
    const out = (extent: number, k: number, d: number, stride: number, pads: number) =>
      Math.floor((extent + pads - (k - 1) * d - 1) / stride) + 1;
    const outH = out(s.inH, s.kernelH, s.dilationH, s.strideH, s.padTop + s.padBottom);
    const outW = out(s.inW, s.kernelW, s.dilationW, s.strideW, s.padLeft + s.padRight);
    return { ...s, outH, outW };
  })
  .filter(({ outH, outW }) => outH > 0 && outW > 0);

const walks: fc.Arbitrary<Walk> = fc.record(
  {
    tilePixels: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(Infinity)),
    tileRows: fc.integer({ min: 1, max: 3 }),
    channelBlock: fc.integer({ min: 1, max: 4 }),
    depthwise: fc.boolean(),
    lineBuffer: fc.record({ rows: fc.integer({ min: 1, max: 6 }), newest: fc.boolean() }),
  },
  { requiredKeys: [] },
);

describe('overlap: windowLead', () => {
  for (const { edge, shape, walk = {}, lead } of rows) {
    it(edge, () => {
      expect(windowLead(shape, walk)).to.equal(lead);
      expect(isSafe(shape, walk, lead)).to.equal(true);
    });
  }

  it('of more pixels than any board holds is their size, which shares nothing', () => {
    const rows = (inH: number) => shapeOf([inH, 2 ** 9, 2], 2, 1, 1, [0, 0]);
    expect(windowLead(rows(2 ** 10))).to.equal(0);
    expect(windowLead(rows(2 ** 10 + 1))).to.equal((2 ** 10 + 1) * 2 ** 10);
  });

  it('is the least that is safe, whatever the shape and the walk', () => {
    fc.assert(
      fc.property(shapes, walks, (shape, walk) => {
        const lead = windowLead(shape, walk);
        const { batches, inH, inW, inC, outH, outW, outC } = shape;
        const [inBytes, outBytes] = [batches * inH * inW * inC, batches * outH * outW * outC];
        expect(lead).to.be.within(-inBytes, outBytes);
        for (let more = lead; more <= outBytes; more++)
          expect(isSafe(shape, walk, more), `${more}`).to.equal(true);
        if (lead > -inBytes) expect(isSafe(shape, walk, lead - 1)).to.equal(false);
      }),
      { numRuns: runs(400) },
    );
  });
});
