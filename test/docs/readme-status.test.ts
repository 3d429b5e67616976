/** Exit codes of README.md: each is provoked by a command line. */
import { spawn } from 'node:child_process';
import { readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { exitStatus } from '../../src/errors.js';
import { at, changed, codeOf, softmax } from '../formats/fixture.js';
import { cliPath } from '../support/cli.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';
import { readme, tableOf } from '../support/readme.js';
import { ReadmeFolder } from '../support/readme-folder.js';
import { needs } from '../support/skip.js';

const here = new ReadmeFolder();

describe('README: exit codes', () => {
  after(() => here.remove());

  const meanings = new Map(
    tableOf('exit code', 'meaning').flatMap(([codes = '', meaning = '']) =>
      codes.split(', ').map((code) => [Number(code), meaning] as const),
    ),
  );
  const onHost = ['--target', 'host', '--port', 'sim'];
  const file = (name: string, contents: string | Uint8Array) => here.file(name, contents);
  const compiling = (target: string, ...args: readonly string[]) => {
    const [model = here.kws, ...rest] = args;
    return ['compile', model, '--target', target, '-o', here.fresh(), ...rest];
  };

  /** A meaning that its row has to name, and a command that has it. */
  const rows: readonly (readonly [
    code: number,
    meaning: RegExp,
    args: () => readonly string[] | Promise<readonly string[]>,
    says?: RegExp,
  ])[] = [
    [0, /done/, () => ['targets']],
    [1, /wrong command line/, () => ['inspect', here.kws, '--no-such-option']],
    [2, /the model\b.*invalid/, () => ['inspect', file('text.tflite', 'no model')]],
    [
      2,
      /vectors\b.*invalid/,
      () => ['run', here.kws, ...onHost, '--vectors', file('v.json', '{}')],
    ],
    [
      2,
      /data are invalid/,
      () => [
        ...[
          'quantize',
          here.float,
          '--data',
          file('bad.csv', 'a,b,c,d\n1,2,x,4\n'),
          '-o',
          here.fresh(),
        ],
        ...['--backend', 'wasm'],
      ],
    ],
    [
      2,
      /not supported: the message names the operator and what to do/,
      () =>
        compiling(
          'host',
          file(
            'atan2.tflite',
            changed((model) => {
              Object.assign(at(model.operatorCodes, softmax), codeOf('ATAN2'));
            }),
          ),
        ),
      /ATAN2.*\n +→ \w/,
    ],
    [3, /`--max-flash`/, () => compiling('rp2040', here.kws, '--max-flash', '100')],
    [3, /`--max-ram`/, () => compiling('rp2040', here.kws, '--max-ram', '100')],
    [3, /`--max-ms`/, () => ['run', here.kws, ...onHost, '--max-ms', '0.0000001']],
    [
      3,
      /the board's flash or RAM/,
      () => {
        const wide = new FloatNetwork([96, 96, 8], 1).conv(16, 1).module();
        return compiling('stm32f411', file('wide.tflite', writeTflite(wide)));
      },
    ],
    [4, /missing/, () => ['run', here.kws, ...onHost, '--cc', 'no-such-compiler']],
    [4, /failed/, () => ['run', here.kws, ...onHost, '--cc', 'false']],
    [
      5,
      /device .*failed/,
      () => ['flash', file('any.bin', 'x'), '--target', 'stm32f405', '--port', '/dev/no-port'],
    ],
    [
      5,
      /damaged/,
      async () => {
        const image = readFileSync(join(await here.built(), 'build/kws.bin'));
        image[image.length >> 1] = (image[image.length >> 1] ?? 0) ^ 1;
        return ['flash', file('damaged.bin', image), '--target', 'rp2040', '--port', 'sim'];
      },
      /damaged|differ/,
    ],
    [
      5,
      /for another board/,
      async () => [
        ...['flash', join(await here.built(), 'build/kws.bin')],
        ...['--target', 'stm32f405', '--port', 'sim'],
      ],
      /rp2040/,
    ],
    [
      5,
      /too large/,
      () => {
        truncateSync(file('large.bin', ''), 2 ** 21);
        return ['flash', here.place('large.bin'), '--target', 'stm32f405', '--port', 'sim'];
      },
    ],
    [
      6,
      /outputs differ: the message names the first layer that differs/,
      () => {
        const [pair] = JSON.parse(readFileSync(here.vectors, 'utf8')).pairs;
        pair.output[0] += pair.output[0] > 0 ? -1 : 1;
        const wrong = file('wrong.json', JSON.stringify({ pairs: [pair] }));
        return ['run', here.kws, ...onHost, '--vectors', wrong];
      },
      /layer/,
    ],
  ];
  for (const [code, meaning, args, says = /./] of rows) {
    it(`${code}: ${meaning.source}`, async function () {
      expect(meanings.get(code)).to.match(meaning);
      if (code === 5) needs(this, loadTarget('rp2040').compiler);
      const { status, stdout, stderr } = await runHere(await args());
      expect(status, stderr).to.equal(code);
      expect(stderr + stdout).to.match(says);
    });
  }

  it('70: a bug in bonsaic, here an injected one', async () => {
    expect(meanings.get(70)).to.match(/a bug in bonsaic/);
    const { isSafeInteger } = Number;
    Number.isSafeInteger = () => {
      throw new TypeError('injected');
    };
    const ended = await runHere(compiling('host')).finally(() => {
      Number.isSafeInteger = isSafeInteger;
    });
    expect(ended.status, ended.stderr).to.equal(70);
  });

  const [, codes = '', signals = ''] = /^\| ([\d, ]+) \| stopped by (.*)$/m.exec(readme) ?? [];
  const names = signals.match(/SIG[A-Z]+/g) ?? [];
  for (const [i, code] of codes.split(', ').entries()) {
    it(`${code}: stopped by ${names[i]}, with a document that says so`, async () => {
      const child = spawn(process.execPath, [
        cliPath,
        'run',
        here.kws,
        '--target',
        'rp2040',
        '--json',
      ]);
      let stdout = '';
      child.stdout.on('data', (data) => {
        stdout += data;
      });
      child.stderr.once('data', () => child.kill(names[i] as NodeJS.Signals));
      const status = await new Promise((resolve) => child.once('close', resolve));
      expect(status).to.equal(Number(code));
      const { error } = JSON.parse(stdout);
      expect(signals).to.include(`error \`${error.code}\``);
      expect(error).to.include({ exit: Number(code) });
    });
  }

  it('the table has each status that there is', () => {
    const tried = new Set([...rows.map(([code]) => code), 70, ...codes.split(', ').map(Number)]);
    expect(new Set(meanings.keys())).to.deep.equal(tried);
    expect([...meanings.keys()]).to.include.members(Object.values(exitStatus));
  });
});
