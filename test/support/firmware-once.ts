/**
 * A compiler command for projects that share their target's firmware: what it makes of a source in
 * firmware/ is kept until the process ends, and copied for the next project with the same flags.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Target } from '../../src/boards/target/index.js';
import { once } from './once.js';

/** Builtins of the shell, but for `cp`: a process takes longer than a small source. */
const script = `#!/bin/sh
folder=$1
shift
case " $* " in
*" -c firmware/"*) ;;
*) exec "$@" ;;
esac
for object; do :; done
kept=$folder/\${object##*/}
if [ -f "$kept.flags" ] && IFS= read -r flags <"$kept.flags" && [ "$flags" = "$*" ]; then
    exec cp "$kept" "$object"
fi
rm -f "$kept.flags"
"$@" && cp "$object" "$kept" && printf '%s\\n' "$*" >"$kept.flags"
`;

const place = once(() => {
  const folder = mkdtempSync(join(tmpdir(), 'bonsaic-firmware-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'once.sh'), script, { mode: 0o755 });
  return folder;
});

/** The `cc` of buildProject. */
export function firmwareOnce({ name, compiler }: Pick<Target, 'name' | 'compiler'>): string {
  const folder = join(place(), name);
  mkdirSync(folder, { recursive: true });
  return `${join(place(), 'once.sh')} ${folder} ${compiler}`;
}
