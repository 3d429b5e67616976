/** doctor: a compiler that answers but does not compile is missing. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { cliPath } from '../support/cli.js';

interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
}

describe('doctor', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bonsaic-doctor-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  /** Checks by what they are of, with programs of this directory found first. */
  function doctor() {
    const env = { ...process.env, PATH: `${directory}:${process.env.PATH}` };
    const args = [cliPath, 'doctor', '--json'];
    const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    const checks = JSON.parse(stdout) as Check[];
    return { status, checks: new Map(checks.map((check) => [check.what, check])) };
  }

  /** A compiler that is the real one but for what `change` does to its arguments. */
  function wrap(compiler: string, change: string) {
    const real = execFileSync('sh', ['-c', `command -v ${compiler}`], { encoding: 'utf8' }).trim();
    const text = `#!/bin/bash\ncase "$*" in *--version*) exec ${real} "$@" ;; esac\n${change}\n`;
    writeFileSync(join(directory, compiler), text.replaceAll('REAL', real), { mode: 0o755 });
  }

  it('compiles and links with the flags and headers of each target', () => {
    // No headers at all for one core, no library for another, no sanitizers.
    wrap(
      'arm-none-eabi-gcc',
      `case "$*" in
*cortex-m4*) exec REAL -nostdinc "$@" ;;
*cortex-m7*) for a; do shift; [ "$a" = -lgcc ] || set -- "$@" "$a"; done; exec REAL "$@" ;;
*) exec REAL "$@" ;;
esac`,
    );
    wrap(
      'gcc',
      'case "$*" in *-fsanitize*) echo "error: no libasan" >&2; exit 1 ;; esac; exec REAL "$@"',
    );
    const openocd = 'echo "Open On-Chip Debugger 0.12.0" >&2';
    writeFileSync(join(directory, 'openocd'), `#!/bin/sh\n${openocd}\n`, { mode: 0o755 });
    const { status, checks } = doctor();
    expect(status).to.equal(4);
    const found = (what: string) => [checks.get(what)?.ok, checks.get(what)?.found];
    expect(found('arm-none-eabi-gcc (rp2040)')[0]).to.equal(true);
    expect(found('arm-none-eabi-gcc (mps3-an547)')[0]).to.equal(true);
    // The library for 32 bits is found by -march, which must be one of the compiler's multilibs.
    expect(found('riscv64-unknown-elf-gcc (esp32c3)')[0]).to.equal(true);
    expect(found('xtensa-lx106-elf-gcc (lx60)')[0]).to.equal(true);
    expect(found('arm-none-eabi-gcc (stm32f405)')).to.match(/^false,.*No such file or directory$/);
    expect(found('arm-none-eabi-gcc (mps2-an500)')).to.match(/^false,.*__aeabi_ldivmod/);
    expect(found('gcc (host)')).to.match(/^true,gcc \d+\.\d+/);
    // Its first line names authors, and it has no --version.
    if (checks.get('socat (bonsaic simulate)')?.ok) {
      expect(found('socat (bonsaic simulate)')[1]).to.match(/^socat version \d/);
    }
    expect(found('openocd (flash --port probe)')).to.deep.equal([
      true,
      'Open On-Chip Debugger 0.12.0',
    ]);
    expect(found('gcc (sanitizers of verify)')).to.deep.equal([false, 'error: no libasan']);
  });
});
