/** A built image on a device: opened, checked, measured, closed. */
import type { Manifest } from '../../compiler/codegen/manifest.js';
import type { Module } from '../../compiler/ir/graph.js';
import { openDevice, type XipModel } from '../device/index.js';
import type { Target } from '../target/index.js';
import { openSession } from './session.js';
import type { VectorPair } from './vectors.js';
import { type DeviceResult, verifyOnDevice } from './verify.js';

/** What a run on a device measured. */
export interface Measurement extends DeviceResult {
  /** 'sim', or the path of the serial port. */
  readonly device: string;
  /** What a simulated figure leaves out; null: it was measured on a board. */
  readonly simulation: string | null;
  /** How flash was simulated; null: it was not. */
  readonly xip: XipModel | null;
}

/**
 * Runs the vectors on a device, checks every output and measures.
 *
 * @param port     'sim', 'sim:usb', or the path of a serial port
 * @param image    path of the built image (the simulator boots it)
 * @param observe  called after each finished vector
 * @param tell     told what the board is awaited for, where that takes long
 */
export async function measure(request: {
  readonly manifest: Manifest;
  readonly module: Module;
  readonly target: Target;
  readonly port: string;
  readonly image: string;
  readonly xip: XipModel;
  readonly vectors: readonly VectorPair[];
  readonly timeoutMs?: number | undefined;
  readonly observe?: (done: number, total: number) => void;
  readonly tell?: (text: string) => void;
  /** Names of the classes of an output. */
  readonly labels?: readonly string[] | undefined;
}): Promise<Measurement> {
  const { manifest, module, target, port, image, xip, vectors, observe } = request;
  const { timeoutMs, tell, labels } = request;
  const device = await openDevice(port, target, image, { xip });
  try {
    const session = await openSession(device, manifest, {
      ramBytes: target.ramBytes,
      clockHz: target.clockHz,
      ...(tell === undefined ? {} : { tell }),
      ...(timeoutMs === undefined ? {} : { runTimeoutMs: timeoutMs }),
    });
    const result = await verifyOnDevice(session, manifest, module, vectors, observe, labels);
    const { simulation, xip: simulatedXip = null } = device;
    return { ...result, device: port, simulation, xip: simulatedXip };
  } finally {
    await device.close();
  }
}
