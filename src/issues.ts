/** What is wrong with a file that a user writes, in the project's words rather than zod's. */
import type { z } from 'zod';
import { didYouMean } from './nearest.js';

/** For `safeParse(value, { error: issueText })`: what follows the name of a key, or of the file. */
export function issueText(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `is ${shown(issue.input)}, not ${kindOf(issue.expected)}`;
    case 'invalid_value': {
      const allowed = issue.values.map((value) => JSON.stringify(value)).join(', ');
      const near = didYouMean(String(issue.input), issue.values.map(String));
      return `is ${shown(issue.input)}, not one of ${allowed}${near}`;
    }
    case 'too_small': {
      const isNumber = typeof issue.input === 'number';
      const least = `${issue.inclusive === false ? 'above' : 'at least'} ${issue.minimum}`;
      return isNumber ? `is ${shown(issue.input)}, not ${least}` : 'is empty';
    }
    case 'too_big': {
      const most = `${issue.inclusive === false ? 'below' : 'at most'} ${issue.maximum}`;
      return typeof issue.input === 'number'
        ? `is ${shown(issue.input)}, not ${most}`
        : `has more than ${issue.maximum} of them`;
    }
    case 'unrecognized_keys': {
      const keys = issue.keys.map((key) => JSON.stringify(key)).join(', ');
      return `does not know the ${issue.keys.length === 1 ? 'key' : 'keys'} ${keys}`;
    }
    case 'invalid_union':
      if (issue.discriminator !== undefined) {
        const given = new Map(Object.entries(issue.input as object)).get(issue.discriminator);
        return given === undefined ? 'is missing' : `is ${shown(given)}, which is not known`;
      }
      return `is ${shown(issue.input)}, which is not allowed here`;
    default:
      return undefined;
  }
}

const kinds: ReadonlyMap<string, string> = new Map([
  ['object', 'an object'],
  ['array', 'an array'],
  ['int', 'an integer'],
]);

function kindOf(expected: string): string {
  return kinds.get(expected) ?? `a ${expected}`;
}

/** '"9000"', '0', 'an array' */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  // JSON has no word for numbers beyond its largest.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
