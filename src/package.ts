/** This package's own files: targets/, firmware/ and package.json lie beside src/, as beside dist/. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/** The path of a file of the package ('firmware/src/frame.c'). */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, root));
}

const manifest = readFileSync(packageFile('package.json'), 'utf8');

/** The version in package.json. */
export const version: string = (JSON.parse(manifest) as { version: string }).version;
