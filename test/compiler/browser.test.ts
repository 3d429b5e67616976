/** src/compiler as a browser would load it: in one file, and without anything that Node alone has. */
import { existsSync, readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { expect } from 'chai';
import { build } from 'esbuild';
import { packageTemplateTexts } from '../../src/boards/project/templates.js';
import { loadTarget, type Target } from '../../src/boards/target/index.js';
import { packageFile } from '../../src/package.js';
import { compile } from '../../src/pipeline.js';
import { defaults } from '../support/plan.js';
import { skip } from '../support/skip.js';

/** What a page would write. */
const page = `
  import { emitProgram } from './src/compiler/codegen/program.js';
  import { Templates } from './src/compiler/codegen/templates.js';
  import { planned } from './src/compiler/index.js';

  globalThis.compile = (model, path, board, texts, options) => {
    const bytes = Uint8Array.from(atob(model), (character) => character.charCodeAt(0));
    const { features, ...target } = JSON.parse(board);
    const request = { bytes, path, target: { ...target, features: new Set(features) } };
    const made = planned({ ...request, options: JSON.parse(options) });
    return emitProgram(made.module, made, new Templates(new Map(JSON.parse(texts)))).source;
  };
`;

const inJson = (target: Target) => JSON.stringify({ ...target, features: [...target.features] });

describe('the compiler in a browser', () => {
  let script = '';

  before(async () => {
    const { outputFiles } = await build({
      stdin: { contents: page, resolveDir: packageFile('.') },
      ...{ bundle: true, write: false, format: 'iife', platform: 'browser', logLevel: 'silent' },
    });
    script = outputFiles[0]?.text ?? '';
  });

  for (const path of ['examples/activity/activity.tflite', '../shared/models/kws.tflite']) {
    for (const name of ['rp2040', 'mps3-an547']) {
      it(`${path} for ${name}: the same C as here`, function () {
        const file = packageFile(path);
        if (!existsSync(file)) skip(this, '../shared/models is missing');
        const bytes = readFileSync(file);
        const target = loadTarget(name);
        const options = defaults;
        const globals = { TextDecoder, TextEncoder, atob, console };
        const context = createContext(globals) as typeof globals & {
          compile(...texts: readonly string[]): string;
        };
        runInContext(script, context);
        const texts = JSON.stringify([...packageTemplateTexts()]);
        const request = [bytes.toString('base64'), path, inJson(target), texts];
        const source = context.compile(...request, JSON.stringify(options));
        const { emission, module } = compile({ bytes, path, target, options });
        expect(source).to.equal(emission.files.get(`${module.name}.c`));
      });
    }
  }
});
