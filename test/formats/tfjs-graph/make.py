"""Makes the graph models of this folder with TensorFlow.js's converter, and what they predict.

    pip install tensorflow-cpu tf-keras && pip install --no-deps tensorflowjs tensorflow-hub
    python make.py

Written by tensorflowjs 4.22.0 and tensorflow 2.21.0.
"""

import json
import os
import sys
import tempfile
import types

os.environ["TF_USE_LEGACY_KERAS"] = "1"
# Formats that are not converted here import these.
for name in ["tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflowjs.converters import tf_saved_model_conversion_v2 as converter

L = keras.layers
random = np.random.default_rng(1)


def images():
    x = keras.Input((8, 8, 2))
    y = L.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(x)
    y = L.ReLU(6.0)(L.BatchNormalization()(y))
    y = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(y)))
    z = L.Conv2D(4, 1, activation="relu")(y)
    y = L.Add()([y, z])
    y = L.MaxPooling2D(2)(L.ZeroPadding2D(1)(y))
    y = L.Concatenate()([y, L.AveragePooling2D(2)(L.ZeroPadding2D(1)(z))])
    y = L.GlobalAveragePooling2D()(y)
    return keras.Model(x, L.Dense(3, activation="softmax")(y))


def steps():
    x = keras.Input((12, 3))
    y = L.Conv1D(4, 3, padding="same", activation="relu")(x)
    y = L.MaxPooling1D(2)(L.BatchNormalization()(y))
    y = L.LeakyReLU(0.1)(L.Conv1D(4, 3)(y))
    y = L.Reshape((2, 8))(y)
    y = L.Dense(6, activation="tanh")(L.Flatten()(y))
    return keras.Model(x, L.Dense(2, activation="sigmoid")(y))


def save(name, model, **options):
    model.set_weights([random.uniform(0.2 if "variance" in w.name else -1, 1, w.shape).astype("f4") for w in model.weights])
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with tempfile.TemporaryDirectory() as saved:
        model.export(saved) if hasattr(model, "export") else tf.saved_model.save(model, saved)
        converter.convert_tf_saved_model(saved, folder, **options)
    x = random.uniform(-2, 2, (2, *model.input_shape[1:])).astype("f4")
    y = model(x, training=False).numpy()
    with open(os.path.join(folder, "predicted.json"), "w") as file:
        json.dump({"x": [round(float(v), 7) for v in x.ravel()], "y": [float(v) for v in y.ravel()]}, file)


images_model = images()
save("images", images_model)
save("images_uint8", images_model, quantization_dtype_map={"uint8": "*"})
save("images_uint16", images_model, quantization_dtype_map={"uint16": "*"})
save("images_float16", images_model, quantization_dtype_map={"float16": "*"})
save("steps", steps())
