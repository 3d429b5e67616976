import { join } from 'node:path';
import { packageFile } from '../../src/package.js';
import { execute } from '../support/execute.js';
import { inTemporaryDirectory, warnings } from '../support/native.js';

/** The C library that boards get, on this machine under the sanitizers. */
describe('memcpy and memset of the boards', () => {
  for (const [edge, flags] of [
    ['words only where both ends lie on words', []],
    ['words anywhere', ['-D__ARM_FEATURE_UNALIGNED']],
  ] as const) {
    it(edge, () =>
      inTemporaryDirectory(async (directory) => {
        const program = join(directory, 'string');
        const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];
        const include = `-I${packageFile('firmware/port/common/libc')}`;
        const source = packageFile('test/firmware/string.c');
        const args = [...warnings, ...sanitizers, ...flags, '-fno-builtin', include];
        await execute('gcc', [...args, '-o', program, source]);
        await execute(program, []);
      }),
    );
  }
});
