/**
 * Loaded before a command (`node --import`): its process dies, as by `kill -9`, when it has written
 * KILL_AT_BYTE bytes to files that it opened by `node:fs/promises`.
 */
import { open } from 'node:fs/promises';

const any = await open(process.execPath);
const files = Object.getPrototypeOf(any);
await any.close();
const { write } = files;
let left = Number(process.env.KILL_AT_BYTE);

files.write = async function (bytes, ...rest) {
  if (bytes.length < left) {
    left -= bytes.length;
    return write.call(this, bytes, ...rest);
  }
  await write.call(this, bytes.subarray(0, left), ...rest);
  process.kill(process.pid, 'SIGKILL');
};
