/** What the tensors of a model may take together, by the size of its file. */
import { BonsaiError } from '../../errors.js';
import { byteCount, type Graph, type Module, type Tensor } from '../ir/graph.js';

/**
 * A base, and so much for each byte of the file. Analysis keeps an interval for each channel: the last
 * dimension. No board has a hundredth of the base in memory.
 */
const bytes = { base: 2 ** 28, perByte: 2 ** 10 };
const channels = { base: 2 ** 22, perByte: 2 ** 8 };

/** @throws BonsaiError 'too-large' where a small file describes far more than it could compute */
export function checkRoom({ graphs }: Pick<Module, 'graphs'>, fileBytes: number): void {
  const left = {
    bytes: bytes.base + bytes.perByte * fileBytes,
    channels: channels.base + channels.perByte * fileBytes,
  };
  const most = { ...left };
  const take = (tensor: Tensor) => {
    if (tensor.data !== null) return;
    left.bytes -= byteCount(tensor);
    left.channels -= tensor.shape.at(-1) ?? 1;
    for (const what of ['bytes', 'channels'] as const) {
      if (left[what] >= 0) continue;
      const message = `is beyond what the tensors of such a file may have together: ${most[what]} ${what}`;
      throw new BonsaiError('too-large', `tensor "${tensor.name}"`, message, 'use smaller inputs');
    }
  };
  const within = ({ tensors, nodes }: Graph) => {
    for (const tensor of tensors) take(tensor);
    for (const node of nodes) node.graphs?.forEach(within);
  };
  graphs.forEach(within);
}
