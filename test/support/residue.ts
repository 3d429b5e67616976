/** What a template may leave behind in C: text that says nothing, and names that nothing reads. */

/** Comments that a function says again within 16 lines. */
export function repeatedComments(text: string): readonly string[] {
  return text.split('\n}\n').flatMap((body) => {
    const lines = body.split('\n');
    return lines.filter((line, i) => {
      const isComment = /^ +\/\*.*\*\/$/.test(line) && line.trim() !== '/* fall through */';
      return isComment && lines.slice(Math.max(0, i - 16), i).includes(line);
    });
  });
}

/** Fields of structs that C never reads, nor assembly, whose fields have a BONSAI_PLACE. */
export function unreadFields(text: string): readonly string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '');
  const structs = [...code.matchAll(/^struct (\w+) \{([^}]*)\}/gm)];
  return structs.flatMap(([, struct = '', body = '']) =>
    fieldsOf(body).flatMap((field) => {
      const read = `(?:->|\\.)${field}\\b(?! = )|BONSAI_PLACE\\(${struct}, ${field},`;
      return new RegExp(read).test(code) ? [] : [`${struct}.${field}`];
    }),
  );
}

/** Names in `int32_t zero, *row; void (*routine)(const void *); int32_t taps[4];`. */
function fieldsOf(body: string): readonly string[] {
  const declarations = body.replace(/\(\*(\w+)\)\([^)]*\)/g, '$1').replace(/\[[^\]]*\]/g, '');
  return [...declarations.matchAll(/(\w+)\s*[,;]/g)].map(([, name = '']) => name);
}
