/**
 * Adam (Kingma and Ba, 2015) with decoupled weight decay. TensorFlow.js has one, but restores its
 * state with other bits than it had, so that a resumed run would end differently.
 */
import type { Tf, TfTensor, TfVariable } from '../tensorflow.js';

export interface Adam {
  /** First and second moments, by the names of their variables: part of a checkpoint. */
  readonly slots: ReadonlyMap<string, TfVariable>;
  /** @param step 1 for the first */
  apply(gradients: ReadonlyMap<string, TfTensor | undefined>, step: number, rate: number): void;
}

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

export function makeAdam(tf: Tf, variables: ReadonlyMap<string, TfVariable>, decay = 0): Adam {
  const slots = new Map<string, TfVariable>();
  for (const [name, variable] of variables) {
    for (const moment of ['mean', 'square']) {
      const make = () => tf.variable(tf.zeros(variable.shape), false);
      slots.set(`${moment}/${name}`, tf.tidy(make));
    }
  }
  return {
    slots,
    apply(gradients, step, rate) {
      const correction1 = 1 - beta1 ** step;
      const correction2 = 1 - beta2 ** step;
      for (const [name, variable] of variables) {
        tf.tidy(() => {
          const gradient = gradients.get(name);
          if (!gradient) return;
          const mean = slots.get(`mean/${name}`) as TfVariable;
          const square = slots.get(`square/${name}`) as TfVariable;
          mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1)));
          square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
          const size = tf.add(tf.sqrt(tf.div(square, correction2)), epsilon);
          const move = tf.mul(tf.div(tf.div(mean, correction1), size), rate);
          const kept = decay === 0 ? variable : tf.mul(variable, 1 - rate * decay);
          variable.assign(tf.sub(kept, move) as never);
        });
      }
    },
  };
}
