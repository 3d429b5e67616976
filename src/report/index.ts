/** Joins plan, sizes and measurements to a report with one row per step. */
import type { ImageSizes } from '../boards/build/index.js';
import type { Measurement } from '../boards/profile/measure.js';
import type { Manifest } from '../compiler/codegen/manifest.js';
import type { TargetTraits } from '../compiler/ir/op.js';
import { mostMemory } from '../compiler/plan/choose/firmware.js';
import type { LayerRow, Memory, Report } from './types.js';

export type * from './types.js';

/** The known parts: `built` is absent after `compile`, `measured` after `build`. */
export interface ReportParts {
  readonly manifest: Manifest;
  readonly target: TargetTraits;
  readonly built?: { readonly toolchain: string; readonly sizes?: ImageSizes };
  readonly measured?: Measurement;
}

export function makeReport({ manifest, target, built, measured }: ReportParts): Report {
  const { plan } = manifest;
  return {
    model: plan.model,
    target: plan.target,
    device: measured?.device ?? null,
    toolchain: built?.toolchain ?? null,
    verify: measured?.verify ?? null,
    latency: measured?.latency ?? null,
    memory: memoryOf(manifest, target, built?.sizes, measured?.stackBytes ?? null),
    layers: layerRows(manifest, measured),
    options: {
      ...plan.options,
      decision: plan.decision,
      xip: measured?.xip ?? null,
      simulation: measured?.simulation ?? null,
    },
  };
}

function layerRows(manifest: Manifest, measured: Measurement | undefined): LayerRow[] {
  const weightBytes = new Map<number, number>();
  for (const table of manifest.tables) {
    if (table.role !== 'weights') continue;
    weightBytes.set(table.step, (weightBytes.get(table.step) ?? 0) + table.bytes);
  }
  const total = measured?.layerCounts.reduce((sum, count) => sum + count, 0) ?? 0;
  return manifest.plan.steps.map((step) => {
    const count = measured?.layerCounts[step.index] ?? null;
    return {
      index: step.index,
      name: step.name,
      op: step.op,
      ops: step.ops,
      kernel: step.kernel,
      cores: step.cores,
      why: step.why,
      alternatives: step.alternatives,
      macs: step.macs,
      count,
      share: count === null ? null : total === 0 ? 0 : count / total,
      weightBytes: weightBytes.get(step.index) ?? 0,
      region: [...new Set(step.regions)].sort().reverse().join('+') || 'flash',
      crc32: measured?.layerCrc32[step.index] ?? null,
    };
  });
}

/** What is known of a model's memory: as planned, as linked, as measured. */
export function memoryOf(
  { plan, tables }: Pick<Manifest, 'plan' | 'tables'>,
  target: TargetTraits,
  sizes?: ImageSizes,
  stackBytes: number | null = null,
): Memory {
  const bytesOf = (role: string) =>
    tables.reduce((sum, table) => sum + (table.role === role ? table.bytes : 0), 0);
  const sramCopyBytes =
    sizes?.sramCopyBytes ??
    tables.reduce((sum, { region, bytes }) => sum + (region === 'sram' ? bytes : 0), 0);
  const { stateBytes } = plan;
  const staticRamBytes = sizes === undefined ? null : sizes.staticRamBytes - stateBytes;
  const most = mostMemory(plan, target, sramCopyBytes);
  const ramWith = (stack: number) =>
    plan.arenaBytes + stateBytes + (staticRamBytes ?? 0) + stack + sramCopyBytes;
  const ramBytes = staticRamBytes === null || stackBytes === null ? null : ramWith(stackBytes);
  const estimated =
    staticRamBytes === null || target.firmware === undefined
      ? most.ramBytes
      : ramWith(target.firmware.stackBytes);
  return {
    arenaBytes: plan.arenaBytes,
    arenaLowerBoundBytes: plan.arenaLowerBoundBytes,
    stateBytes,
    stackBytes,
    staticRamBytes,
    sramCopyBytes,
    ramBytes,
    codeBytes: sizes?.codeBytes ?? null,
    tableBytes: sizes?.tableBytes ?? bytesOf('table'),
    weightBytes: sizes?.weightBytes ?? bytesOf('weights'),
    flashBytes: sizes?.flashBytes ?? null,
    flashMostBytes: sizes?.flashBytes ?? most.flashBytes,
    ramMostBytes: ramBytes ?? estimated,
  };
}
