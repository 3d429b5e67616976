/** `bonsaic inspect` of models that do not compile: what it prints, and its status. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  at,
  changed,
  codeOf,
  encodeModel,
  smallModel,
  softmax,
  typeCode,
  withLogical,
} from '../formats/fixture.js';
import { runHere } from '../support/command.js';

describe('command line: inspect', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-inspect-'));
  after(() => rmSync(directory, { recursive: true }));

  const inspect = (bytes: Uint8Array, ...flags: string[]) => {
    const path = join(directory, 'model.tflite');
    writeFileSync(path, bytes);
    return runHere(['inspect', path, '--target', 'host', ...flags]);
  };

  const unknown = changed((model) => {
    Object.assign(at(model.operatorCodes, softmax), codeOf('ATAN2'));
  });
  const float = changed((model, main) => {
    withLogical(model, main);
    for (const id of [8, 9]) {
      Object.assign(at(main.tensors, id), { type: typeCode('float32'), quantization: {} });
    }
    main.operators.splice(2, 1, { ...at(main.operators, 3), inputs: [8] });
    main.operators.splice(0, 2);
    main.operators.splice(1);
    main.inputs.splice(0, 1, 8);
  });

  it('an operator that is not supported: the table, then the error, with status 2', async () => {
    const { status, stdout, stderr } = await inspect(unknown);
    expect(status).to.equal(2);
    expect(stdout).to.match(/^CONV_2D +int8 +1 +yes *\n(.*\n)+ATAN2 +int8 +1 +no: ATAN2 is not/m);
    expect(stderr).to.match(/^error: operator 3 \(ATAN2\) .*\n +→ /);
  });

  it('with --json: one document with the operators and the error', async () => {
    const { status, stdout } = await inspect(unknown, '--json');
    const { model, operators, error } = JSON.parse(stdout);
    expect(status).to.equal(2);
    expect(model).to.include({ name: 'model', bytes: unknown.length });
    expect(operators).to.have.length(4);
    expect(operators[3]).to.include({ operator: 'ATAN2', count: 1, supported: false });
    expect(operators[3].hint).to.equal(error.hint);
    expect(error).to.include({ code: 'unsupported-operator', exit: 2 });
  });

  it('a model that compiles: the same table, then everything else', async () => {
    const bytes = encodeModel(smallModel());
    const { status, stdout } = await inspect(bytes);
    expect(status).to.equal(0);
    expect(stdout).to.match(/^operator .*\n.*\nCONV_2D +int8 +1 +yes/);
    expect(stdout).to.match(/^model: \d+ B/m);
    const { operators, layers } = JSON.parse((await inspect(bytes, '--json')).stdout);
    expect([operators.length, layers.length]).to.deep.equal([4, 4]);
  });

  it('--shape gives a dynamic input its extents, by name or alone; without it the model asks', async () => {
    const dynamic = changed((_, main) => {
      Object.assign(at(main.tensors, 0), { shapeSignature: [1, -1, 4, 2], shape: [1, 1, 4, 2] });
    });
    const asked = await inspect(dynamic);
    expect(asked.status).to.equal(2);
    expect(asked.stderr).to.include('--shape "input=1,?,4,2"');
    for (const shape of ['1,4,4,2', 'input=1,4,4,2', ' input=1, 4, 4, 2'.trim()]) {
      const { status, stdout } = await inspect(dynamic, '--shape', shape);
      expect(status, shape).to.equal(0);
      expect(stdout).to.include('int8 [1, 4, 4, 2]');
    }
    for (const wrong of ['', '1,', '0,4', 'input=', '1x4', '-1,4,4,2']) {
      const { status, stderr } = await inspect(dynamic, `--shape=${wrong}`);
      expect([status, stderr], wrong).to.satisfy(() => status === 1 && /is no shape/.test(stderr));
    }
  });

  it('a float model is described, since it can be compressed; no target takes it: status 2', async () => {
    const { status, stdout, stderr } = await inspect(float);
    expect(stdout)
      .to.match(/^LOGICAL_NOT +float32 +1 +no: .*float32/m)
      .and.to.match(/^model: /m);
    expect(stderr).to.match(/^error: .*\n +→ /m);
    expect(status).to.equal(2);
    const document = JSON.parse((await inspect(float, '--json')).stdout);
    expect(document.error).to.include({ code: 'float-model', exit: 2 });
    expect([document.layers.length, document.targets.length]).to.deep.equal([1, 1]);
    expect(document.targets[0].refused).to.be.a('string');
  });

  it('targets that refuse the model: the report, and the error where none takes it', async () => {
    const path = join(directory, 'model.tflite');
    writeFileSync(path, encodeModel(smallModel()));
    const flags = ['inspect', path, '--cores', '2', '--json'];
    const one = await runHere([...flags, '--target', 'stm32f405']);
    const { targets, error } = JSON.parse(one.stdout);
    expect([one.status, error.exit, error.code]).to.deep.equal([1, 1, 'usage']);
    expect(targets[0].refused).to.include(error.message);
    const all = await runHere(flags);
    expect([all.status, JSON.parse(all.stdout).error]).to.deep.equal([0, undefined]);
  });
});
