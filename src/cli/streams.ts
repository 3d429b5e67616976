/**
 * Standard output and error of a thread that is not the main one. Node's own pass each text to the
 * main thread, which knows nothing of a full pipe or a terminal here and loses what is under way when
 * the thread ends; these write to the file descriptors.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { isatty, WriteStream } from 'node:tty';

type Descriptor = 1 | 2;

/** Puts them in the place of Node's. @returns a function that follows the terminal's new size */
export function openStreams(): () => void {
  const streams = { stdout: streamOf(1), stderr: streamOf(2) };
  for (const [name, value] of Object.entries(streams)) {
    Object.defineProperty(process, name, { value, configurable: true, enumerable: true });
  }
  return () => {
    for (const stream of Object.values(streams)) {
      // What Node calls of its own streams at SIGWINCH, which only the main thread hears.
      if (stream instanceof WriteStream) (stream as Sized)._refreshSize();
    }
  };
}

type Sized = WriteStream & { _refreshSize(): void };

/** As Node chooses for its main thread (lib/internal/bootstrap/switches/is_main_thread.js). */
function streamOf(fd: Descriptor): Writable {
  const stream = isatty(fd) ? new WriteStream(fd) : plainStreamOf(fd);
  // An error does not end it: a reader may go and the command goes on.
  stream._destroy = (error, done) => done(error);
  return Object.assign(stream, { fd });
}

function plainStreamOf(fd: Descriptor): Writable {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isSocket()) {
    return new Socket({ fd, readable: false, writable: true });
  }
  return new Writable({
    decodeStrings: true,
    write(bytes: Buffer, _, done) {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
}
