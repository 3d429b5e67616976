/** `run` of a float model: what int8 would take, and the command that makes it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadTarget } from '../../src/boards/target/index.js';
import { writeTflite } from '../../src/compiler/formats/tflite/write.js';
import { costsOn } from '../../src/compress/cost.js';
import { int8Estimate, isFloat } from '../../src/compress/int8-estimate.js';
import { encodeModel, smallModel } from '../formats/fixture.js';
import { runHere } from '../support/command.js';
import { FloatNetwork } from '../support/float-network.js';
import { defaults } from '../support/plan.js';

const network = () => new FloatNetwork([12, 12, 3]).conv(8).depthwise().mean().dense(4).module();

describe('run of a float model', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-float-'));
  after(() => rmSync(directory, { recursive: true }));
  const model = join(directory, 'my net.tflite');
  const other = join(directory, 'int8.tflite');
  before(() => {
    writeFileSync(model, writeTflite(network()));
    writeFileSync(other, encodeModel(smallModel()));
  });
  // The plan alone exceeds it: nothing is built.
  const tight = ['--target', 'rp2040', '--max-flash', '10'];

  it('the estimate and the command, before a fault too', async () => {
    const { status, stderr } = await runHere(['run', model, ...tight]);
    expect(status).to.equal(3);
    expect(stderr).to.match(/^int8 {5}about [\d ]+ cycles, .* ms, .* B of flash/m);
    expect(stderr.replace(/\s+/g, ' ')).to.include('(estimated: nothing was built)');
    const command = `bonsaic quantize '${model}' --data DATA -o 'my net-int8'`;
    expect(stderr.split('\n')).to.include(command);
  });

  it('in the document', async () => {
    const { status, stdout } = await runHere(['run', model, '--json', ...tight]);
    const { int8, error } = JSON.parse(stdout);
    expect([status, error.exit]).to.deep.equal([3, 3]);
    const target = loadTarget('rp2040');
    const cost = int8Estimate(network(), costsOn(target, { ...defaults, faithful: false }));
    expect(int8).to.include({ isEstimate: true, unit: 'cycles', ms: int8.count / 125e3 });
    // --max-flash makes it choose other kernels.
    expect(int8.flashBytes).to.be.at.most(cost?.flashBytes ?? 0);
  });

  it('nothing of it for a model of integers', async () => {
    const { stdout } = await runHere(['run', other, '--json', ...tight]);
    expect(JSON.parse(stdout)).to.have.property('error');
    expect(JSON.parse(stdout)).not.to.have.property('int8');
  });

  it('is that of a network of the same shape in int8, and less than the float one', () => {
    const costOf = costsOn(loadTarget('stm32f405'), { ...defaults, faithful: false });
    const float = network();
    expect(isFloat(float)).to.equal(true);
    const cost = int8Estimate(float, costOf);
    const whole = costOf(float);
    expect(cost?.count)
      .to.be.above(0)
      .and.below(whole.count / 4);
    expect(cost?.flashBytes).to.be.below(whole.flashBytes);
  });
});
