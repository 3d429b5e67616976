/** Which targets a board may be that is not the one it was taken for. */
import type { FlashProtocolName, SettingsOf } from '../../target/flash.js';
import { listTargets, loadTarget } from '../../target/index.js';

/** The targets that have such settings of a protocol. */
export function targetsWith<Name extends FlashProtocolName>(
  protocol: Name,
  fits: (settings: SettingsOf<Name>) => boolean,
): readonly string[] {
  const isOf = (settings: { readonly protocol: FlashProtocolName }): settings is SettingsOf<Name> =>
    settings.protocol === protocol;
  return listTargets().filter((name) =>
    loadTarget(name).flashProtocols.some((settings) => isOf(settings) && fits(settings)),
  );
}

/** @param otherwise the hint where there is no such target */
export function compileHint(
  names: readonly string[],
  otherwise = 'bonsaic targets lists the boards',
): string {
  const options = names.map((name) => `--target ${name}`);
  return options.length > 0 ? `compile for it: ${options.join(' or ')}` : otherwise;
}
