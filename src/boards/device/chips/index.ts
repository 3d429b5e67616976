/** Simulated boot loaders, by the flash protocol that they speak. */
import { InternalError } from '../../../errors.js';
import type { FlashProtocolName, SettingsOf } from '../../target/flash.js';
import type { Target } from '../../target/index.js';
import { adafruitDfuChip } from './adafruitdfu.js';
import type { Chip } from './chip.js';
import { espChip } from './esp.js';
import { nrfDfuChip } from './nrfdfu.js';
import { stm32Chip } from './stm32.js';

/** @param flash the content from an earlier session; undefined: erased */
type MakeChip<Name extends FlashProtocolName> = (
  settings: SettingsOf<Name>,
  flash: Uint8Array | undefined,
  target: ChipTarget,
) => Chip;

type ChipTarget = Pick<Target, 'name' | 'flashProtocols' | 'flashAddress' | 'flashBytes'>;

const chips: { readonly [Name in FlashProtocolName]?: MakeChip<Name> } = {
  'adafruit-dfu': adafruitDfuChip,
  'esp-rom': espChip,
  'nrf-dfu': nrfDfuChip,
  'stm32-uart': (settings, flash) => stm32Chip(settings, flash),
};

/** Whether a boot loader of the target is simulated. */
export function hasChip({ flashProtocols }: Pick<Target, 'flashProtocols'>): boolean {
  return flashProtocols.some(({ protocol }) => protocol in chips);
}

/** @throws InternalError when no boot loader of the target is simulated: see hasChip */
export function makeChip(target: ChipTarget, flash?: Uint8Array): Chip {
  const { name, flashProtocols } = target;
  for (const settings of flashProtocols) {
    const make = chips[settings.protocol] as MakeChip<FlashProtocolName> | undefined;
    if (make !== undefined) return make(settings, flash, target);
  }
  throw new InternalError('device', `no boot loader of ${name} is simulated`);
}
