/** Programs that flash through a debug probe, as targets/debug-probes.json describes them. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { packageFile } from '../../../package.js';

const words = z.array(z.string()).readonly();
const pattern = z.string().transform((text) => new RegExp(text, 'im'));

/** In the order in which their patterns are tried. */
const failureKinds = ['no-probe', 'several', 'busy', 'verify', 'protected', 'no-chip'] as const;
export type FailureKind = (typeof failureKinds)[number];

/**
 * Calls are templates: {name} is a value; an argument that is {probe} or {select} alone becomes the
 * arguments for a kind of probe, or those that choose one of several probes.
 */
const tool = z.strictObject({
  name: z.string(),
  program: z.string(),
  /** How to install it. */
  install: z.string(),
  /** Kinds of probes, which are tried in order. */
  probes: z.array(z.strictObject({ name: z.string(), arguments: words })).nonempty(),
  select: words,
  /** Prints the word at an address of the chip. */
  identify: words,
  /** Finds that word, in hexadecimal. */
  identified: pattern,
  /** Write, verify and start. */
  commands: z.array(words).nonempty(),
  /** What the tool's own messages mean. */
  failures: z.array(z.strictObject({ pattern, kind: z.enum(failureKinds) })),
});

export type ProbeTool = z.infer<typeof tool>;

const path = packageFile('targets/debug-probes.json');

/** All that are known, the best first. */
export function probeTools(): readonly ProbeTool[] {
  return z.array(tool).parse(JSON.parse(readFileSync(path, 'utf8')));
}

export type Values = ReadonlyMap<string, string>;

/** A template as arguments. `lists`: arguments that stand for several. */
export function expand(
  template: readonly string[],
  values: Values,
  lists: ReadonlyMap<string, readonly string[]> = new Map(),
): string[] {
  return template.flatMap((word) => {
    const list = lists.get(word.replace(/^\{(\w+)\}$/, '$1'));
    if (list !== undefined) return list;
    return [word.replace(/\{(\w+)\}/g, (text, name: string) => values.get(name) ?? text)];
  });
}

export function failureOf({ failures }: ProbeTool, said: string): FailureKind | null {
  return failures.find(({ pattern }) => pattern.test(said))?.kind ?? null;
}
