/** The command line as one script in a copy of the package, which starts five times as fast. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const copy = join(root, 'build/test-cli');
const beside = ['package.json', 'node_modules', 'templates', 'targets', 'firmware'];

/** Path of the script that Node runs. */
export const cliPath = join(copy, 'dist/cli.js');

/** Whether a source is newer than the script, or has gone since: the folder is newer then. */
function isStale(): boolean {
  if (!existsSync(cliPath)) return true;
  const made = statSync(cliPath).mtimeMs;
  const names = ['.', ...readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })];
  return names.some((name) => statSync(join(root, 'src', name)).mtimeMs >= made);
}

/** Makes the scripts, unless they are made of these sources; several processes may do so at once. */
function refresh(): void {
  mkdirSync(join(copy, 'dist'), { recursive: true });
  for (const name of beside) {
    try {
      symlinkSync(join(root, name), join(copy, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  if (!isStale()) return;
  const begin = new Date();
  const { outputFiles } = buildSync({
    // The worker lies beside what starts it.
    entryPoints: { cli: join(root, 'src/cli.ts'), worker: join(root, 'src/cli/worker.ts') },
    ...{ bundle: true, splitting: true, packages: 'external', keepNames: true },
    ...{ platform: 'node', target: 'node20', format: 'esm' },
    ...{ outdir: join(copy, 'dist'), write: false, logLevel: 'error' },
  });
  // The one whose age counts comes last.
  const files = [...outputFiles].sort(
    (a, b) => Number(a.path === cliPath) - Number(b.path === cliPath),
  );
  for (const { path, contents } of files) {
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
  }
  // A source that was changed meanwhile is newer.
  utimesSync(cliPath, begin, begin);
}

refresh();
