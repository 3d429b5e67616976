/** Write protection in the option bytes of an STM32, as its boot loaders read them. */
import { BonsaiError } from '../../../errors.js';
import type { SettingsOf } from '../../target/flash.js';
import type { Sector } from '../../target/sectors.js';

/** The word at an address of the chip; null: the chip refuses to read it. */
export type ReadWord = (address: number) => Promise<number | null>;

/** The numbers of the protected ones of `sectors`, as far as the option bytes can be read. */
export async function writeProtected(
  { writeProtection }: Pick<SettingsOf<'stm32-uart'>, 'writeProtection'>,
  sectors: readonly Sector[],
  readWord: ReadWord,
): Promise<readonly Sector[]> {
  if (writeProtection === undefined) return [];
  const { form } = writeProtection;
  const addresses = form === 'bits' ? [writeProtection.address] : writeProtection.addresses;
  const words: number[] = [];
  for (const address of addresses) {
    const word = await readWord(Number(address));
    if (word === null) return [];
    words.push(word);
  }
  const isProtected = ({ number }: Sector) =>
    words.some((word) =>
      form === 'bits'
        ? ((word >>> number) & 1) === 0
        : number >= (word & 0x7f) && number <= ((word >>> 16) & 0x7f),
    );
  return sectors.filter(isProtected);
}

/** '2 sectors from 0x08000000 on' or 'the sector at 0x08004000', for people. */
function sectorsText(sectors: readonly Sector[]): string {
  const address = `0x${(sectors[0]?.address ?? 0).toString(16).padStart(8, '0')}`;
  return sectors.length === 1
    ? `the sector at ${address}`
    : `${sectors.length} sectors from ${address} on`;
}

/** @param outcome what has become of the board */
export function protectedError(
  port: string,
  sectors: readonly Sector[],
  outcome: string,
): BonsaiError {
  return new BonsaiError(
    'flash',
    port,
    `${sectorsText(sectors)} of the flash cannot be erased, being write-protected (WRP): ${outcome}`,
    'remove that protection, which keeps the content: stm32flash -u PORT, or STM32CubeProgrammer',
  );
}
