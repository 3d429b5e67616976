/** How stages that take time tell what they are doing. */

/** What a running step may say about itself: a line under its title. */
export type Say = (text: string) => void;

/** Runs one titled step, and shows it. */
export type Progress = <T>(title: string, work: (say: Say) => T | Promise<T>) => Promise<T>;

/** '████████░░░░░░░░ 4/8' */
export function bar(done: number, total: number, width = 24): string {
  const full = total === 0 ? width : Math.round((done / total) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${done}/${total}`;
}
