/**
 * Golden C in which each text stands once: what several cases print is in one file, by name, and
 * the case has a line `#include "NAME"` in its place. The whole text of a case follows from both.
 */

/** The text that several cases have, by its name. */
export type Shared = ReadonlyMap<string, string>;

const include = /^#include "(.*)"$/;

/**
 * Declarations of one text: cut at the blank lines outside of braces and of `#if`. A second blank
 * line belongs to the declaration above it.
 */
function declarationsOf(text: string): readonly string[] {
  const found: string[][] = [];
  let [braces, conditions, isOpen] = [0, 0, false];
  for (const line of text.split('\n')) {
    if (line === '' && braces === 0 && conditions === 0) {
      if (!isOpen) found.at(-1)?.push('');
      isOpen = false;
      continue;
    }
    if (!isOpen) found.push([]);
    isOpen = true;
    found.at(-1)?.push(line);
    if (/^#\s*if/.test(line)) conditions++;
    if (/^#\s*endif/.test(line)) conditions--;
    // Braces of assembly are in strings.
    const code = line.replace(/"[^"]*"/g, '');
    braces += code.split('{').length - code.split('}').length;
  }
  return found.map((lines) => lines.join('\n'));
}

/** The name that C declares, as a reader would call the text. */
function nameOf(declaration: string): string {
  const code = declaration
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/^_Static_assert.*$/gm, '')
    .replace(/__attribute__\(\(.*?\)\)+/g, '');
  const forms = [
    /^struct (\w+) \{/m,
    /^(?:\w[^\n(;={]*)?\b(\w+)\(/m,
    /^#define (\w+)/m,
    /^static [^\n;]*?\b(\w+)\[/m,
  ];
  const names = forms.flatMap((form) => form.exec(code)?.[1] ?? []);
  return names[0] ?? 'text';
}

/** What a case's file has, once the shared texts are in their places. */
export function unfolded(file: string, shared: Shared): string {
  const texts = declarationsOf(file).flatMap((part) => {
    const lines = part.split('\n');
    return include.test(lines[0] ?? '')
      ? lines.map((line) => {
          const [, name = ''] = include.exec(line) ?? [];
          const text = shared.get(name);
          if (text === undefined) throw new Error(`no shared text is called "${name}": ${line}`);
          return text;
        })
      : [part];
  });
  return `${texts.join('\n\n')}\n`;
}

/** The names of the shared texts that a case's file has. */
export function includesOf(file: string): readonly string[] {
  return file.split('\n').flatMap((line) => include.exec(line)?.[1] ?? []);
}

/** Reads the file of shared texts. */
export function readShared(file: string): Shared {
  const parts = `${file}\n`.split(/^\/\/\/ /m).slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end + 1, -2)];
    }),
  );
}

/** The files of all cases, and that of what several of them have. */
export function folded(texts: ReadonlyMap<string, string>): {
  readonly shared: string;
  readonly files: ReadonlyMap<string, string>;
} {
  const cases = new Map([...texts].map(([name, text]) => [name, declarationsOf(text)] as const));
  const users = new Map<string, number>();
  for (const own of cases.values())
    for (const one of new Set(own)) users.set(one, (users.get(one) ?? 0) + 1);
  const names = new Map<string, string>();
  const taken = new Map<string, number>();
  for (const [one] of [...users].filter(([, count]) => count > 1)) {
    const name = nameOf(one);
    const number = (taken.get(name) ?? 0) + 1;
    taken.set(name, number);
    names.set(one, number === 1 ? name : `${name}, another ${number}`);
  }
  const file = (own: readonly string[]) => {
    const lines = own.map((one) => {
      const name = names.get(one);
      return name === undefined ? one : `#include "${name}"`;
    });
    const text = lines.reduce((all, line, i) => {
      const together = include.test(line) && include.test(lines[i - 1] ?? '');
      return `${all}${together ? '\n' : '\n\n'}${line}`;
    });
    return `${text}\n`;
  };
  return {
    shared: [...names].map(([text, name]) => `/// ${name}\n${text}\n`).join('\n'),
    files: new Map([...cases].map(([name, own]) => [name, file(own)])),
  };
}
