/**
 * Damaged files of every format that is no .tflite (test/support/damaged-files.ts) through what reads them,
 * within limits (campaign.ts); docs/reliability.md has the outcome.
 *
 *     npx tsx bench/fuzz-files.ts [FIRST] [COUNT]      100 000 files: half an hour
 */
import { damagedFile } from '../test/support/damaged-files.js';
import { campaign } from './campaign.js';

await campaign(import.meta.url, 'damaged files', damagedFile);
