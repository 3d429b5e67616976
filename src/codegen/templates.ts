/**
 * Handlebars, strict: a name that the context lacks is an error wherever it stands.
 *
 * `strict` alone covers `{{n}}` but not `{{#if n}}` and `{{#each n}}` (measured on 4.7), so the
 * context is guarded by a Proxy that throws on a missing name.
 *
 * A kernel that is another one but for a flag is that one's text: `{{> swar/conv2d_pixels this}}`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { InternalError } from '../errors.js';

/** What a template may see: ready text, booleans, and lists of such. Numbers go through c.ts. */
export type TemplateValue =
  | string
  | boolean
  | readonly TemplateValue[]
  | { readonly [name: string]: TemplateValue };
export type Context = { readonly [name: string]: TemplateValue };

type Render = (context: Context) => string;

/** The package's own files sit two folders above both src/codegen and dist/codegen. */
const packageRoot = new URL('../../', import.meta.url);

/** Path of a file of the package ('firmware/src/frame.c'). */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, packageRoot));
}

export function templateExists(path: string): boolean {
  return existsSync(packageFile(`templates/${path}.hbs`));
}

const loaded = new Map<string, Render>();

/** Renders templates/<path>.hbs. @throws InternalError when the template or a name is missing */
export function render(path: string, context: Context): string {
  let template = loaded.get(path);
  if (template === undefined) {
    if (!templateExists(path)) throw new InternalError('codegen', `no template "${path}"`);
    template = compileTemplate(readFileSync(packageFile(`templates/${path}.hbs`), 'utf8'), path);
    loaded.set(path, template);
  }
  return template(context);
}

/** A template's text made a function; `name` is for its errors. */
export function compileTemplate(text: string, name: string): Render {
  for (const [, kernel] of text.matchAll(/\{\{> (\S+) this\}\}/g)) {
    const path = packageFile(`templates/kernels/${kernel}.hbs`);
    Handlebars.registerPartial(`${kernel}`, readFileSync(path, 'utf8'));
  }
  const template = Handlebars.compile<Context>(text, {
    noEscape: true,
    strict: true,
    knownHelpersOnly: true,
    explicitPartialContext: true,
  });
  return (context) => {
    try {
      return template(guarded(context, name) as Context);
    } catch (error) {
      if (error instanceof InternalError) throw error;
      throw new InternalError('codegen', `template "${name}": ${(error as Error).message}`);
    }
  };
}

/** What Handlebars itself asks contexts for: it compares them and looks for safe strings. */
const asked: ReadonlySet<string> = new Set(['toHTML', 'toString', 'valueOf']);

/** `value` with every object in it made to throw when a name that it lacks is read. */
function guarded(value: TemplateValue, template: string): TemplateValue {
  if (Array.isArray(value)) return value.map((item: TemplateValue) => guarded(item, template));
  if (typeof value !== 'object') return value;
  const inner = Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, guarded(item, template)]),
  );
  return new Proxy(inner, {
    get(target, name) {
      if (typeof name === 'symbol' || asked.has(name) || Object.hasOwn(target, name)) {
        return Reflect.get(target, name);
      }
      throw new InternalError(
        'codegen',
        `template "${template}" names "${name}", which is missing`,
      );
    },
  });
}
