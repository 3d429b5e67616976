/**
 * A line that drops and changes bytes, between any program and a simulated board: a pseudo-terminal
 * of its own, by socat, behind which this process passes the bytes on.
 */
import { openLink } from '../../src/boards/device/open-link.js';
import { openPty } from '../../src/boards/device/pty.js';
import { Random } from './module.js';

export interface Noise {
  /** One byte of so many is lost, and one of so many changed. */
  readonly one: number;
  readonly seed: number;
}

export interface NoisyLine {
  /** How many bytes were lost or changed. */
  struck(): number;
  close(): Promise<void>;
}

/** @param link where the program finds the line @param to the simulated board */
export async function noisyLine(link: string, to: string, noise: Noise): Promise<NoisyLine> {
  const random = new Random(noise.seed);
  let struck = 0;
  const pass = (bytes: Uint8Array): Uint8Array => {
    const passed = [...bytes].flatMap((byte) => {
      const dice = random.integer(0, 2 * noise.one - 1);
      if (dice > 1) return [byte];
      struck++;
      return dice === 0 ? [] : [byte ^ random.integer(1, 255)];
    });
    return Uint8Array.from(passed);
  };
  const board = await openLink(to);
  const pty = await openPty(link, (bytes) => board.write(pass(bytes)));
  board.onData((bytes) => pty.write(pass(bytes)));
  return {
    struck: () => struck,
    async close() {
      await pty.close();
      await board.close();
    },
  };
}
