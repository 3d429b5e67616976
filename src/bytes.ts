/** Bytes as text, and beside each other, with what browsers have too. */
import { sha256 as sha256Of } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** A character for each byte: Latin-1. */
export function latin1(bytes: Uint8Array): string {
  const characters: string[] = [];
  for (let at = 0; at < bytes.length; at += 4096) {
    characters.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
  }
  return characters.join('');
}

/** Whether a word of ASCII stands anywhere in the bytes. */
export function includesWord(bytes: Uint8Array, word: string): boolean {
  const codes = Uint8Array.from(word, (character) => character.charCodeAt(0));
  const [first = 0, ...rest] = codes;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (rest.every((code, i) => bytes[at + 1 + i] === code)) return true;
  }
  return false;
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The hexadecimal SHA-256 of texts, as UTF-8, and bytes behind each other. */
export function sha256(...parts: readonly (string | Uint8Array)[]): string {
  const hash = sha256Of.create();
  for (const part of parts) {
    hash.update(typeof part === 'string' ? new TextEncoder().encode(part) : part);
  }
  return bytesToHex(hash.digest());
}
