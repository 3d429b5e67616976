/** Available flash and RAM, and their use. */
import type { ModelSize } from '../../analysis/index.js';
import type { Optimize, TargetTraits } from '../../ir/op.js';
import type { CompileOptions, SramCopies } from '../types.js';
import { fetchCycles } from './candidates.js';
import { runtimeBytesOf } from './code-size.js';
import { budgetForModel, secondCoreBytes } from './firmware.js';

/** The model before the passes. */
export interface SourceModel extends ModelSize {
  /** Share of its parameters that passes kept; they remove those of dead channels. */
  readonly liveShare: number;
  /** Cycles operator by operator, as `--faithful` plans it. Infinity: unknown. */
  cycles(): number;
}

/** Limits for a choice of kernels. Infinity: no limit. */
export interface Room {
  /** Flash for the whole image. */
  readonly flashBytes: number;
  /** Of the board's flash, what a goal takes unasked. */
  readonly usualFlashBytes: number;
  /** The board's flash. */
  readonly mostFlashBytes: number;
  /** Flash that every image needs: the runtime, and the calls of kernels. */
  readonly runtimeBytes: number;
  readonly source: SourceModel;
  /** RAM for the arena: with the leanest kernels, and the limit. */
  readonly leastArenaBytes: number;
  readonly mostArenaBytes: number;
  /** Time, in the unit that the target counts. */
  readonly mostCycles: number;
  /** What TFLM with CMSIS-NN takes at the least; Infinity: unknown. */
  readonly interpreterCycles: number;
  /** RAM for copies of weights beside an arena of `arenaBytes`. */
  copyBytes(arenaBytes: number): number;
  /** The rooms with more and with all RAM for copies, if the goal may take it for a gain in time. */
  readonly withMoreCopies?: Room;
  readonly withAllCopies?: Room;
}

/** RAM for the runtime and the stack. */
const runtimeAllowanceBytes = 3.5 * 1024;

/** RAM for the arena and copies of weights: what the board has, and what a budget leaves. */
export function ramForModel(target: TargetTraits, options: CompileOptions, steps: number): number {
  const runtime = runtimeAllowanceBytes + ((options.cores ?? 1) > 1 ? secondCoreBytes : 0);
  const onBoard = (target.ramBytes ?? Infinity) - runtime;
  return Math.min(onBoard, budgetForModel(target, options, steps, runtime));
}

/** Share of the free RAM for copies of weights. The application has the rest. */
const copyShares: Readonly<Record<SramCopies, number>> = { none: 0, half: 0.5, all: 1 };

/** What goals but speed take where copies halve the time. */
const mostCopies = 7 / 8;

/** Of the board's flash, without --max-flash: speed would fill it with weights as code. */
const flashShares: Readonly<Record<Optimize, number>> = { speed: 0.75, balanced: 1, size: 1 };

function defaultCopies(optimize: Optimize): SramCopies {
  return optimize === 'speed' ? 'all' : 'half';
}

/** An interpreter reads all weights from flash, each at least once. */
function interpreterCycles({ macs, sums, parameters }: ModelSize, target: TargetTraits): number {
  const { interpreter } = target;
  if (interpreter === undefined || macs === 0) return Infinity;
  const { perMac, perSum } = interpreter;
  return macs * perMac + sums * perSum + fetchCycles(parameters, target);
}

/**
 * @param steps their number
 * @param leastArenaBytes with the leanest kernels
 * @param gapBytes RAM lost because the arena does not pack without gaps
 */
export function roomOf(
  target: TargetTraits,
  options: CompileOptions,
  steps: number,
  leastArenaBytes: number,
  source: SourceModel,
  gapBytes: number,
): Room {
  const { flashBytes, ramBytes, regions } = target;
  const {
    maxFlash = Infinity,
    maxMs = Infinity,
    optimize,
    sramCopies = defaultCopies(optimize),
  } = options;
  const forModel = ramForModel(target, options, steps) - gapBytes;
  const onChip = (ramBytes ?? Infinity) - (regions?.sram.reservedBytes ?? 0) - gapBytes;
  const copyBytes = (share: number) => (arenaBytes: number) => {
    // 0 × Infinity would be NaN.
    if (regions === undefined || share === 0) return 0;
    const bytes = Math.floor(share * (onChip - arenaBytes));
    return Math.max(0, Math.min(bytes, forModel - arenaBytes));
  };
  const mostFlashBytes = flashBytes ?? Infinity;
  const usual = options.maxFlash === undefined ? flashShares[optimize] : 1;
  const room: Room = {
    // Sizes of code are those of one board of the core.
    flashBytes: Math.min(mostFlashBytes, maxFlash - (target.firmware?.codeBytes ?? 0)),
    usualFlashBytes: usual * mostFlashBytes,
    mostFlashBytes,
    runtimeBytes: runtimeBytesOf(steps, target, optimize),
    source,
    leastArenaBytes,
    mostArenaBytes: Math.max(leastArenaBytes, forModel),
    mostCycles: maxMs * ((target.clockHz ?? Infinity) / 1000),
    interpreterCycles: interpreterCycles(source, target),
    copyBytes: copyBytes(copyShares[sramCopies]),
  };
  return optimize !== 'speed' && options.sramCopies === undefined
    ? {
        ...room,
        withMoreCopies: { ...room, copyBytes: copyBytes(mostCopies) },
        withAllCopies: { ...room, copyBytes: copyBytes(1) },
      }
    : room;
}
