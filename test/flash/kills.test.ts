/**
 * Real processes: `bonsaic flash` killed at random bytes, and clients of others over a line that
 * drops and changes bytes. bench/flash-kills.ts and bench/noise.ts try many more.
 */
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { killRow } from '../support/flash-kills.js';
import { clients, flashNoisily } from '../support/noisy-clients.js';
import { needs, needsSimulator, skip } from '../support/skip.js';

const kills = 2;

describe('flash: real processes', function () {
  this.timeout(300_000);

  // Without esp32c3: its core is simulated at a speed that a busy machine takes below what the
  // host's time-outs allow, once its image runs; test/flash/reliability kills its hosts in virtual time.
  for (const name of ['nrf52840-uf2', 'rp2040'] as const) {
    it(`${name}: killed at ${kills} bytes, and flashed again`, async function () {
      needs(this, 'socat');
      needsSimulator(this, loadTarget(name));
      // A busy machine makes boards late, so that attempts differ: bench/flash-kills.ts, on an idle one,
      // tells where kills fall and wants the first attempt to succeed.
      const { before, during, behind, next, errors } = await killRow(name, kills, 1, 4);
      expect(errors).to.deep.equal([]);
      expect([before + during + behind, next]).to.deep.equal([kills, kills]);
    });
  }

  for (const client of clients) {
    it(`${client.name}, one byte in 1000 lost, one changed: no false success, no hang`, async function () {
      needs(this, 'socat');
      if (client.command === null)
        skip(this, `${client.name} is missing: scripts/setup.sh --tests`);
      const { client: how, struck, next } = await flashNoisily(client, { one: 1000, seed: 1 });
      expect(how).to.be.oneOf(['written', 'refused', 'ended after 60 s']);
      expect(struck, 'it never struck').to.be.above(0);
      expect(next).to.equal('');
    });
  }
});
