"""Trains the smart-watch activity model and writes activity.tflite, vectors.json and labels.json.

Data: BasicMotions (four students with a smart watch: standing, running, walking, badminton; 3-axis
accelerometer and gyroscope at 10 Hz), shipped inside the PyPI package aeon (BSD-3-Clause).

    python -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python train.py

The split is the data set's own: 40 recordings to train on, 40 to test on. bonsaic needs none of this.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from aeon.datasets import load_basic_motions
from tflite_micro.python.tflite_micro import runtime

HERE = Path(__file__).parent
LABELS = ["standing", "walking", "running", "badminton"]
WINDOW = 64  # samples: 6.4 s at 10 Hz
TEST_STARTS = (0, 12, 24, 36)
SEED = 7


def windows(recordings, starts):
    """recordings [n, 6, 100] -> windows [n * len(starts), WINDOW, 1, 6]."""
    cut = [recordings[:, :, s : s + WINDOW] for s in starts]
    return np.concatenate(cut).transpose(0, 2, 1)[:, :, None, :].astype(np.float32)


def load(split):
    recordings, names = load_basic_motions(split=split)
    return recordings, np.array([LABELS.index(name.lower()) for name in names])


def build():
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((WINDOW, 1, 6)),
            layers.Conv2D(16, (5, 1), strides=(2, 1), padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D((5, 1), padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(24, 1),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D((2, 1)),
            layers.DepthwiseConv2D((5, 1), padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(32, 1),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.AveragePooling2D((16, 1)),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(len(LABELS), activation="softmax"),
        ]
    )


def quantize(model, samples):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([s[None]] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def main():
    tf.keras.utils.set_random_seed(SEED)
    train_recordings, train_labels = load("train")
    test_recordings, test_labels = load("test")
    starts = range(0, 100 - WINDOW + 1, 3)
    x = windows(train_recordings, starts)
    y = np.tile(train_labels, len(starts))
    x_test = windows(test_recordings, TEST_STARTS)
    y_test = np.tile(test_labels, len(TEST_STARTS))

    model = build()
    model.compile(
        tf.keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    rng = np.random.default_rng(SEED)
    for _ in range(30):
        # A watch sits differently on every wrist: scale and jitter the axes a little.
        scale = rng.normal(1, 0.1, (len(x), 1, 1, 6)).astype(np.float32)
        jitter = rng.normal(0, 0.05, x.shape).astype(np.float32)
        model.fit(x * scale + jitter, y, batch_size=32, epochs=1, verbose=0)
    float_accuracy = model.evaluate(x_test, y_test, verbose=0)[1]

    flat = quantize(model, x[:: max(1, len(x) // 200)])
    (HERE / "activity.tflite").write_bytes(flat)

    interpreter = tf.lite.Interpreter(model_content=flat)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    raw = np.clip(np.round(x_test / scale) + zero_point, -128, 127).astype(np.int8)
    predicted = []
    for sample in raw:
        interpreter.set_tensor(source["index"], sample[None])
        interpreter.invoke()
        predicted.append(int(interpreter.get_tensor(sink["index"]).argmax()))
    int8_accuracy = float(np.mean(np.array(predicted) == y_test))

    # Two recordings of each activity; `label` is what the watch's wearer did, `output` what TFLM's
    # reference kernels compute: bonsaic has to give the same integers.
    chosen = [int(i) for label in range(len(LABELS)) for i in np.flatnonzero(y_test == label)[:2]]
    micro = runtime.Interpreter.from_bytes(flat)
    pairs = []
    for i in chosen:
        micro.set_input(raw[i][None], 0)
        micro.invoke()
        output = micro.get_output(0).flatten().tolist()
        pairs.append({"label": LABELS[y_test[i]], "input": raw[i].flatten().tolist(), "output": output})
    (HERE / "vectors.json").write_text(json.dumps({"pairs": pairs}) + "\n")
    (HERE / "labels.json").write_text(json.dumps(LABELS) + "\n")
    print(f"test windows {len(y_test)}  float {float_accuracy:.4f}  int8 {int8_accuracy:.4f}")
    print(f"activity.tflite {len(flat)} bytes, {model.count_params()} parameters")


if __name__ == "__main__":
    main()
