/** Output directories: written by compile, read by build, flash and profile. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Emission, Manifest } from '../../compiler/codegen/manifest.js';
import { BonsaiError } from '../../errors.js';
import { readInput } from '../../files.js';
import type { Target } from '../target/index.js';
import type { Replacing } from './folder.js';
import { claimProject, firmwareFiles, recoverProject, writeProject } from './project.js';
import { isAsWritten } from './sums.js';

/** The copy of the model that lets `profile` check the firmware against the evaluator. */
const modelFile = 'model.tflite';

interface SaveHow extends Replacing {
  /** More files: path in the directory → text. */
  readonly extra?: ReadonlyMap<string, string>;
}

/** Writes everything that `make` and bonsaic need; an existing directory survives any failure. */
export function saveProject(
  directory: string,
  { files, manifest }: Emission,
  target: Target,
  modelBytes: Uint8Array,
  { extra = new Map(), force = false }: SaveHow = {},
): void {
  // What this process builds belongs to what it wrote.
  claimProject(directory);
  recoverProject(directory);
  writeProject(
    directory,
    new Map<string, string | Uint8Array>([
      ...files,
      ...firmwareFiles(target, manifest.plan.options.cores),
      [modelFile, modelBytes],
      ...extra,
    ]),
    { force },
  );
}

/** A directory that `compile` wrote, to name the firmware of a board. */
export interface KnownBuild {
  readonly directory: string;
  readonly tag: string;
  readonly model: { readonly name: string; readonly sha256: string };
}

const knownBuild = z.object({
  tag: z.string(),
  plan: z.object({ model: z.object({ name: z.string(), sha256: z.string() }) }),
});

/** The builds in a folder and one level below; whatever is none is left out. */
export function buildsIn(folder: string): KnownBuild[] {
  return [folder, ...subfolders(folder)].flatMap((directory) => {
    try {
      const bytes = readInput(join(directory, 'bonsai.json'), 'manifest');
      const manifest = JSON.parse(new TextDecoder().decode(bytes));
      const { tag, plan } = knownBuild.parse(manifest);
      return [{ directory, tag, model: plan.model }];
    } catch {
      return [];
    }
  });
}

function subfolders(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  } catch {
    return [];
  }
}

/** @throws BonsaiError 'usage' when the directory is not one that `compile` wrote */
export function readManifest(directory: string): Manifest {
  recoverProject(directory);
  const path = join(directory, 'bonsai.json');
  let manifest: Manifest;
  let bytes: Uint8Array;
  try {
    bytes = readInput(path, 'manifest');
    manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  } catch {
    throw new BonsaiError(
      'usage',
      directory,
      'is not a directory written by bonsaic compile',
      'bonsaic compile MODEL --target T -o DIR',
    );
  }
  // Its sum vouches for all that follows from it: the model's name becomes a path.
  const isWhole = isAsWritten(directory, 'bonsai.json', bytes);
  if (manifest?.format !== 1) {
    throw new BonsaiError('usage', path, 'was written by another version', 'compile again');
  }
  if (isWhole !== true) {
    const hint = isWhole === null ? 'compile into a new directory' : 'compile again with --force';
    throw new BonsaiError('usage', path, 'is damaged, or was changed', hint);
  }
  return manifest;
}

/** The directory's copy of the model that it was compiled from. */
export function readModelCopy(directory: string): {
  readonly bytes: Uint8Array;
  readonly path: string;
} {
  const path = join(directory, modelFile);
  return { bytes: readInput(path, 'model'), path };
}
