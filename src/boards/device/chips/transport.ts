/** A simulated chip as a transport, in this process and in time of its own: waiting costs nothing. */
import type { Transport } from '../transport.js';
import type { Chip } from './chip.js';

export function transportTo(chip: Chip, name: string): Transport {
  let nowMs = 0;
  let busyUntilMs = 0;
  let sent: { readonly atMs: number; readonly byte: number }[] = [];
  return {
    ...{ name, setBaudRate: null, setModemLines: null },
    async write(bytes) {
      for (const byte of bytes) {
        for (const answer of chip.receive(byte, null)) {
          busyUntilMs = Math.max(nowMs, busyUntilMs) + answer.afterMs;
          for (const one of answer.bytes) sent.push({ atMs: busyUntilMs, byte: one });
        }
      }
    },
    async read(most, timeoutMs) {
      const first = sent[0]?.atMs ?? Number.POSITIVE_INFINITY;
      nowMs = Math.max(nowMs, Math.min(first, nowMs + timeoutMs));
      const ready = sent.filter(({ atMs }) => atMs <= nowMs).slice(0, most);
      sent = sent.slice(ready.length);
      return Uint8Array.from(ready, ({ byte }) => byte);
    },
    now: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
    close: async () => {},
  };
}
