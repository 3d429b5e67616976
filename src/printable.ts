/**
 * Text from elsewhere, made fit for a terminal: a model's names, what a board or a compiler says,
 * file names.
 *
 * Escaped is whatever a terminal obeys or does not show: control characters (ESC and the C1 ones),
 * characters that turn the direction of text or join letters unseen, halves of pairs. Lines and tabs
 * stay.
 */
const obeyed = /[^\P{C}\n\t]|[\u2028\u2029]/gu;

function escaped(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, '0')}`;
  return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\u{${code}}`;
}

/** `text` with escapes in place of what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(obeyed, escaped);
}

/** The same in one line of at most `most` characters: for what a board says about itself. */
export function printableLine(text: string, most = 100): string {
  const line = printable(text).replace(/\s+/g, ' ').trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** JSON whose strings hold the same, with escapes of JSON's own. */
export function printableJson(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  // Pairs of surrogates are two escapes in JSON.
  return text.replace(obeyed, (character) =>
    character.replace(
      /[\s\S]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  );
}
