/** How to install what is missing: by the scripts of a clone, which the npm package does not have. */
import { existsSync } from 'node:fs';
import { packageFile } from '../../package.js';

/** Whether bonsaic runs from a clone of its repository. */
export const isClone = existsSync(packageFile('scripts/setup.sh'));

/**
 * How to install a Debian package.
 *
 * @param isOptional whether the clone's `npm run setup` installs it for tests alone
 */
export function installHint(aptPackage: string, isOptional = false, inClone = isClone): string {
  const apt = `apt-get install ${aptPackage}`;
  return inClone ? `${apt}, or npm run setup${isOptional ? ' -- --tests' : ''}` : apt;
}

/** TensorFlow's C library for Node: beside bonsaic, wherever npm has put that. */
export const installNative = (inClone = isClone) =>
  inClone
    ? 'npm run setup -- --native-training'
    : 'npm install @tensorflow/tfjs-node@4.22.0 (with -g, if bonsaic was installed so)';
