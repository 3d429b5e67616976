/** Builds: tools that are missing, builds that fail, images that do not fit. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildProject, findImage } from '../../src/boards/build/index.js';
import { writeProject } from '../../src/boards/build/project.js';
import { objcopyOf } from '../../src/boards/build/toolchain.js';
import { loadTarget } from '../../src/boards/target/index.js';
import type { Manifest } from '../../src/compiler/codegen/manifest.js';
import { BonsaiError } from '../../src/errors.js';

const manifest = {
  plan: { model: { name: 'tiny' }, arenaBytes: 64 },
  tables: [{ symbol: 'weights', role: 'weights', bytes: 100, step: 0 }],
} as unknown as Manifest;

describe('build', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-build-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const host = loadTarget('host');
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const makefile = (recipe: string) => write('Makefile', `all:\n\t${recipe}\n`);
  const build = (cc?: string, target = host) => buildProject(directory, { target, manifest, cc });

  async function failure(promise: Promise<unknown>): Promise<BonsaiError> {
    try {
      await promise;
    } catch (error) {
      if (error instanceof BonsaiError) return error;
      throw error;
    }
    throw new Error('it built');
  }

  it('runs the Makefile with the compiler and measures what it made', async () => {
    write(
      'main.c',
      `const signed char weights[100] = {1}; static char arena[64];
       int main(int n, char **v) { (void)v; return weights[n] + arena[n]; }`,
    );
    write(
      'Makefile',
      'build/tiny.elf: main.c\n\tmkdir -p build\n\techo built >> log\n\t$(CC) -O1 $< -o $@\n',
    );
    const built = await build();
    expect(findImage(built)).to.equal(join(directory, 'build/tiny.elf'));
    expect(built.images).to.deep.equal([built.elf]);
    expect(built.toolchain).to.match(/^gcc \d+\.\d+\.\d+$/);
    expect(built.sizes).to.include({ weightBytes: 100, tableBytes: 0 });

    const builds = () => readFileSync(join(directory, 'log'), 'utf8').trim().split('\n').length;
    await build();
    expect(builds(), 'nothing has changed').to.equal(1);
    await build('gcc -g');
    expect(builds(), 'what another compiler has left is not taken').to.equal(2);
  });

  it('builds again what another version, other sources or other flags made, and nothing else', async () => {
    const rows: [edge: string, change: () => void, isBuilt: boolean][] = [
      ['nothing has changed', () => {}, false],
      ['another version of the compiler', () => write('version', 'gcc 1.2.4'), true],
      ['the rest of what it says', () => write('version', 'gcc 1.2.4 of Monday'), true],
      ['a source from a copy, older than what was built', () => put('main.c', 'int two;'), true],
      ['flags in the Makefile', () => put('Makefile', `${recipe}# -Os\n`), true],
      ['notes beside it', () => write('notes', ''), false],
    ];
    const recipe = 'build/tiny.elf: main.c\n\tmkdir -p build\n\techo >> log\n\t$(CC) m.c -o $@\n';
    const put = (name: string, text: string) => {
      write(name, text);
      utimesSync(join(directory, name), 1e9, 1e9);
    };
    writeProject(
      directory,
      new Map([
        ['bonsai.json', '{"format":1}'],
        ['main.c', 'int one;'],
        ['Makefile', recipe],
      ]),
    );
    write('m.c', 'int main(void) { return 0; }');
    write('version', 'gcc 1.2.3');
    const compiler = join(directory, 'odd-gcc');
    const script = `#!/bin/sh\n[ "$1" = --version ] && exec cat '${directory}/version'\nexec gcc "$@"\n`;
    writeFileSync(compiler, script, { mode: 0o755 });
    const builds = () => readFileSync(join(directory, 'log'), 'utf8').length;
    await build(compiler);
    for (const [edge, change, isBuilt] of rows) {
      const before = builds();
      change();
      await build(compiler);
      expect(builds() - before, edge).to.equal(isBuilt ? 1 : 0);
    }
  });

  it('makes UF2 of the raw image', async () => {
    const rp2040 = loadTarget('rp2040');
    makefile(
      'mkdir -p build; echo "int main(void){return 0;}" > m.c; $(CC) -c m.c -o build/tiny.elf; printf boot > build/tiny.bin',
    );
    const built = await build(undefined, rp2040);
    expect(built.images.map((path) => path.replace(/.*\./, ''))).to.deep.equal([
      'elf',
      'bin',
      'uf2',
    ]);
    expect(readFileSync(findImage(built)).subarray(32, 36).toString()).to.equal('boot');
    expect(built.sizes.flashBytes).to.equal(4);
  });

  it('says how to install a compiler that is missing', async () => {
    const target = { ...loadTarget('rp2040'), compiler: 'no-such-gcc' };
    const error = await failure(build(undefined, target));
    expect(error).to.include({ code: 'toolchain', exitStatus: 4, where: 'no-such-gcc' });
    expect(error.hint).to.equal('apt-get install gcc-arm-none-eabi, or npm run setup');
    // Set-up alone leaves out what no board needs that one can buy.
    const lx60 = { ...loadTarget('lx60'), compiler: 'no-such-gcc' };
    const { hint } = await failure(build(undefined, lx60));
    expect(hint).to.equal('apt-get install gcc-xtensa-lx106, or npm run setup -- --tests');
  });

  it("names the user's own compiler when that is missing, or is none", async () => {
    expect((await failure(build('/no/such/cc'))).hint).to.match(/--cc/);
    expect((await failure(build('false'))).message).to.match(/version/);
  });

  it('gives the compiler the words of --cc as they are: neither make nor a shell expands them', async () => {
    const tools = join(directory, 'my $(tools)');
    mkdirSync(tools);
    const compiler = join(tools, 'odd-gcc-12');
    const said = join(directory, 'said');
    writeFileSync(
      compiler,
      `#!/bin/sh
       if [ "$2" = --version ]; then echo "gcc 1.2.3"; exit; fi
       printf '%s\\n' "$1" >> '${said}'; shift
       exec gcc "$@"\n`,
      { mode: 0o755 },
    );
    makefile('mkdir -p build; echo "int main(void){return 0;}" > m.c; $(CC) m.c -o build/tiny.elf');
    const words = [
      '$(shell touch ran)',
      '`touch ran`',
      '; touch ran #',
      '$HOME $$ \\ "quoted" it\'s',
      '$(OBJCOPY)',
    ];
    for (const word of words) {
      const quoted = `'${word.replaceAll("'", `'"'"'`)}'`;
      expect((await build(`"${compiler}" ${quoted}`)).toolchain).to.equal('odd-gcc-12 1.2.3');
    }
    expect(readFileSync(said, 'utf8').trim().split('\n')).to.deep.equal(words);
    expect(existsSync(join(directory, 'ran'))).to.equal(false);
  });

  const commands: [edge: string, cc: string, where: string, code: string][] = [
    ['operators of a shell are text', 'gcc;touch ran', 'gcc;touch', 'toolchain'],
    ['a quote without an end', "gcc 'x", '--cc', 'usage'],
    ['two lines: a recipe ends with its line', 'gcc\n-g', '--cc', 'usage'],
  ];
  for (const [edge, cc, where, code] of commands) {
    it(`--cc: ${edge}`, async () => {
      makefile('touch made');
      expect(await failure(build(cc))).to.include({ where, code });
      expect(existsSync(join(directory, 'made'))).to.equal(false);
    });
  }

  it('finds the objcopy of a compiler behind a wrapper, else the one of the target', () => {
    const target = loadTarget('rp2040');
    const rows = [
      [['ccache', '/opt/arm-none-eabi-gcc-12.2'], '/opt/arm-none-eabi-objcopy'],
      [['/opt/gcc/bin/xgcc', '-g'], '/opt/gcc/bin/xobjcopy'],
      [['clang', '--target=arm-none-eabi'], 'arm-none-eabi-objcopy'],
    ] as const;
    for (const [command, objcopy] of rows) expect(objcopyOf(command, target)).to.equal(objcopy);
  });

  const failures: [edge: string, says: string, code: string, message: RegExp][] = [
    ['an error of the compiler', 'x.c:3:1: error: boom', 'toolchain', /x\.c:3:1: error: boom/],
    [
      'too much flash',
      'ld: region `flash'.concat("' overflowed by 4096 bytes"),
      'over-budget',
      /rp2040: 4096 bytes of flash too much/,
    ],
    [
      'too much RAM',
      'ld: region `ram'.concat("' overflowed by 70000 bytes"),
      'over-budget',
      /70000 bytes of ram too much/,
    ],
    [
      'no stack left',
      'ld: less than 4 KB of RAM is left for the stack',
      'over-budget',
      /less than 4 KB of RAM is left for the stack/,
    ],
  ];
  for (const [edge, says, code, message] of failures) {
    it(`reports ${edge}`, async () => {
      write('said', `${says}\n`);
      makefile('@cat said >&2; exit 1');
      const error = await failure(build(undefined, loadTarget('rp2040')));
      expect(error.code).to.equal(code);
      expect(error.message).to.match(message);
      expect(existsSync(join(directory, 'build'))).to.equal(false);
    });
  }

  const mishaps: [edge: string, says: string, hint: RegExp][] = [
    ['a full disk', 'cc1: fatal error: x.s: No space left on device', /free some space/],
    ['a killed compiler', 'gcc: fatal error: Killed signal terminated program cc1', /memory/],
    ['a recipe that was killed', 'make: *** [Makefile:37: build/a.o] Killed', /memory/],
    ['a place that is not ours', 'ld: cannot open a.elf: Permission denied', /written to/],
    ['what nobody knows', 'x.c:3:1: error: boom', /bug in bonsaic/],
  ];
  for (const [edge, says, hint] of mishaps) {
    it(`knows what to do about ${edge}`, async () => {
      write('said', `${says}\n`);
      makefile('@cat said >&2; exit 1');
      const error = await failure(build());
      expect(error).to.include({ code: 'toolchain', exitStatus: 4 });
      expect(error.message).to.include(says);
      expect(error.hint).to.match(hint);
    });
  }

  it('says what killed make', async () => {
    makefile('@kill -9 $$PPID');
    expect(await failure(build())).to.include({ where: 'make', exitStatus: 4 });
    expect((await failure(build())).message).to.equal('was killed by SIGKILL');
  });

  const lost = /^files of the directory are missing \(a\.c, Makefile\): compile again$/;
  const whose: [edge: string, change: () => void, hint: RegExp][] = [
    ['nobody has changed anything', () => {}, /bug in bonsaic/],
    [
      'files that compile wrote are missing',
      () => ['a.c', 'Makefile'].map((name) => rmSync(join(directory, name))),
      lost,
    ],
    ['an edited source', () => write('a.c', '#include "x.h"'), /^changed since .*folder: a\.c$/],
    [
      'own code',
      () => {
        mkdirSync(join(directory, 'app'));
        write('app/b.c', '');
      },
      /^your own code is built too: app\/b\.c$/,
    ],
  ];
  for (const [edge, change, hint] of whose) {
    it(`a header that is not found: the compiler's own words, and ${edge}`, async () => {
      const says = 'a.c:1:10: fatal error: x.h: No such file or directory';
      const project = {
        'bonsai.json': '{"format":1}',
        'a.c': 'int a;',
        Makefile: `all:\n\t@echo '${says}' >&2; exit 1\n`,
      };
      writeProject(directory, new Map(Object.entries(project)));
      change();
      const error = await failure(build());
      if (hint !== lost) expect(error.message).to.include(says);
      expect(error.hint).to.match(hint);
    });
  }

  it('a second main(): says where a main() of the user belongs', async () => {
    write('said', "ld: main.c: multiple definition of `main'; b.c: first defined here\n");
    makefile('@cat said >&2; exit 1');
    expect((await failure(build())).hint).to.match(/belongs in app\/main\.c/);
  });

  it('refuses an image that is damaged', async () => {
    for (const image of ['', 'no ELF', '\\177ELF\\002\\001'.padEnd(200, 'x')]) {
      makefile(`@mkdir -p build; printf '${image}' > build/tiny.elf`);
      const error = await failure(build());
      expect(error).to.include({ code: 'toolchain', where: join(directory, 'build/tiny.elf') });
      expect(error.message).to.match(/^is not an image/);
    }
  });

  it('says that a compiler may not be run', async () => {
    write('cc', '');
    expect((await failure(build(join(directory, 'cc')))).message).to.equal('may not be run');
  });
});
