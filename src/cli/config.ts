/** bonsaic.json: defaults of a folder, for the options and the model that the command line leaves out. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command, Option } from 'commander';
import { join, split } from 'shlex';
import { z } from 'zod';
import { BonsaiError } from '../errors.js';
import { goals } from '../ir/op.js';
import { issueText } from '../issues.js';
import { listTargets } from '../target/index.js';
import { readInput } from './input.js';
import { note } from './output.js';

/** Read without --config, where the working folder has it. */
const usualFile = 'bonsaic.json';

const path = z.string().min(1);
const budget = z.number().positive();

/** Paths are relative to the file; the rest is what options of the same name take. */
const schema = z
  .strictObject({
    model: path,
    target: z.enum(listTargets()),
    port: z.string().min(1),
    /** --optimize */
    goal: z.enum(goals),
    maxFlash: budget,
    maxRam: budget,
    maxMs: budget,
    vectors: path,
    labels: path,
    output: path,
    rounding: z.enum(['tflm', 'tflite']),
    cores: z.literal([1, 2, 'auto']),
    sramCopies: z.enum(['none', 'half', 'all']),
    strict: z.boolean(),
    faithful: z.boolean(),
    keepInput: z.boolean(),
    xip: z.enum(['model', 'ideal']),
    timeout: z.number().positive(),
    cc: z.string().min(1),
  })
  .partial();

type Config = Readonly<z.infer<typeof schema>>;
type Key = keyof Config;

const paths: ReadonlySet<Key> = new Set(['model', 'vectors', 'labels', 'output']);
const budgets: ReadonlySet<Key> = new Set(['maxFlash', 'maxRam']);

/** Options that the command line or bonsaic.json has to give. */
const needed = new WeakSet<Option>();

/** As commander's makeOptionMandatory, but bonsaic.json may give it. */
export function required(option: Option): Option {
  needed.add(option);
  return option;
}

/** --config, for all commands; what is missing is asked for when the file has been read. */
export function withConfig(program: Command): Command {
  return program
    .option('--config <file>', `defaults of options; without: ${usualFile} in the working folder`)
    .configureHelp({ showGlobalOptions: true })
    .hook('preAction', (_, command) => {
      applyDefaults(command, program.opts<{ config?: string }>().config);
      for (const option of command.options) {
        if (!needed.has(option) || command.getOptionValue(option.attributeName()) !== undefined) {
          continue;
        }
        command.error(`error: required option '${option.flags}' not specified`);
      }
    });
}

/** Gives a command's options the values of the file, where neither the user nor BONSAIC_CC did. */
function applyDefaults(command: Command, given: string | undefined): void {
  const takesModel = command.registeredArguments.some((argument) => argument.name() === 'model');
  const options = new Map(command.options.map((option) => [option.attributeName(), option]));
  const file = given ?? (existsSync(usualFile) ? usualFile : undefined);
  if (file === undefined || (!takesModel && options.size === 0)) return;
  const taken: string[] = [];
  for (const [key, value] of Object.entries(readConfig(file)) as [Key, Config[Key]][]) {
    const name = key === 'goal' ? 'optimize' : key;
    if (name === 'model' ? !takesModel || command.args.length > 0 : !options.has(name)) continue;
    // A directory has the budgets that it was compiled with.
    if (!takesModel && budgets.has(key)) continue;
    if (!['default', undefined].includes(command.getOptionValueSource(name))) continue;
    const choices = options.get(name)?.argChoices;
    if (choices !== undefined && !choices.includes(String(value))) {
      const hint = `one of: ${choices.join(', ')}`;
      throw new BonsaiError('usage', file, `"${key}": ${value} is not allowed here`, hint);
    }
    const text = typeof value === 'number' && choices !== undefined;
    command.setOptionValueWithSource(name, text ? String(value) : value, 'config');
    taken.push(`${key} ${value}`);
  }
  if (taken.length > 0) note(`defaults of ${file}: ${taken.join(', ')}`);
}

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
    paths.has(key as Key) ? resolve(folder, value as string) : value,
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

/** What stands for a model on the command line. */
export const modelHelp = 'a .tflite file; without: that of bonsaic.json';

/** @throws BonsaiError 'usage' when neither the command line nor bonsaic.json names a model */
export function modelOf(argument: string | undefined, flags: { readonly model?: string }): string {
  const model = argument ?? flags.model;
  if (model !== undefined) return model;
  const hint = `bonsaic COMMAND MODEL, or "model" in ${usualFile}`;
  throw new BonsaiError('usage', 'command line', "missing argument 'model'", hint);
}
