/** Every relative link of the project's pages leads somewhere, and the commits that they name exist. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pagesIn = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const folders = readdirSync(join(root, 'targets'), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [`targets/${entry.name}`] : [],
);
const examples = ['activity', 'fashion-mnist', 'spoken-digits'].map((name) => `examples/${name}`);
const pages = ['.', 'docs', 'docs/notes', 'docs/tables', ...examples, ...folders].flatMap(pagesIn);

/** As the page host makes it of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

function hasAnchor(path: string, anchor: string): boolean {
  const headings = readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm);
  return [...headings].some(([, heading = '']) => anchorOf(heading) === anchor);
}

describe('docs: links', () => {
  for (const page of pages) {
    it(page, () => {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const [path = '', anchor] = link.split('#');
        const file = path === '' ? join(root, page) : join(root, dirname(page), path);
        expect(existsSync(file), link).to.equal(true);
        if (anchor !== undefined) expect(hasAnchor(file, anchor), link).to.equal(true);
      }
    });
  }

  it('README leads to CONTRIBUTING, architecture and performance', () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    for (const page of ['CONTRIBUTING.md', 'docs/architecture.md', 'docs/performance.md']) {
      expect(readme).to.include(`](${page})`);
    }
  });

  it('the commits that CONTRIBUTING shows as examples exist', function () {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', root, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    try {
      if (git('rev-parse', '--is-shallow-repository') === 'true') this.skip();
    } catch {
      this.skip(); // An archive without history.
    }
    const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
    const commits = [...text.matchAll(/`([0-9a-f]{7})`/g)].map(([, commit = '']) => commit);
    expect(commits).not.to.be.empty;
    for (const commit of commits) expect(git('cat-file', '-t', commit)).to.equal('commit');
  });
});
