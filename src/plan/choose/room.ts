/** What there is of flash and RAM, and who may have it. */
import type { Optimize, TargetTraits } from '../../ir/op.js';
import type { CompileOptions, SramCopies } from '../types.js';
import { runtimeBytesOf } from './code-size.js';

/** What is known of the model before the passes. */
export interface Source {
  /** Of its parameters, the share that the passes left: those of dead channels are gone. */
  readonly liveShare: number;
  /** What it takes operator by operator, as `--faithful` plans it. Infinity: nobody knows. */
  cycles(): number;
}

/** What a choice of kernels may take. Infinity: no limit. */
export interface Room {
  /** Of flash, for the whole image. */
  readonly flashBytes: number;
  /** Of flash, for what is in every image: the runtime, and what calls the kernels. */
  readonly runtimeBytes: number;
  readonly source: Source;
  /** Of RAM, for the arena: with the leanest kernels, and at most. */
  readonly leastArenaBytes: number;
  readonly mostArenaBytes: number;
  /** Of time, in what the target counts. */
  readonly mostCycles: number;
  /** Of RAM, for copies of weights, beside an arena of so many bytes. */
  copyBytes(arenaBytes: number): number;
}

/** Of RAM, for the runtime and the stack. */
const runtimeAllowanceBytes = 3.5 * 1024;
/** And for the second core: its stack, and what the cores share. */
const secondCoreBytes = 1.5 * 1024;

/** RAM for the arena and copies of weights. */
export function ramForModel(
  { ramBytes }: TargetTraits,
  { maxRam = Infinity, cores = 1 }: CompileOptions,
): number {
  const runtime = runtimeAllowanceBytes + (cores > 1 ? secondCoreBytes : 0);
  return Math.min(ramBytes ?? Infinity, maxRam) - runtime;
}

/** The share of the RAM that is left that copies of weights may have; the application has the rest. */
const copyShares: Readonly<Record<SramCopies, number>> = { none: 0, half: 0.5, all: 1 };

function defaultCopies(optimize: Optimize): SramCopies {
  return optimize === 'speed' ? 'all' : 'half';
}

/**
 * @param steps how many there are
 * @param leastArenaBytes with the leanest kernels
 * @param gapBytes RAM that nothing can have, since the arena does not pack without gaps
 */
export function roomOf(
  target: TargetTraits,
  options: CompileOptions,
  steps: number,
  leastArenaBytes: number,
  source: Source,
  gapBytes: number,
): Room {
  const { flashBytes, ramBytes, regions } = target;
  const {
    maxFlash = Infinity,
    maxMs = Infinity,
    optimize,
    sramCopies = defaultCopies(optimize),
  } = options;
  const forModel = ramForModel(target, options) - gapBytes;
  const onChip = (ramBytes ?? Infinity) - (regions?.sram.reservedBytes ?? 0) - gapBytes;
  return {
    flashBytes: Math.min(flashBytes ?? Infinity, maxFlash),
    runtimeBytes: runtimeBytesOf(steps, target, optimize),
    source,
    leastArenaBytes,
    mostArenaBytes: Math.max(leastArenaBytes, forModel),
    mostCycles: maxMs * ((target.clockHz ?? Infinity) / 1000),
    copyBytes: (arenaBytes) => {
      // None of endless RAM would not be a number.
      if (regions === undefined || sramCopies === 'none') return 0;
      const share = Math.floor(copyShares[sramCopies] * (onChip - arenaBytes));
      return Math.max(0, Math.min(share, forModel - arenaBytes));
    },
  };
}
