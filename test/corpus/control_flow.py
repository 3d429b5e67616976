"""Makes models with loops as TensorFlow converts them to int8, and the answers of the runtimes.

usage: control_flow.py OUT      (TensorFlow 2.21; a model each for OUT/NAME.tflite, answers in OUT/NAME.json)
TensorFlow ends with a fault where a loop gathers by its counter, as those of GRU and SimpleRNN do.
"""
import json
import os
import sys

os.environ['CUDA_VISIBLE_DEVICES'] = ''
import numpy as np
import tensorflow as tf

out = sys.argv[1]
rng = np.random.default_rng(0)
matrix = lambda rows, columns: tf.constant(rng.standard_normal((rows, columns)).astype(np.float32) * 0.4)
w = matrix(8, 8)
v = tf.constant(np.random.default_rng(1).standard_normal((8, 8)).astype(np.float32) * 0.4)
# Moves elements on and mixes them a little, so that something is left after many turns.
u = tf.constant((0.97 * np.roll(np.eye(8), 1, 0) + 0.03 / 8).astype(np.float32))


def turns(x):
    """Five turns of a layer, whose result goes into the next turn."""
    step = lambda i, h: (i + 1, tf.nn.relu(tf.matmul(h, w)))
    return tf.while_loop(lambda i, h: i < 5, step, (tf.constant(0), x))[1]


def nested(x):
    """Three turns, each with two of its own, at a stride of 2."""
    inner = lambda h: tf.while_loop(
        lambda j, h: tf.logical_and(j < 4, j < 9), lambda j, h: (j + 2, tf.matmul(h, w)), (tf.constant(0), h))[1]
    step = lambda i, h: (i - 1, tf.nn.relu(inner(h)))
    return tf.while_loop(lambda i, h: i > 0, step, (tf.constant(3), x))[1]


def many(x):
    """Thirty turns: a loop in the C too."""
    step = lambda i, h: (i + 1, tf.nn.relu(tf.matmul(h, u)))
    return tf.while_loop(lambda i, h: i < 30, step, (tf.constant(0), x))[1]


def branches(x):
    """A layer of its own for each sign of the first element."""
    return tf.cond(x[0, 0] > 0.5, lambda: tf.nn.relu(tf.matmul(x, w)), lambda: tf.matmul(x, v) + x)


def convert(function, shape):
    spec = [tf.TensorSpec(shape, tf.float32)]
    concrete = tf.function(function, input_signature=spec).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    samples = [rng.standard_normal(shape).astype(np.float32) for _ in range(20)]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def desktop(model, inputs):
    kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kind, num_threads=1)
    interpreter.allocate_tensors()
    answers = []
    for data in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]['index'], data)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]['index']))
    return answers


def micro(model, inputs):
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=1 << 20)
    answers = []
    for data in inputs:
        interpreter.set_input(data, 0)
        interpreter.invoke()
        answers.append(interpreter.get_output(0))
    return answers


def answered(run, *arguments):
    try:
        return [answer.flatten().tolist() for answer in run(*arguments)]
    except Exception as error:
        return str(error).strip().split('\n')[-1]


for function, shape in ((turns, (1, 8)), (nested, (1, 8)), (many, (1, 8)), (branches, (1, 8))):
    name = function.__name__
    model = convert(function, shape)
    inputs = [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(3)]
    vectors = {
        'inputs': [data.flatten().tolist() for data in inputs],
        'tflm': answered(micro, model, inputs),
        'tflite': answered(desktop, model, inputs),
    }
    with open(f'{out}/{name}.tflite', 'wb') as file:
        file.write(model)
    with open(f'{out}/{name}.json', 'w') as file:
        json.dump(vectors, file)
