/** The Makefile of an output directory: it needs only make and a compiler. */
import type { Module } from '../../compiler/ir/graph.js';
import type { Plan } from '../../compiler/plan/types.js';
import { compilerFlags, firmwareMacros } from '../target/firmware.js';
import { linkerScriptOf, type Target } from '../target/index.js';
import { render } from './templates.js';

/** The firmware's main(), in place of which the user's own may be built. */
export const firmwareMain = 'src/main.c';

/**
 * Path in the output directory → text. The Makefile contains target.json's flags, sources and macros;
 * only the compiler's name is open.
 */
export function emitMakefile(
  module: Module,
  plan: Plan,
  target: Target,
  hasRoutines: boolean,
): [path: string, text: string][] {
  const script = linkerScriptOf(target);
  const core = (plan.options.cores ?? 1) > 1 ? target.secondCore : undefined;
  const sources = [...target.sources, ...(core?.sources ?? [])];
  const linkFlags = [...target.linkFlags, ...(core?.linkFlags ?? [])];
  const kernelFlags = [
    ...target.kernelFlags[plan.options.optimize],
    ...(core === undefined ? [] : ['-DBONSAI_BOTH=bonsai_both']),
  ];
  const macros = [...firmwareMacros(target)].map(([name, value]) => `-D${name}=${value}`);
  const text = render('project/Makefile', {
    model: module.name,
    target: target.name,
    compiler: target.compiler,
    flags: compilerFlags(target)
      .map((flag) => ` ${flag}`)
      .join(''),
    runtime_flags: target.runtimeFlags.join(' '),
    kernel_flags: kernelFlags.join(' '),
    link_flags: linkFlags.map((flag) => ` ${flag}`).join(''),
    has_script: script !== null,
    script: `firmware/${script?.name ?? ''}`,
    includes: target.includes.map((folder) => `-Ifirmware/${folder}`).join(' '),
    macros: macros.join(' '),
    sources: sources.map((path) => `firmware/${path}`).join(' \\\n\t'),
    main: `firmware/${firmwareMain}`,
    has_routines: hasRoutines,
    has_bin: target.images.includes('bin'),
  });
  return [['Makefile', text]];
}
