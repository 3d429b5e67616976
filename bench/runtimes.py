"""Runs .tflite files in a Python runtime and stores the raw bytes of all outputs, for runtimes.ts.

usage: runtimes.py RUNTIME JOBS
  RUNTIME  tflm                        package tflite-micro
           default, builtin, reference  package tensorflow-cpu (or ai-edge-litert): the interpreter
                                        with XNNPACK, without delegates, with reference kernels
  JOBS     JSON: [{"model": path, "inputs": [path of raw elements, ...], "outputs": prefix, "count": n}]
           A file with several times the elements of its input is a sequence: the runs follow each
           other without a reset, and so do the outputs of each in the file.
Writes PREFIX.0, PREFIX.1 …; a model that the runtime refuses leaves PREFIX.error.
"""
import json
import sys

import numpy as np


def micro(model):
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(model, arena_size=32 << 20)

    def run(inputs, count):
        for position, data in enumerate(inputs):
            interpreter.set_input(data, position)
        interpreter.invoke()
        return [interpreter.get_output(position) for position in range(count)]

    def details(count):
        return [interpreter.get_input_details(position) for position in range(count)]

    return run, details


def lite(kind):
    try:
        import tensorflow as tf

        interpreter_of, resolvers = tf.lite.Interpreter, tf.lite.experimental.OpResolverType
    except ImportError:
        from ai_edge_litert.interpreter import Interpreter as interpreter_of
        from ai_edge_litert.interpreter import OpResolverType as resolvers
    resolver = {
        "default": resolvers.AUTO,
        "builtin": resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": resolvers.BUILTIN_REF,
    }[kind]

    def opened(model):
        interpreter = interpreter_of(
            model_path=model, experimental_op_resolver_type=resolver, num_threads=1
        )
        interpreter.allocate_tensors()

        def run(inputs, _):
            for detail, data in zip(interpreter.get_input_details(), inputs):
                interpreter.set_tensor(detail["index"], data)
            interpreter.invoke()
            return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]

        return run, lambda _: interpreter.get_input_details()

    return opened


def sequence(paths, details):
    """The inputs of each run."""
    inputs = [np.fromfile(path, d["dtype"]) for path, d in zip(paths, details)]
    runs = [data.reshape(-1, *d["shape"]) for data, d in zip(inputs, details)]
    return list(zip(*runs)) if runs else [()]


kind, jobs = sys.argv[1:3]
opened = micro if kind == "tflm" else lite(kind)
for job in json.load(open(jobs)):
    try:
        run, details = opened(job["model"])
        inputs = sequence(job["inputs"], details(len(job["inputs"])))
        outputs = [[data.copy() for data in run(each, job["count"])] for each in inputs]
        for position, data in enumerate(zip(*outputs)):
            np.concatenate([np.ravel(each) for each in data]).tofile(f"{job['outputs']}.{position}")
    except Exception as error:
        with open(job["outputs"] + ".error", "w") as file:
            file.write(str(error))
