/** Packages that an installation may leave out. */
import { expect } from 'chai';
import { BonsaiError } from '../src/errors.js';
import { optional } from '../src/optional.js';
import { optionalVersions } from '../src/package.js';

describe('optional packages', () => {
  const core = '@tensorflow/tfjs-core';
  const refused = [
    {
      edge: 'missing',
      ...{ names: [core], said: `Cannot find package '${core}' imported from x.js` },
      ...{ message: /^is not installed$/, hint: /: npm install @tensorflow\/tfjs-core@4 \(-g, if/ },
    },
    {
      edge: 'below version 1',
      ...{ names: ['jpeg-js'], said: "Cannot find module 'jpeg-js'\nRequire stack: a.js" },
      ...{ message: /^is not installed$/, hint: /npm install jpeg-js@0\.4 / },
    },
    {
      edge: 'broken',
      ...{ names: [core, 'fast-png'], said: 'wrong ELF class' },
      ...{ message: /^cannot be loaded: wrong ELF class$/, hint: /tfjs-core@4 fast-png@8 / },
    },
  ];
  for (const { edge, names, said, message, hint } of refused) {
    it(`${edge}: the message offers the command that installs`, async () => {
      const load = () => Promise.reject(new Error(said));
      const error = await optional(names, load).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(BonsaiError).with.property('exitStatus', 4);
      expect((error as BonsaiError).message).to.match(message);
      expect((error as BonsaiError).hint).to.match(hint);
    });
  }

  it('what helps besides stands behind it', async () => {
    const load = () => Promise.reject(new Error('Cannot find package'));
    const error = await optional(['usb'], load, 'flash by another port').catch((e) => e);
    expect(error.hint).to.match(/; or flash by another port$/);
  });

  it('TensorFlow.js, tables and images are optional', () => {
    const names = ['core', 'layers', 'backend-wasm'].map((part) => `@tensorflow/tfjs-${part}`);
    expect([...optionalVersions.keys()]).to.have.members([
      ...names,
      ...['fast-png', 'jpeg-js', 'csv-parse', 'usb'],
    ]);
  });
});
