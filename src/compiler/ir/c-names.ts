/**
 * Names of users → C identifiers. Models, tensors and kernels all get theirs here; TypeScript
 * accepts them too.
 */

/** C99, 6.4.1. */
const keywords =
  /^(auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long|register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while)$/;

/** Names of C headers, which the header of a model must not shadow. */
const headers =
  /^(assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|tgmath|time|wchar|wctype)$/i;

/** 'bonsai_' is the prefix of the firmware's names. */
const firmware = /^bonsai(_|$)/i;

/**
 * The letters and digits of `text`, with '_' between its words, and after `prefix` where that alone
 * would be no identifier: 'conv-1/out' → 'conv_1_out', with prefix 't' '7' → 't_7', 'int' → 't_int'.
 */
export function cName(text: string, prefix: string): string {
  const words = text.match(/[A-Za-z0-9]+/g)?.join('_') ?? '';
  if (words === '') return prefix;
  return /^[0-9]/.test(words) || keywords.test(words) ? `${prefix}_${words}` : words;
}

/** `cName` of each, in order, with a number where two would differ in case at most. */
export function cNames(texts: readonly string[], prefix: string): readonly string[] {
  const taken = new Set<string>();
  return texts.map((text) => {
    const stem = cName(text, prefix);
    let name = stem;
    for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${stem}_${n}`;
    taken.add(name.toLowerCase());
    return name;
  });
}

/**
 * The name of a model's functions, macros and files, from the name of its file:
 * 'my-model.v2.tflite' → 'my_model_v2', 'math.tflite' → 'model_math'.
 */
export function modelCName(file: string): string {
  const name = cName(file.replace(/\.tflite$/i, ''), 'model');
  return headers.test(name) || firmware.test(name) ? `model_${name}` : name;
}
