/**
 * Handlebars in strict mode: a name that the context lacks is an error everywhere.
 *
 * `strict` alone covers `{{n}}` but not `{{#if n}}` and `{{#each n}}` (measured on 4.7), so a Proxy
 * around the context throws on a missing name.
 *
 * A template is composed of others when it is rendered:
 *
 *     {{use "portable/dot4"}}(acc, in, weights, depth);       calls a helper, a C function
 *     {{use "portable/store4" single=single_rounding}}(…)     calls the helper made for `single`
 *     {{> dsp/parts/multiply_step shape="pair"}}               is text of templates/kernels/dsp/parts
 *
 * A helper is templates/kernels/<isa>/support/<name>.hbs; a program contains each called helper
 * once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { InternalError } from '../errors.js';

/**
 * Values that a template may use: ready text, booleans, and lists of them. Numbers go through c.ts.
 */
export type TemplateValue =
  | string
  | boolean
  | readonly TemplateValue[]
  | { readonly [name: string]: TemplateValue };
export type Context = { readonly [name: string]: TemplateValue };

/** The header of helpers whose name has no instruction set: {{use "memcpy"}}. */
const library = 'string.h';

/** A C function that templates call: its template, and the parameters that choose its text. */
interface Helper {
  /** Its name in C: the template's name and each parameter, so names are distinct. */
  readonly name: string;
  readonly path: string;
  readonly parameters: Context;
}

type Render = (context: Context, helpers?: Helper[]) => string;

/** The package's files are two folders above both src/codegen and dist/codegen. */
const packageRoot = new URL('../../', import.meta.url);

/** Path of a file of the package ('firmware/src/frame.c'). */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, packageRoot));
}

const loaded = new Map<string, Render>();

/** Renders templates/<path>.hbs. @throws InternalError when the template or a name is missing */
export function render(path: string, context: Context): string {
  return load(path)(context);
}

/** Rendered C, and the helpers that it calls, each after the helpers that it calls itself. */
export class Composition {
  private readonly visited = new Set<string>();
  private readonly texts: string[] = [];
  private callsLibrary = false;

  /** Renders templates/<path>.hbs and keeps its helpers. @throws InternalError as `render` does */
  render(path: string, context: Context): string {
    const helpers: Helper[] = [];
    const text = load(path)(context, helpers);
    for (const helper of helpers) this.add(helper);
    return text;
  }

  /** The name of a helper without parameters, which the program contains from now on. */
  use(template: string): string {
    const helper = helperOf(template, {});
    this.add(helper);
    return helper.name;
  }

  /** The helpers of everything rendered, in an order that C can compile. */
  get helpers(): readonly string[] {
    return this.texts;
  }

  /** Whether the rendered C calls functions of <string.h>. */
  get usesString(): boolean {
    return this.callsLibrary;
  }

  private add({ name, path, parameters }: Helper): void {
    if (path === library) {
      this.callsLibrary = true;
      return;
    }
    const key = `${path} ${name}`;
    if (this.visited.has(key)) return;
    this.visited.add(key);
    const text = this.render(path, { ...parameters, name });
    this.texts.push(`${text.trimEnd()}\n`);
  }
}

function load(path: string): Render {
  const known = loaded.get(path);
  if (known !== undefined) return known;
  const made = compileTemplate(textOf(path), path);
  loaded.set(path, made);
  return made;
}

function textOf(path: string): string {
  if (!templateExists(path)) throw new InternalError('codegen', `no template "${path}"`);
  return readFileSync(packageFile(`templates/${path}.hbs`), 'utf8');
}

function templateExists(path: string): boolean {
  return existsSync(packageFile(`templates/${path}.hbs`));
}

const handlebars = Handlebars.create();

handlebars.registerHelper('use', (template: string, options: Handlebars.HelperOptions) => {
  const helper = helperOf(template, options.hash as Context);
  options.data.helpers.push(helper);
  return helper.name;
});

function helperOf(template: string, parameters: Context): Helper {
  const folder = `kernels/${posix.dirname(template)}/support`;
  const base = posix.basename(template);
  if (base === template) return { name: base, path: library, parameters: {} };
  const words = entriesOf(parameters).flatMap(([key, value]) => wordsOf(key, value));
  const name = [base, ...words].join('_');
  // Texts that have nothing in common are separate files, named like their functions.
  const path = templateExists(`${folder}/${name}`) ? `${folder}/${name}` : `${folder}/${base}`;
  return { name, path, parameters };
}

/** Handlebars lists parameters in reverse order. */
function entriesOf<T>(hash: Readonly<Record<string, T>>): readonly (readonly [string, T])[] {
  return Object.entries(hash).reverse();
}

function wordsOf(key: string, value: TemplateValue | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'boolean') return value ? [key] : [];
  throw new InternalError('codegen', `a helper's parameter "${key}" is missing`);
}

/** {{#is shape "pair"}}…{{else}}…{{/is}} */
handlebars.registerHelper(
  'is',
  function (this: unknown, value: unknown, text: string, options: Handlebars.HelperOptions) {
    if (typeof value !== 'string') throw new InternalError('codegen', `no text to be "${text}"`);
    return value === text ? options.fn(this) : options.inverse(this);
  },
);

/**
 * {{places "walk" zero="0" step="4"}}: asserts the byte offsets at which assembly reads these
 * fields of the struct.
 */
handlebars.registerHelper('places', (struct: string, options: Handlebars.HelperOptions) =>
  entriesOf(options.hash as Readonly<Record<string, string>>)
    .map(([field, bytes]) => {
      const place = `offsetof(struct ${struct}, ${field}) == ${bytes}`;
      return `_Static_assert(${place}, "${field}");`;
    })
    .join('\n'),
);

/** Finds the partials that a template names. */
class Partials extends Handlebars.Visitor {
  readonly names: string[] = [];

  override PartialStatement(partial: hbs.AST.PartialStatement): void {
    this.names.push((partial.name as hbs.AST.PathExpression).original);
    super.PartialStatement(partial);
  }
}

const registered = new Set<string>();

function registerPartials(text: string): void {
  const partials = new Partials();
  partials.accept(handlebars.parse(text));
  for (const name of partials.names) {
    if (registered.has(name)) continue;
    registered.add(name);
    const partial = textOf(`kernels/${name}`);
    handlebars.registerPartial(name, partial);
    registerPartials(partial);
  }
}

/** A template's text as a function; error messages use `name`. */
export function compileTemplate(text: string, name: string): Render {
  registerPartials(text);
  const template = handlebars.compile<Context>(text, {
    noEscape: true,
    strict: true,
    knownHelpersOnly: true,
    knownHelpers: { use: true, is: true, places: true },
    explicitPartialContext: true,
  });
  return (context, helpers = []) => {
    try {
      return template(guarded(context, name) as Context, { data: { helpers } });
    } catch (error) {
      if (error instanceof InternalError) throw error;
      throw new InternalError('codegen', `template "${name}": ${(error as Error).message}`);
    }
  };
}
/** Names that Handlebars itself reads from contexts, to compare them and to find safe strings. */
const asked: ReadonlySet<string> = new Set(['toHTML', 'toString', 'valueOf']);

/** `value`, in which each object throws if a missing name is read. */
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
