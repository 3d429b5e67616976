/**
 * The thread that the command line runs in: planning, training and evaluation take it for seconds, and
 * the main thread (supervise.ts) hears signals meanwhile.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openSerialBy } from '../boards/device/serial.js';
import { serialOver } from '../boards/device/serial-bridge.js';
import { mirrorTo, requestStop } from '../leaving.js';
import { reportError, watchOutput } from './output.js';
import { openStreams } from './streams.js';
import type { FromMain, ToMain, WorkerData } from './supervise.js';

const { args, ledger, serial } = workerData as WorkerData;
const asked = { json: args.includes('--json') };
const tell = (message: ToMain) => ledger.postMessage(message);

mirrorTo((change) => tell({ change }));
openSerialBy(serialOver(serial));
const refreshSizes = openStreams();
watchOutput();
// What fails outside of any promise: a child process that cannot be started, a stream that breaks.
process.on('uncaughtException', (error) => {
  process.exit(reportError(error, asked));
});
parentPort?.on('message', (message: FromMain) => {
  if (message.what === 'resize') refreshSizes();
  else if (requestStop()) tell({ stop: 'taken' });
  // What was printed before goes out first.
  else process.stdout.write('', () => process.exit());
});
parentPort?.unref();
const { runCommand } = await import('./program.js');
tell({ stop: 'heard' });
const status = await runCommand(args);
// A command that reports failures in its result sets the status itself.
if (status !== 0) process.exitCode = status;
