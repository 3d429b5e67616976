/** The interface of a flash protocol. */

import type { Say } from '../../progress.js';
import type { LineSettings } from '../device/link.js';
import type { Transport } from '../device/transport.js';
import type { UsbHost } from '../device/usb.js';
import type { FlashProtocolName, SettingsOf } from '../target/flash.js';
import type { Target } from '../target/index.js';

/**
 * Called during a write, with the bytes done and the total. From the first call on the board has
 * lost what it had, so the call with 0 comes before the first erase. Where the board holds all of
 * the image there is none, or only one with the total.
 */
export type FlashProgress = (done: number, total: number) => void;

/** The file of an image. */
export interface ImageFile {
  /** For errors. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export type FlashTarget = Pick<
  Target,
  | 'name'
  | 'chip'
  | 'flashAddress'
  | 'flashBytes'
  | 'ramBytes'
  | 'flashProtocols'
  | 'uf2FamilyId'
  | 'simulator'
>;

/** What firmware of bonsaic says of itself; both are in its image as they stand here. */
export interface Greeting {
  /** SHA-256 of the model file. */
  readonly modelSha256: Uint8Array;
  /** The build: first 4 bytes of the hash of its C. */
  readonly tag: Uint8Array;
}

/** What to flash, and by what. */
export interface FlashJob<Settings> {
  readonly image: ImageFile;
  readonly target: FlashTarget;
  /** From target.json. */
  readonly settings: Settings;
  /** The path of a serial port, or what --port names instead. */
  readonly port: string;
  /** Opens the port. @throws BonsaiError 'device' with a hint */
  readonly open: (line: LineSettings) => Promise<Transport>;
  /** Where the board is on USB; absent: on this machine's. */
  readonly usb?: UsbHost;
  /**
   * Asks firmware of bonsaic that may be running to restart in the boot loader. Opens the port
   * itself, so the transport must be closed. Returns whether it has answered.
   */
  readonly restart: () => Promise<boolean>;
  /**
   * What firmware of bonsaic at the port says; null: none answers. Opens the port itself. For boot
   * loaders that do not let the image be read back.
   */
  readonly greet: () => Promise<Greeting | null>;
  /** Waits where no line is open whose clock could be used. */
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly progress: FlashProgress;
  /** Tells what is tried before the first progress, for people: 'resetting the board'. */
  readonly say: Say;
}

/** A flash protocol: one file beside this one, and a line in the table of index.ts. */
export interface FlashProtocol<Name extends FlashProtocolName = FlashProtocolName> {
  /** Whether the board can be at `port`; absent: at any serial port. */
  takes?(port: string): boolean;
  /**
   * Identifies the chip, checks protection and sizes, erases what the image needs, writes, verifies
   * and starts. Nothing is erased before chip and image are checked.
   *
   * @returns the bytes of the image that the board stores
   * @throws BonsaiError 'flash' or 'device' with a hint
   */
  flash(job: FlashJob<SettingsOf<Name>>): Promise<number>;
}
