/** Stryker's reporter that writes each change that no test noticed as soon as that is known. */
import { appendFileSync, writeFileSync } from 'node:fs';

class Survivors {
  static inject = ['options'];

  constructor({ survivorsFile }) {
    this.file = survivorsFile;
    writeFileSync(this.file, '');
  }

  onMutantTested({ fileName, location, status, mutatorName, replacement }) {
    if (status !== 'Survived' && status !== 'NoCoverage') return;
    const { line, column } = location.start;
    const text = (replacement ?? '').replace(/\s+/g, ' ').slice(0, 80);
    appendFileSync(this.file, `${fileName}:${line}:${column} ${status} ${mutatorName}: ${text}\n`);
  }
}

export const strykerPlugins = [{ kind: 'Reporter', name: 'survivors', injectableClass: Survivors }];
