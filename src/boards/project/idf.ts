/**
 * The files around the model that make an output directory a project of ESP-IDF: a component with
 * the model, and an application with the firmware (ESP-IDF Programming Guide v5.5, 'Build System',
 * 'Linker Script Generation', 'Partition Tables').
 */

import { integer } from '../../compiler/codegen/c.js';
import type { Module } from '../../compiler/ir/graph.js';
import type { Plan } from '../../compiler/plan/types.js';
import { firmwareMacros } from '../target/firmware.js';
import type { Target } from '../target/index.js';
import { firmwareMain } from './makefile.js';
import { render } from './templates.js';

/** A folder in components/ takes precedence over ESP-IDF's component of that name. */
const componentOf = (model: string) => `bonsai_${model}`;

/** The folder of the model's own sources. */
export function idfComponent({ name }: Module): string {
  return `components/${componentOf(name)}/`;
}

const bytesInMegabyte = 2 ** 20;

/** Path in the output directory → text. */
export function emitIdf(
  module: Module,
  { options }: Plan,
  target: Target,
  hasRoutines: boolean,
): [string, string][] {
  const { name: model } = module;
  const component = componentOf(model);
  const { chip = '', flashAddress = '', flashBytes } = target;
  // menuconfig sets the clock.
  const macros = [...firmwareMacros(target)].filter(([name]) => name !== 'CLOCK_HZ');
  const flashMegabytes = (Number(flashAddress) + (flashBytes ?? 0)) / bytesInMegabyte;
  const quoted = (paths: readonly string[]) => paths.map((path) => `"../firmware/${path}"`);
  const context = {
    ...{ model, component, chip, has_routines: hasRoutines },
    PREFIX: component.toUpperCase(),
    megahertz: integer(target.clockHz / 1e6),
    flash_megabytes: integer(Math.ceil(flashMegabytes)),
    app_address: flashAddress,
    app_bytes: integer(flashBytes ?? 0),
    // ESP-IDF compiles as gnu17, where GCC may join a product and a sum of floats to one operation.
    kernel_flags: ['-ffp-contract=off', ...target.kernelFlags[options.optimize]].join(' '),
    main: `firmware/${firmwareMain}`,
    sources: quoted(target.sources.filter((path) => path !== firmwareMain)).join('\n        '),
    includes: quoted(target.includes).join(' '),
    macros: macros.map(([name, value]) => `${name}=${value}`).join('\n    '),
  };
  const folder = idfComponent(module);
  const templates: readonly [path: string, template: string][] = [
    ['CMakeLists.txt', 'CMakeLists.txt'],
    ['sdkconfig.defaults', 'sdkconfig.defaults'],
    ['partitions.csv', 'partitions.csv'],
    ['README.md', 'README.md'],
    ['main/CMakeLists.txt', 'main_CMakeLists.txt'],
    ['main/Kconfig.projbuild', 'Kconfig.projbuild'],
    [`${folder}CMakeLists.txt`, 'component_CMakeLists.txt'],
    [`${folder}idf_component.yml`, 'idf_component.yml'],
    [`${folder}Kconfig`, 'Kconfig'],
    [`${folder}linker.lf`, 'linker.lf'],
  ];
  return templates.map(([path, template]) => [path, render(`project/idf/${template}`, context)]);
}
