/** This package's own files: targets/, firmware/ and package.json lie beside src/, as beside dist/. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/** The path of a file of the package ('firmware/src/frame.c'). */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, root));
}

const manifest = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  readonly version: string;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

export const { version } = manifest;

/** Name → versions of the packages that an installation may leave out. */
export const optionalVersions: ReadonlyMap<string, string> = new Map(
  Object.entries(manifest.optionalDependencies),
);
