/** Parts of paths that a user names, also where there is no disk. */

/** The last part; of 'a/b/' that is 'b'. */
export function fileName(path: string): string {
  return /[^/]*(?=\/*$)/.exec(path)?.[0] ?? '';
}

/** What stands before the last part; '.' for a name alone. */
export function folderOf(path: string): string {
  return /^(.+?)\/+[^/]*\/*$/.exec(path)?.[1] ?? (path.startsWith('/') ? '/' : '.');
}

/** The last part without what follows its last dot, unless the dot is its first character. */
export function stemOf(path: string): string {
  return fileName(path).replace(/(?<=.)\.[^.]*$/, '');
}
