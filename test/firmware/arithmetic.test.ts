import { join } from 'node:path';
import { packageFile } from '../../src/package.js';
import { execute } from '../support/execute.js';
import { inTemporaryDirectory, warnings } from '../support/native.js';

const functions = [
  ...['muldi3', 'udivdi3', 'umoddi3', 'divdi3', 'moddi3', 'udivsi3', 'umodsi3', 'divsi3'],
  ...['modsi3', 'addsf3', 'subsf3', 'mulsf3'],
];

/** What boards get whose compiler lacks it, on this machine under the sanitizers. */
describe('64-bit integers and floats of the boards', () => {
  it('are those of this machine: zeros, extremes, subnormals, ties, cancellation', () =>
    inTemporaryDirectory(async (directory) => {
      const program = join(directory, 'arithmetic');
      const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover'];
      const renamed = functions.map((name) => `-D__${name}=own_${name}`);
      const sources = ['firmware/port/common/libc/arithmetic.c', 'test/firmware/arithmetic.c'];
      const args = [...warnings, ...sanitizers, ...renamed, ...sources.map(packageFile)];
      await execute('gcc', ['-O1', ...args, '-o', program]);
      await execute(program, []);
    }));
});
