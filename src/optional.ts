/** Packages that an installation may leave out (npm install --omit=optional), loaded when first needed. */
import { BonsaiError } from './errors.js';
import { optionalVersions } from './package.js';

/** What the import of a missing package says. */
const isMissing = (message: string) => /cannot find (module|package)/i.test(message);

/** '^4.22.0' → '4', '^0.4.4' → '0.4': a shell reads them as they are. */
const majorOf = (range: string) => /(0\.)?\d+/.exec(range)?.[0] ?? 'latest';

/**
 * What `load` imports.
 *
 * @param names of the packages that it imports, as package.json has them
 * @param otherwise what helps besides, for people
 * @throws BonsaiError 'toolchain' that says how to install them
 */
export async function optional<T>(
  names: readonly string[],
  load: () => Promise<T>,
  otherwise?: string,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    const versions = names.map((name) => `${name}@${majorOf(optionalVersions.get(name) ?? '')}`);
    throw new BonsaiError(
      'toolchain',
      `the npm package ${names.join(', ')}`,
      isMissing(reason) ? 'is not installed' : `cannot be loaded: ${reason}`,
      [
        `where bonsaic is installed: npm install ${versions.join(' ')} (-g, if bonsaic was so)`,
        ...(otherwise === undefined ? [] : [otherwise]),
      ].join('; or '),
    );
  }
}
