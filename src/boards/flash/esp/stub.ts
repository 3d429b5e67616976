/** Espressif's flasher stub, a program for the RAM of its chips (esp-flasher-stub), from esptool-js. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { stubPath } from '../../target/flash.js';

export interface Stub {
  readonly entry: number;
  readonly segments: readonly { readonly at: number; readonly bytes: Uint8Array }[];
}

const file = z.object({
  entry: z.int(),
  text: z.base64(),
  text_start: z.int(),
  data: z.base64(),
  data_start: z.int(),
});

/** @param name 'esp32c3' */
export function readStub(name: string): Stub {
  // Read as a file: Node 20 warns of imports of JSON.
  const stub = file.parse(JSON.parse(readFileSync(stubPath(name), 'utf8')));
  return {
    entry: stub.entry,
    segments: [
      { at: stub.text_start, bytes: Buffer.from(stub.text, 'base64') },
      { at: stub.data_start, bytes: Buffer.from(stub.data, 'base64') },
    ],
  };
}
