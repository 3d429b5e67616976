/** What `bonsaic operators` lists is what the importer takes. */
import { expect } from 'chai';
import { importModel } from '../../src/compiler/formats/index.js';
import { builtinNames } from '../../src/compiler/formats/tflite/builtins.js';
import { BonsaiError } from '../../src/errors.js';
import {
  kernelText,
  type SupportedOperator,
  supportedOperators,
} from '../../src/report/operators.js';
import { at, changed, codeOf, softmax } from '../formats/fixture.js';
import { runHere } from '../support/command.js';

/** Whether a model is refused for the operator's name alone. */
function isUnknown(name: string): boolean {
  const bytes = changed((model) => {
    Object.assign(at(model.operatorCodes, softmax), codeOf(name));
  });
  try {
    importModel(bytes, { name: 'm', where: 'm.tflite', rounding: 'tflm' });
  } catch (error) {
    return error instanceof BonsaiError && error.code === 'unsupported-operator';
  }
  return false;
}

describe('list of operators', () => {
  const listed = supportedOperators();
  const names = listed.map(({ tflite }) => tflite);

  it('has each operator that the importer knows, and no other', () => {
    const known = builtinNames.filter((name) => name !== 'CUSTOM' && !isUnknown(name));
    expect(names).to.have.members(known);
  });

  it('is sorted, and each type of an operator has a kernel', () => {
    expect(names).to.deep.equal(names.toSorted());
    for (const { tflite, op, types, kernels } of listed) {
      if (op === null) continue;
      expect(types, tflite).not.to.be.empty;
      expect(kernels, tflite).not.to.be.empty;
    }
  });

  it('names the types of a folder that computes fewer than the operator has', () => {
    const operator: SupportedOperator = {
      ...(listed[0] as SupportedOperator),
      types: ['int8', 'int16'],
      kernels: [
        { folder: 'dsp', types: ['int8'] },
        { folder: 'portable', types: ['int16', 'int8'] },
      ],
    };
    expect(kernelText(operator)).to.equal('dsp (int8), portable');
  });

  it('is what the command prints, as names and as a table', async () => {
    const document = await runHere(['operators', '--json']);
    expect(JSON.parse(document.stdout)).to.deep.equal({ tflite: names });
    const columns = process.env.COLUMNS;
    process.env.COLUMNS = '200';
    const { status, stdout } = await runHere(['operators']);
    if (columns === undefined) delete process.env.COLUMNS;
    else process.env.COLUMNS = columns;
    expect(status).to.equal(0);
    for (const name of names) expect(stdout).to.match(new RegExp(`^${name} `, 'm'));
    expect(stdout).to.match(/^ASSIGN_VARIABLE +none: becomes a state$/m);
  });
});
