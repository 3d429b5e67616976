/** Which targets a board may be that is not the one it was taken for. */
import type { FlashProtocolName, SettingsOf } from '../../target/flash.js';
import { listTargets, loadTarget } from '../../target/index.js';

/** Settings of a protocol, with the name of their target. */
export interface Kin<Name extends FlashProtocolName> {
  readonly name: string;
  readonly settings: SettingsOf<Name>;
}

/** All targets' settings of a protocol, from their files. */
export function settingsOfAll<Name extends FlashProtocolName>(
  protocol: Name,
): readonly Kin<Name>[] {
  const isOf = (settings: { readonly protocol: FlashProtocolName }): settings is SettingsOf<Name> =>
    settings.protocol === protocol;
  return listTargets().flatMap((name) =>
    loadTarget(name)
      .flashProtocols.filter(isOf)
      .map((settings) => ({ name, settings })),
  );
}

/** The targets that have such settings of a protocol. */
export function targetsWith<Name extends FlashProtocolName>(
  protocol: Name,
  fits: (settings: SettingsOf<Name>) => boolean,
  all = settingsOfAll(protocol),
): readonly string[] {
  return [...new Set(all.filter(({ settings }) => fits(settings)).map(({ name }) => name))];
}

/** @param otherwise the hint where there is no such target */
export function compileHint(
  names: readonly string[],
  otherwise = 'bonsaic targets lists the boards',
): string {
  const options = names.map((name) => `--target ${name}`);
  return options.length > 0 ? `compile for it: ${options.join(' or ')}` : otherwise;
}
