import { randomPool } from '../support/operands.js';
import { testOperator } from '../support/operator.js';
import { poolRefusals, randomRealPool, realPools } from '../support/pools.js';
import { testReal } from '../support/real-layers.js';

testOperator({ op: 'average_pool2d', random: randomPool, refused: poolRefusals });

testReal('average_pool2d', realPools, randomRealPool);
