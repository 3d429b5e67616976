/** Models on simulated boards, through the command line. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Run {
  readonly verify: { readonly mismatches: number };
  readonly latency: { readonly unit: string; readonly count: number; readonly ms: number };
  readonly memory: { readonly flashBytes: number; readonly ramBytes: number };
}

const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));

/** On the simulated board, whose bits are compared with those of `evaluate`. */
export function runOn(board: string, path: string) {
  const options = ['--target', board, '--port', 'sim', '--json'];
  const text = execFileSync('npx', ['tsx', cli, 'run', path, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
  });
  const { verify, latency, memory } = JSON.parse(text.toString()) as Run;
  if (verify.mismatches > 0) throw new Error(`${path} computes other bits on ${board}`);
  const { flashBytes, ramBytes } = memory;
  return { count: latency.count, unit: latency.unit, ms: latency.ms, flashBytes, ramBytes };
}
