import { perTensorQuant } from '../support/module.js';
import { testOperator } from '../support/operator.js';

/** No runtime has it: test/passes compares networks of it with transposed convolutions. */
testOperator({
  op: 'interleave',
  random: (random) => {
    const [rows, columns] = [0, 1].map(() =>
      Array.from({ length: random.integer(1, 2) }, () => random.integer(1, 3)),
    ) as [number[], number[]];
    const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);
    const [batches, h, w, channels] = [2, 4, 4, 5].map((most) => random.integer(1, most)) as [
      number,
      number,
      number,
      number,
    ];
    const dtype = random.pick(['int8', 'int16'] as const);
    const quant = perTensorQuant(0.5, 0);
    const crops = [total(rows), total(columns)].map((phases) => random.integer(0, phases - 1));
    const size = [h * total(rows), w * total(columns)].map((extent, axis) =>
      random.integer(1, extent - (crops[axis] as number)),
    );
    return {
      inputs: rows.flatMap((a) =>
        columns.map((b) => ({ shape: [batches, h, w, a * b * channels], dtype, quant })),
      ),
      attrs: { shape: [batches, ...size, channels], rows, columns, crops },
      ...{ quant, dtype },
    };
  },
});
