/** Options of a few values: what a mistyped one may have meant. */
import { type Command, InvalidArgumentError } from 'commander';
import { didYouMean } from '../nearest.js';

/** Commander names all choices; this adds those near the value. For commands that have all options. */
export function withSuggestions(command: Command): void {
  for (const option of command.options) {
    const { argChoices } = option;
    if (argChoices !== undefined) option.argParser((text: string) => chosen(text, argChoices));
  }
}

/** @throws InvalidArgumentError for a text that is no choice */
export function chosen(text: string, choices: readonly string[]): string {
  if (choices.includes(text)) return text;
  const all = `Allowed choices are ${choices.join(', ')}`;
  throw new InvalidArgumentError(`${all}${didYouMean(text, choices) || '.'}`);
}
