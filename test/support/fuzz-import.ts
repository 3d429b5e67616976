/** Files with a few bytes changed, through all that reads a model: a BonsaiError or a valid module. */
import { BonsaiError } from '../../src/errors.js';
import { inspectModel } from '../../src/pipeline/inspect.js';
import type { Random } from './module.js';

const words = [0, 1, -1, 2, 4, 8, 127, 255, 65535, 2 ** 31 - 1, -(2 ** 31), 0x7fc00000];

/** The file with bits flipped, words replaced, an offset moved, or its end cut off. */
export function damaged(file: Uint8Array, random: Random): Uint8Array {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  const word = () => 4 * random.integer(0, Math.floor(bytes.length / 4) - 1);
  for (let count = random.integer(1, 4); count > 0; count--) {
    switch (random.integer(0, 3)) {
      case 0: {
        const at = random.integer(0, bytes.length - 1);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7));
        break;
      }
      case 1:
        view.setInt32(word(), random.pick(words), true);
        break;
      case 2: {
        const at = word();
        view.setInt32(at, view.getInt32(at, true) + 4 * random.integer(-8, 8), true);
        break;
      }
      default:
        if (random.integer(0, 9) === 0) return bytes.slice(0, random.integer(0, bytes.length));
    }
  }
  return bytes;
}

/**
 * What becomes of a file: 'valid', or the code of its error.
 *
 * @throws any other exception, which is a fault of bonsaic
 */
export function outcomeOf(bytes: Uint8Array, rounding: 'tflm' | 'tflite-portable'): string {
  const options = {
    optimize: 'balanced',
    faithful: false,
    keepInput: false,
    xip: 'model',
  } as const;
  try {
    const { fault } = inspectModel({
      bytes,
      path: 'model.tflite',
      options: { ...options, rounding },
    });
    return fault?.code ?? 'valid';
  } catch (error) {
    if (error instanceof BonsaiError) return error.code;
    throw error;
  }
}
