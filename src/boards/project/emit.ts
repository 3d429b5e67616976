/** Plan to files: the model's C, the firmware's view of it, a host client, a Makefile, the manifest. */

import { string } from '../../compiler/codegen/c.js';
import { interfaceContext, type ProgramOptions } from '../../compiler/codegen/interface.js';
import type { Emission, Manifest } from '../../compiler/codegen/manifest.js';
import { emitProgram, type Program } from '../../compiler/codegen/program.js';
import type { Module } from '../../compiler/ir/graph.js';
import type { Planned } from '../../compiler/plan/index.js';
import type { Plan } from '../../compiler/plan/types.js';
import { version } from '../../package.js';
import { isLibrary } from '../target/firmware.js';
import { type Target, twinOf } from '../target/index.js';
import { emitClient, littleEndian } from './client.js';
import { emitIdf, idfComponent } from './idf.js';
import { emitLibrary } from './library.js';
import { emitMakefile } from './makefile.js';
import { packageTemplates, render } from './templates.js';

/**
 * `twins`: write weights that are code as C instead, for a machine that cannot run the assembly.
 */
export interface EmitOptions extends ProgramOptions {
  readonly twins?: boolean;
}

/** Where the model's own sources lie in the output directory, without an extension. */
function sourcePath(module: Module, { builder }: Pick<Target, 'builder'>): string {
  return `${builder === 'idf' ? idfComponent(module) : ''}${module.name}`;
}

/**
 * All files that the compiler writes to an output directory, except the firmware's own sources. The
 * same input gives the same bytes: no dates, no paths of this machine.
 *
 * @throws InternalError if plan and module do not fit each other
 */
export function emit(
  module: Module,
  planned: Planned,
  target: Target,
  options: EmitOptions = {},
): Emission {
  const { plan } = planned;
  const program = emitProgram(module, planned, packageTemplates(), options);
  const { header, source, tables, spans, tag } = program;
  const [routines, extension] = options.twins ? [program.twins(), 'c'] : [program.routines, 'S'];
  const manifest: Manifest = { format: 1, plan, tables, spans, tag };
  const isIdf = target.builder === 'idf';
  const name = sourcePath(module, target);
  const hasRoutines = routines !== null;
  const emitBuild = isIdf ? emitIdf : isLibrary(target) ? emitLibrary : emitMakefile;
  return {
    manifest,
    files: new Map([
      [`${name}.h`, header],
      [`${name}.c`, source],
      ...(hasRoutines ? ([[`${name}_weights.${extension}`, routines]] as const) : []),
      ...(isLibrary(target)
        ? []
        : ([
            [
              `${isIdf ? 'main/' : ''}${module.name}_model.c`,
              modelGlue(module, plan, program, target),
            ],
            [`client/${module.name}.ts`, emitClient(module, plan, tag, options)],
          ] as const)),
      ...emitBuild(module, plan, target, hasRoutines),
      ['bonsai.json', `${JSON.stringify(manifest, null, 2)}\n`],
    ]),
  };
}

/** The bytes of a name that a board tells. */
const longestName = 64;

/** The name as far as it goes, in whole characters. */
function shortened(name: string): string {
  let short = [...name];
  while (Buffer.byteLength(short.join('')) > longestName) short = short.slice(0, -1);
  return short.join('');
}

/**
 * The plan as a program for this machine, with the target's kernels: every instruction that only
 * the target has comes with equivalent C. Times and sizes of this program are meaningless.
 */
export function emitTwin(
  module: Module,
  planned: Planned,
  target: Target,
): { readonly target: Target; readonly emission: Emission } {
  const twin = twinOf(target);
  return { target: twin, emission: emit(module, planned, twin, { twins: true }) };
}

/** In place of the image's length and CRC-32, which build/image-record.ts fills in. */
const unknownSum = '0'.repeat(16);

/**
 * <model>_model.c: the one `struct bonsai_model` of a firmware (firmware/include/model.h). A header
 * arena.h of the target's port says where its arena lies. The glue includes the model's
 * header by its path from the output directory: the firmware too has a port.h, a model.h, a frame.h.
 */
export function modelGlue(
  module: Module,
  plan: Plan,
  { spans, tag }: Program,
  target: Pick<Target, 'name' | 'builder' | 'headers'>,
): string {
  const bytes = module.sha256.match(/../g) ?? [];
  return render('project/model_glue.c', {
    ...interfaceContext(module, plan),
    about: [
      ...[`bonsaic:${target.name}`, version, shortened(module.name)].map((text) => `${text}\0`),
      unknownSum,
    ].map(string),
    model_header: `${sourcePath(module, target)}.h`,
    arena_header: target.headers.find((path) => path.endsWith('/arena.h')) ?? '',
    sha256_bytes: [bytes.slice(0, 16), bytes.slice(16)].map((row) =>
      row.map((byte) => `0x${byte}`).join(', '),
    ),
    tag: littleEndian(tag),
    has_spans: spans.length > 0,
    spans: spans.map(({ step, offset, bytes }) => `${step}, ${offset}, ${bytes}`),
    span_count: String(spans.length),
  });
}
