/** bonsaic.json: defaults of a folder, for the options and the model that the command line leaves out. */

import { dirname, resolve } from 'node:path';
import { join, split } from 'shlex';
import { z } from 'zod';
import { listTargets } from './boards/target/index.js';
import { goals } from './compiler/ir/op.js';
import { roundings } from './compiler/ir/rounding.js';
import { BonsaiError } from './errors.js';
import { readInput } from './files.js';
import { issueText } from './issues.js';

const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'has a character 0, which the system ends a path at');
const budget = z.number().positive();

/** Paths are relative to the file; the rest is what options of the same name take. */
const schema = z
  .strictObject({
    model: path,
    target: z.enum(listTargets()),
    port: path,
    /** --optimize */
    goal: z.enum(goals),
    maxFlash: budget,
    maxRam: budget,
    maxMs: budget,
    vectors: path,
    labels: path,
    output: path,
    rounding: z.enum(roundings),
    cores: z.literal([1, 2, 'auto']),
    sramCopies: z.enum(['none', 'half', 'all']),
    shape: z.array(z.string().min(1)),
    strict: z.boolean(),
    faithful: z.boolean(),
    keepInput: z.boolean(),
    stream: z.int().nonnegative(),
    hop: z.int().positive(),
    xip: z.enum(['model', 'ideal']),
    timeout: z.number().positive(),
    cc: z.string().min(1),
  })
  .partial();

export type Config = Readonly<z.infer<typeof schema>>;
export type ConfigKey = keyof Config;

const paths: ReadonlySet<ConfigKey> = new Set(['model', 'vectors', 'labels', 'output']);

/** @throws BonsaiError 'usage' that names the key, what is wrong with it and which keys there are */
export function readConfig(file: string): Config {
  const keys = Object.keys(schema.shape).join(', ');
  const hint = `a JSON object with any of: ${keys}`;
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(readInput(file, 'config')));
  } catch (error) {
    if (error instanceof BonsaiError) throw error;
    throw new BonsaiError('usage', file, `is not JSON: ${(error as Error).message}`, hint);
  }
  const parsed = schema.safeParse(json, { error: issueText });
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => {
      const place = issue.path.length > 0 ? `"${issue.path.join('.')}" ` : '';
      return `${place}${issue.message}`;
    });
    throw new BonsaiError('usage', file, issues.join('; '), hint);
  }
  const folder = dirname(file);
  const entries = Object.entries(parsed.data).map(([key, value]) => [
    key,
    paths.has(key as ConfigKey) ? resolve(folder, value as string) : value,
  ]);
  const { cc } = parsed.data;
  if (cc !== undefined) entries.push(['cc', commandFrom(folder, cc)]);
  return Object.fromEntries(entries);
}

/** A command whose program is a path begins at the file too; what has no end is refused later. */
function commandFrom(folder: string, command: string): string {
  try {
    const [program = '', ...args] = split(command);
    return program.includes('/') ? join([resolve(folder, program), ...args]) : command;
  } catch {
    return command;
  }
}
