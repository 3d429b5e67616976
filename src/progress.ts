/** How stages that take time tell what they are doing. */

/**
 * What a running step may say about itself: a line under its title. A terminal that redraws shows
 * `picture` (lines of at most 78 columns) in its place; a log has a text that is repeated once.
 */
export type Say = (text: string, picture?: string) => void;

/** Runs one titled step, and shows it. */
export type Progress = <T>(title: string, work: (say: Say) => T | Promise<T>) => Promise<T>;

/** '████████░░░░░░░░ 4/8' */
export function bar(done: number, total: number, width = 24): string {
  const full = total === 0 ? width : Math.round((done / total) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${done}/${total}`;
}

/** A rate over less time says nothing. */
const leastRateMs = 50;

/** From when on, and from how many bytes on, a rate is measured: the bytes before were there already. */
export interface RateBase {
  readonly done: number;
  readonly sinceMs: number;
}

/** '████████░░░░░░░░ 12/30 KB, 10.4 KB/s, 2 s left' */
export function transferBar(done: number, total: number, base: RateBase): string {
  const kilobytes = (bytes: number) => Math.ceil(bytes / 1024);
  const shown = `${bar(kilobytes(done), kilobytes(total))} KB`;
  if (done <= base.done || base.sinceMs < leastRateMs) return shown;
  const bytesPerSecond = ((done - base.done) * 1000) / base.sinceMs;
  const left = Math.ceil((total - done) / bytesPerSecond);
  return `${shown}, ${(bytesPerSecond / 1024).toFixed(1)} KB/s, ${left} s left`;
}

/** Work up to which nobody asks what takes so long, and between two lines. */
const slowSeconds = 5;

/** Seconds of work of this process: a busy machine makes nothing slow that is not. */
function workSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** `say` for work that is mostly short: it is silent in the first seconds, and then now and then. */
export function sayIfSlow(
  say: (text: string) => void,
  seconds: () => number = workSeconds,
): (text: string) => void {
  let next = seconds() + slowSeconds;
  return (text) => {
    if (seconds() < next) return;
    next = seconds() + slowSeconds;
    say(text);
  };
}
