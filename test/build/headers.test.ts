/** Builds need no C library: its headers may be another compiler's, or not there at all. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firmwareFiles, writeProject } from '../../src/boards/build/project.js';
import { listTargets, loadTarget } from '../../src/boards/target/index.js';
import { compile } from '../../src/pipeline.js';
import { execute } from '../support/execute.js';
import { inTemporaryDirectory } from '../support/native.js';
import { defaults } from '../support/plan.js';

const path = 'examples/activity/activity.tflite';

describe('build without a C library', () => {
  for (const name of listTargets().filter((name) => loadTarget(name).libc !== null)) {
    it(`${name}: model and firmware compile, all headers in the project and in the compiler`, () => {
      const target = loadTarget(name);
      const { emission } = compile({ bytes: readFileSync(path), path, target, options: defaults });
      const own = execFileSync(target.compiler, ['-print-file-name=include'], { encoding: 'utf8' });
      return inTemporaryDirectory(async (directory) => {
        const project = join(directory, 'project');
        writeProject(project, new Map([...emission.files, ...firmwareFiles(target)]));
        const firmware = target.sources.map((source) =>
          `firmware/${source}`.replace(/\.[cS]$/, ''),
        );
        const objects = ['activity', 'activity_model', ...firmware];
        const cc = `CC=${target.compiler} -nostdinc -isystem ${own.trim()}`;
        await execute('make', [cc, ...objects.map((o) => `build/${o}.o`)], { cwd: project });
      });
    });
  }
});
