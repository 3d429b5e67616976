/** The measured figures of a target, as files hold them: costs, code and memory. */
import { z } from 'zod';
import { countUnits } from '../../compiler/ir/op.js';
import { BonsaiError } from '../../errors.js';

/** Template → term of work → cost of one unit. */
const kernelCosts = z.record(z.string(), z.record(z.string(), z.number().nonnegative()));
export const costSchema = z.strictObject({
  speed: kernelCosts,
  balanced: kernelCosts,
  size: kernelCosts.exactOptional(),
});

const codeSizes = z.strictObject({
  runtimeBytes: z.number(),
  stepBytes: z.number(),
  kernels: z.record(z.string(), z.number()),
});
export const codeSchema = z.strictObject({
  speed: codeSizes,
  balanced: codeSizes,
  size: codeSizes,
});

const bytes = z.int().nonnegative();
/** targets/<board>/memory.json, as `npm run bench -- --memory` writes it. */
export const memorySchema = z.strictObject({
  staticBytes: bytes,
  stackBytes: bytes,
  codeBytes: z.int(),
});

/** Costs as `bonsaic tune` stores them; a board may count in another unit than its simulator. */
export const measuredCosts = z.strictObject({ costUnit: z.enum(countUnits), costs: costSchema });

/**
 * Checks the text of a file of costs.
 *
 * @throws BonsaiError 'usage' when it is not a table of costs
 */
export function parseCosts<T>(schema: z.ZodType<T>, text: string, where: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new BonsaiError(
      'usage',
      where,
      'is not a table of costs',
      'measure it again: bonsaic tune',
    );
  }
}
