import { randomPool } from '../support/operands.js';
import { testOperator } from '../support/operator.js';
import { poolRefusals, randomRealPool, realPools } from '../support/pools.js';
import { testReal } from '../support/real-layers.js';

testOperator({ op: 'max_pool2d', random: randomPool, refused: poolRefusals });

testReal('max_pool2d', realPools, randomRealPool);
