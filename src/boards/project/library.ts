/** What a target without firmware gets instead of a Makefile: a fragment of one, and a README. */
import type { Module } from '../../compiler/ir/graph.js';
import type { Plan } from '../../compiler/plan/types.js';
import type { Target } from '../target/index.js';
import { render } from './templates.js';

/** Path in the output directory → text. */
export function emitLibrary(
  { name: model }: Module,
  { options }: Plan,
  target: Target,
  hasRoutines: boolean,
): [string, string][] {
  const context = {
    ...{ model, target: target.name, core: target.coreName, has_routines: hasRoutines },
    prefix: model.toUpperCase(),
    flags: ['-std=c99', ...target.kernelFlags[options.optimize]].join(' '),
    core_flags: target.flags.filter((flag) => flag.startsWith('-m')).join(' '),
  };
  return [
    [`${model}.mk`, render('project/library.mk', context)],
    ['README.md', render('project/library.md', context)],
  ];
}
