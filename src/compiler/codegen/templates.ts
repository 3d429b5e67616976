/**
 * Handlebars in strict mode: a name that the context lacks is an error everywhere.
 *
 * `strict` alone covers `{{n}}` but not `{{#if n}}` and `{{#each n}}` (measured on 4.7), so a Proxy
 * around the context throws on a missing name.
 *
 * A template is composed of others when it is rendered:
 *
 *     {{use "portable/dot4"}}(acc, in, weights, depth);       calls a helper, a C function
 *     {{use "portable/store4" rounding=rounding}}(…)          calls the helper made for a rounding
 *     {{use loop stride=stride}}(…)                            calls the helper that `loop` names
 *     {{> dsp/multiply_step shape="pair"}}                     is text of the templates of dsp
 *     {{> (lookup tile "first") this}}                         is the text that `tile.first` names
 *
 * A name by value needs a context behind it: Handlebars loses the name without one. A parameter may be
 * a record; its `word` is what the helper's name has of it, and its other fields are for the text.
 *
 * A file of templates/kernels/<isa> is the text of that name. Texts of the same topic stand in one
 * file, each from {{#*inline "name"}} to {{/inline}}; names are distinct in an instruction set. A
 * program contains each called helper once.
 */
import Handlebars from 'handlebars';
import { InternalError } from '../../errors.js';

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

/** A text inside a file: its name, and what stands between its first line and its last. */
const inlineText = /\n*^\{\{#\*inline "(\w+)"\}\}\n([\s\S]*?)^\{\{\/inline\}\}$/gm;

/**
 * Text of each name: that of a file by its path, those inside the file by the folder of its
 * instruction set and their own names: 'kernels/dsp/smlad'.
 *
 * @param files by their path without extension: 'kernels/portable/max_pool2d'
 * @throws InternalError when two texts have one name
 */
export function namedTexts(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const add = (name: string, text: string) => {
    if (texts.has(name)) throw new InternalError('codegen', `two templates "${name}"`);
    texts.set(name, text);
  };
  for (const [path, file] of files) {
    const own = file.replace(inlineText, '');
    if (own.trim() !== '') add(path.replace('/support/', '/'), own);
    const folder = path.split('/').slice(0, 2).join('/');
    for (const [, name, text = ''] of file.matchAll(inlineText)) add(`${folder}/${name}`, text);
  }
  return texts;
}

/** The texts of templates, by name: 'kernels/portable/max_pool2d'. */
export class Templates {
  private readonly handlebars = Handlebars.create();
  private readonly loaded = new Map<string, Render>();
  private readonly texts: ReadonlyMap<string, string>;

  /** @param files by their path without extension */
  constructor(files: ReadonlyMap<string, string>) {
    this.texts = namedTexts(files);
    for (const [name, text] of this.texts) {
      this.handlebars.registerPartial(name.replace(/^kernels\//, ''), text);
    }
    this.handlebars.registerHelper('use', (template: string, options: Handlebars.HelperOptions) => {
      const helper = this.helperOf(template, options.hash as Context);
      options.data.helpers.push(helper);
      return helper.name;
    });
    this.handlebars.registerHelper('is', is);
    this.handlebars.registerHelper(
      'places',
      (struct: string, options: Handlebars.HelperOptions) => {
        const place = this.helperOf('portable/BONSAI_PLACE', {});
        options.data.helpers.push(place);
        return placesOf(place.name, struct, options.hash as Readonly<Record<string, string>>);
      },
    );
  }

  /** A template's text. @throws InternalError when the template or a name is missing */
  render(path: string, context: Context, helpers: Helper[] = []): string {
    let made = this.loaded.get(path);
    if (made === undefined) {
      const text = this.texts.get(path);
      if (text === undefined) throw new InternalError('codegen', `no template "${path}"`);
      made = this.compile(text, path);
      this.loaded.set(path, made);
    }
    return made(context, helpers);
  }

  /** The C function that a template's call names. */
  helperOf(template: string, parameters: Context): Helper {
    const at = template.lastIndexOf('/');
    if (at < 0) return { name: template, path: library, parameters: {} };
    const base = template.slice(at + 1);
    const folder = `kernels/${template.slice(0, at)}`;
    const words = entriesOf(parameters).flatMap(([key, value]) => wordsOf(key, value));
    const name = [base, ...words].join('_');
    // Texts that have nothing in common are separate, named like their functions.
    const path = this.texts.has(`${folder}/${name}`) ? `${folder}/${name}` : `${folder}/${base}`;
    return { name, path, parameters };
  }

  /** A template's text as a function; error messages use `name`. */
  compile(text: string, name: string): Render {
    const template = this.handlebars.compile<Context>(text, {
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
}

/** Rendered C, and the helpers that it calls, each after the helpers that it calls itself. */
export class Composition {
  private readonly visited = new Set<string>();
  private readonly texts: string[] = [];
  private callsLibrary = false;

  constructor(private readonly templates: Templates) {}

  /** Renders a template and keeps its helpers. @throws InternalError as `Templates.render` does */
  render(path: string, context: Context): string {
    const helpers: Helper[] = [];
    const text = this.templates.render(path, context, helpers);
    for (const helper of helpers) this.add(helper);
    return text;
  }

  /** The name of a helper without parameters, which the program contains from now on. */
  use(template: string): string {
    const helper = this.templates.helperOf(template, {});
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

/** Handlebars lists parameters in reverse order. */
function entriesOf<T>(hash: Readonly<Record<string, T>>): readonly (readonly [string, T])[] {
  return Object.entries(hash).reverse();
}

function wordsOf(key: string, value: TemplateValue | undefined): readonly string[] {
  if (value === '') return [];
  if (typeof value === 'string') return [value];
  if (typeof value === 'object' && 'word' in value) return wordsOf(key, value.word);
  if (typeof value === 'boolean') return value ? [key] : [];
  throw new InternalError('codegen', `a helper's parameter "${key}" is missing`);
}

/** {{#is shape "pair"}}…{{else}}…{{/is}} */
function is(this: unknown, value: unknown, text: string, options: Handlebars.HelperOptions) {
  if (typeof value !== 'string') throw new InternalError('codegen', `no text to be "${text}"`);
  return value === text ? options.fn(this) : options.inverse(this);
}

/**
 * {{places "walk" zero="0" step="4"}}: asserts the byte offsets at which assembly reads these
 * fields of the struct.
 */
function placesOf(macro: string, struct: string, fields: Readonly<Record<string, string>>): string {
  return entriesOf(fields)
    .map(([field, bytes]) => `${macro}(${struct}, ${field}, ${bytes});`)
    .join('\n');
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
