"""Makes keras.zip: a small int8 .tflite of each Keras layer and option, with the answers of TFLite's runtimes.

usage: keras_layers.py [-o keras.zip] [NAME ...]      with names: makes these cases anew and keeps the others

Needs tensorflow-cpu and tf-keras (2.21), and tflite-micro (with --pre) of PyPI. Recurrent layers are those
of tf-keras, whose LSTM the converter fuses. Other recurrent layers are unrolled: at loops (also those of
ConvLSTM) the converter's calibrator crashes, and 3D pools need operators of full TensorFlow.
Each case is one layer after a keras.Input of batch size 1, converted as TensorFlow's guide says:
post-training quantization, int8 inputs and outputs, float where an operator has no int8 kernel.
Weights and samples come from seeds, so the files are the same each time.

The archive has NAME.tflite and NAME.json: {"inputs": [per run: [per input: numbers]], "tflm": answers,
"tflite": answers, "tflite-portable": answers, "xnnpack": answers}; answers are [per run: [per output:
numbers]], or the runtime's error. "tflite" is the interpreter without delegates on x86 with AVX2,
"tflite-portable" the same with portable code (RUY_PATHS=1), "xnnpack" the default interpreter.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from keras import layers as k
from tensorflow.lite.python import schema_py_generated as schema_fb
from tensorflow.lite.tools import flatbuffer_utils

here = Path(__file__).parent
runtimes = here.parent.parent / "bench" / "runtimes.py"
kinds = {"tflm": "tflm", "tflite": "builtin", "tflite-portable": "builtin", "xnnpack": "default"}

image, odd, volume, series, vector = (8, 8, 4), (9, 7, 3), (4, 6, 6, 2), (10, 4), (12,)
cases = {}


def case(name, shape, layer, **options):
    """options: integers (inputs are integers below this bound), int16 (activations are, as to_int16 makes them),
    loop (converted by default, to float32: at loops the calibrator of int8 crashes)."""
    assert name not in cases, name
    cases[name] = (shape if isinstance(shape, list) else [shape], layer, options)


def convolutions():
    case("conv1d", series, lambda: k.Conv1D(6, 3))
    case("conv1d_same", series, lambda: k.Conv1D(6, 3, padding="same"))
    case("conv1d_causal", series, lambda: k.Conv1D(6, 3, padding="causal"))
    case("conv1d_stride", series, lambda: k.Conv1D(6, 3, strides=2))
    case("conv1d_dilated", series, lambda: k.Conv1D(6, 3, dilation_rate=2))
    case("conv1d_causal_dilated", series, lambda: k.Conv1D(6, 3, dilation_rate=2, padding="causal"))
    case("conv1d_groups", series, lambda: k.Conv1D(6, 3, groups=2))
    case("conv2d", image, lambda: k.Conv2D(6, 3))
    case("conv2d_same", odd, lambda: k.Conv2D(6, 3, padding="same"))
    case("conv2d_stride", odd, lambda: k.Conv2D(6, 3, strides=2, padding="same"))
    case("conv2d_dilated", odd, lambda: k.Conv2D(6, 3, dilation_rate=2))
    case("conv2d_dilated_same", odd, lambda: k.Conv2D(6, 3, dilation_rate=2, padding="same"))
    case("conv2d_pointwise", image, lambda: k.Conv2D(6, 1))
    case("conv2d_groups", image, lambda: k.Conv2D(6, 3, groups=2))
    case("conv2d_relu", image, lambda: k.Conv2D(6, 3, activation="relu"))
    case("conv2d_relu6", image, lambda: k.Conv2D(6, 3, activation="relu6"))
    case("conv2d_no_bias", image, lambda: k.Conv2D(6, (3, 2), use_bias=False))
    case("conv3d", volume, lambda: k.Conv3D(4, 3))
    case("conv3d_same", volume, lambda: k.Conv3D(4, (1, 3, 3), padding="same"))
    case("conv3d_stride", volume, lambda: k.Conv3D(4, 2, strides=2, padding="same", activation="relu"))
    case("depthwise_conv1d", series, lambda: k.DepthwiseConv1D(3))
    case("depthwise_conv1d_same", series, lambda: k.DepthwiseConv1D(3, padding="same", depth_multiplier=2))
    case("depthwise_conv2d", image, lambda: k.DepthwiseConv2D(3))
    case("depthwise_conv2d_same", odd, lambda: k.DepthwiseConv2D(3, padding="same"))
    case("depthwise_conv2d_stride", odd, lambda: k.DepthwiseConv2D(3, strides=2))
    case("depthwise_conv2d_multiplier", image, lambda: k.DepthwiseConv2D(3, depth_multiplier=2))
    case("depthwise_conv2d_dilated", image, lambda: k.DepthwiseConv2D(3, dilation_rate=2))
    case("separable_conv1d", series, lambda: k.SeparableConv1D(6, 3))
    case("separable_conv2d", image, lambda: k.SeparableConv2D(6, 3))
    case("separable_conv2d_same", odd, lambda: k.SeparableConv2D(6, 3, padding="same"))
    case("conv1d_transpose", series, lambda: k.Conv1DTranspose(3, 3))
    case("conv1d_transpose_stride", series, lambda: k.Conv1DTranspose(3, 3, strides=2, padding="same"))
    case("conv2d_transpose", (4, 4, 4), lambda: k.Conv2DTranspose(3, 3))
    case("conv2d_transpose_same", (4, 5, 4), lambda: k.Conv2DTranspose(3, 3, strides=2, padding="same"))
    case("conv2d_transpose_stride3", (3, 4, 4), lambda: k.Conv2DTranspose(3, 2, strides=3))
    case("conv2d_transpose_relu", (4, 4, 4), lambda: k.Conv2DTranspose(3, 4, strides=2, activation="relu"))
    case("conv3d_transpose", (2, 3, 3, 2), lambda: k.Conv3DTranspose(2, 2))
    case("conv3d_transpose_stride", (2, 3, 3, 2), lambda: k.Conv3DTranspose(3, 3, strides=2, padding="same"))
    case("conv3d_transpose_dilated", (2, 3, 3, 2), lambda: k.Conv3DTranspose(2, 2, dilation_rate=2))


def dense():
    case("dense", vector, lambda: k.Dense(5))
    case("dense_no_bias", vector, lambda: k.Dense(5, use_bias=False))
    case("dense_2d", series, lambda: k.Dense(5))
    case("dense_relu", vector, lambda: k.Dense(5, activation="relu"))
    case("dense_softmax", vector, lambda: k.Dense(5, activation="softmax"))
    case("dense_sigmoid", vector, lambda: k.Dense(5, activation="sigmoid"))
    case("einsum_dense", series, lambda: k.EinsumDense("abc,cd->abd", output_shape=(None, 5)))
    case("einsum_dense_heads", series, lambda: k.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"))
    case("embedding", (6,), lambda: k.Embedding(20, 4), integers=20)
    case("time_distributed_dense", series, lambda: k.TimeDistributed(k.Dense(3)))
    case("time_distributed_conv", (3, 6, 6, 2), lambda: k.TimeDistributed(k.Conv2D(3, 3)))


def pools():
    for name, pool in (("average", "AveragePooling"), ("max", "MaxPooling")):
        of = lambda d, pool=pool: getattr(k, f"{pool}{d}D")
        case(f"{name}_pool1d", series, lambda of=of: of(1)(2))
        case(f"{name}_pool1d_same", series, lambda of=of: of(1)(3, strides=2, padding="same"))
        case(f"{name}_pool2d", image, lambda of=of: of(2)(2))
        case(f"{name}_pool2d_same", odd, lambda of=of: of(2)(3, strides=2, padding="same"))
        case(f"{name}_pool2d_stride1", odd, lambda of=of: of(2)((2, 3), strides=1))
    for name, pool in (("average", "GlobalAveragePooling"), ("max", "GlobalMaxPooling")):
        of = lambda d, pool=pool: getattr(k, f"{pool}{d}D")
        case(f"global_{name}_pool1d", series, lambda of=of: of(1)())
        case(f"global_{name}_pool2d", odd, lambda of=of: of(2)())
        case(f"global_{name}_pool2d_keepdims", odd, lambda of=of: of(2)(keepdims=True))
        case(f"global_{name}_pool3d", volume, lambda of=of: of(3)())
    case("adaptive_average_pool2d", image, lambda: k.AdaptiveAveragePooling2D(4))
    case("adaptive_max_pool2d", image, lambda: k.AdaptiveMaxPooling2D(4))


def recurrent():
    short, k = (5, 4), tf_keras.layers
    case("simple_rnn_unrolled", short, lambda k=k: k.SimpleRNN(3, unroll=True))
    case("simple_rnn_sequences_unrolled", short, lambda k=k: k.SimpleRNN(3, return_sequences=True, unroll=True))
    case("lstm", short, lambda k=k: k.LSTM(3))
    case("lstm_sequences", short, lambda k=k: k.LSTM(3, return_sequences=True))
    case("lstm_unrolled", short, lambda k=k: k.LSTM(3, unroll=True))
    case("lstm_backwards", short, lambda k=k: k.LSTM(3, go_backwards=True))
    case("gru_unrolled", short, lambda k=k: k.GRU(3, unroll=True))
    case("gru_sequences_unrolled", short, lambda k=k: k.GRU(3, return_sequences=True, unroll=True))
    case("gru_reset_before", short, lambda k=k: k.GRU(3, reset_after=False, unroll=True))
    case("bidirectional_lstm", short, lambda k=k: k.Bidirectional(k.LSTM(3, return_sequences=True)))
    case("lstm_16x8", short, lambda k=k: k.LSTM(3), int16=True)
    case("lstm_16x8_one_cell", (4, 1), lambda k=k: k.LSTM(1), int16=True)
    case("lstm_16x8_sequences", (6, 5), lambda k=k: k.LSTM(7, return_sequences=True), int16=True)
    case("lstm_16x8_backwards", (3, 9), lambda k=k: k.LSTM(8, go_backwards=True, return_sequences=True), int16=True)
    case("lstm_16x8_stacked", short, lambda k=k: tf_keras.Sequential([k.LSTM(5, return_sequences=True), k.LSTM(3), k.Dense(2)]), int16=True)
    case("bidirectional_lstm_16x8", short, lambda k=k: k.Bidirectional(k.LSTM(3, return_sequences=True)), int16=True)
    case("bidirectional_gru_unrolled", short, lambda k=k: k.Bidirectional(k.GRU(3, unroll=True)))
    loops(keras.layers, tf_keras.layers)
    case("rnn_cells", short, lambda k=k: k.RNN([k.LSTMCell(3), k.GRUCell(2)], unroll=True))


def loops(k, old):
    short, kept = (5, 4), {"return_sequences": True}
    case("gru_loop", short, lambda: k.GRU(3), loop=True)
    case("gru_loop_sequences", short, lambda: k.GRU(3, **kept), loop=True)
    case("gru_loop_backwards", short, lambda: k.GRU(3, go_backwards=True, **kept), loop=True)
    case("gru_loop_reset_before", short, lambda: k.GRU(3, reset_after=False, **kept), loop=True)
    case("gru_loop_tf_keras", short, lambda: old.GRU(3, **kept), loop=True)
    case("gru_loop_long", (40, 2), lambda: k.GRU(2, **kept), loop=True)
    case("gru_loop_stacked", short, lambda: keras.Sequential([k.GRU(4, **kept), k.GRU(3, **kept), k.GRU(2)]), loop=True)
    case("lstm_loop_sequences", short, lambda: k.LSTM(3, **kept), loop=True)
    case("lstm_loop_backwards", short, lambda: k.LSTM(3, go_backwards=True, **kept), loop=True)
    case("simple_rnn_loop_sequences", short, lambda: k.SimpleRNN(3, **kept), loop=True)
    case("bidirectional_gru_loop", short, lambda: k.Bidirectional(k.GRU(3, **kept)), loop=True)
    case("bidirectional_lstm_loop", short, lambda: k.Bidirectional(k.LSTM(3, **kept)), loop=True)
    case("rnn_cells_loop", short, lambda: k.RNN([k.LSTMCell(3), k.GRUCell(2)], **kept), loop=True)


def attention():
    two = [series, series]
    case("attention", two, lambda: lambda q, v: k.Attention()([q, v]))
    case("attention_scaled", two, lambda: lambda q, v: k.Attention(use_scale=True)([q, v]))
    case("attention_concat", two, lambda: lambda q, v: k.Attention(score_mode="concat")([q, v]))
    case("additive_attention", two, lambda: lambda q, v: k.AdditiveAttention()([q, v]))
    case("multi_head_attention", series, lambda: self_attention(k.MultiHeadAttention(2, 3)))
    case("multi_head_attention_cross", two, lambda: k.MultiHeadAttention(2, 3))
    case("group_query_attention", series, lambda: self_attention(k.GroupQueryAttention(4, 4, 2)))


def self_attention(layer):
    return lambda x: layer(x, x)


def normalisation():
    case("batch_normalization", image, lambda: k.BatchNormalization())
    case("conv2d_batch_normalization", image, lambda: keras.Sequential([k.Conv2D(6, 3), k.BatchNormalization()]))
    case("layer_normalization", series, lambda: k.LayerNormalization())
    case("layer_normalization_image", image, lambda: k.LayerNormalization(axis=[1, 2, 3]))
    case("group_normalization", image, lambda: k.GroupNormalization(2))
    case("instance_normalization", image, lambda: k.GroupNormalization(-1))
    case("unit_normalization", series, lambda: k.UnitNormalization())
    case("rms_normalization", series, lambda: k.RMSNormalization())
    case("spectral_normalization", image, lambda: k.SpectralNormalization(k.Conv2D(6, 3)))


def activations():
    case("relu", image, lambda: k.ReLU())
    case("relu_max", image, lambda: k.ReLU(max_value=1.0))
    case("relu_slope_threshold", image, lambda: k.ReLU(negative_slope=0.1, threshold=0.2))
    case("leaky_relu", image, lambda: k.LeakyReLU(negative_slope=0.1))
    case("prelu", image, lambda: k.PReLU(alpha_initializer=keras.initializers.RandomUniform(0.1, 0.4, 1)))
    case("prelu_shared", image, lambda: k.PReLU(alpha_initializer=keras.initializers.RandomUniform(0.1, 0.4, 1), shared_axes=[1, 2]))
    case("elu", image, lambda: k.ELU())
    case("softmax", vector, lambda: k.Softmax())
    case("softmax_axis1", series, lambda: k.Softmax(axis=1))
    for name in (
        "celu", "exponential", "gelu", "hard_sigmoid", "hard_shrink", "hard_swish", "hard_tanh", "linear",
        "log_sigmoid", "log_softmax", "mish", "relu6", "selu", "sigmoid", "soft_shrink", "softplus",
        "softsign", "sparse_plus", "squareplus", "swish", "tanh", "tanh_shrink",
    ):
        case(f"activation_{name}", image, lambda name=name: k.Activation(name))
    case("activation_gelu_tanh", image, lambda: lambda x: keras.activations.gelu(x, approximate=True))
    case("activation_glu", image, lambda: lambda x: keras.activations.glu(x))


def merging():
    two, three = [image, image], [image, image, image]
    case("add", two, lambda: lambda *x: k.Add()(x))
    case("add_three", three, lambda: lambda *x: k.Add()(x))
    case("add_broadcast", [image, (1, 1, 4)], lambda: lambda *x: k.Add()(x))
    case("subtract", two, lambda: lambda *x: k.Subtract()(x))
    case("multiply", two, lambda: lambda *x: k.Multiply()(x))
    case("average", two, lambda: lambda *x: k.Average()(x))
    case("maximum", two, lambda: lambda *x: k.Maximum()(x))
    case("minimum", two, lambda: lambda *x: k.Minimum()(x))
    case("concatenate", two, lambda: lambda *x: k.Concatenate()(x))
    case("concatenate_rows", two, lambda: lambda *x: k.Concatenate(axis=1)(x))
    case("dot", [series, series], lambda: lambda *x: k.Dot(axes=2)(x))
    case("dot_normalized", [vector, vector], lambda: lambda *x: k.Dot(axes=1, normalize=True)(x))


def shapes():
    case("reshape", image, lambda: k.Reshape((16, 16)))
    case("flatten", image, lambda: k.Flatten())
    case("permute", image, lambda: k.Permute((2, 3, 1)))
    case("repeat_vector", vector, lambda: k.RepeatVector(3))
    case("zero_padding1d", series, lambda: k.ZeroPadding1D((2, 1)))
    case("zero_padding2d", odd, lambda: k.ZeroPadding2D(((1, 2), (0, 1))))
    case("zero_padding3d", volume, lambda: k.ZeroPadding3D(1))
    case("cropping1d", series, lambda: k.Cropping1D((2, 1)))
    case("cropping2d", odd, lambda: k.Cropping2D(((1, 2), (0, 1))))
    case("cropping3d", volume, lambda: k.Cropping3D(1))
    case("up_sampling1d", series, lambda: k.UpSampling1D(2))
    case("up_sampling2d", odd, lambda: k.UpSampling2D((2, 3)))
    case("up_sampling2d_bilinear", odd, lambda: k.UpSampling2D(2, interpolation="bilinear"))
    case("up_sampling3d", (2, 3, 3, 2), lambda: k.UpSampling3D(2))
    case("masking", series, lambda: k.Masking())
    case("dropout", image, lambda: k.Dropout(0.5))


def preprocessing():
    case("rescaling", image, lambda: k.Rescaling(1 / 127.5, offset=-1))
    case("normalization", image, lambda: k.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 0.5, 1.5]))
    case("resizing_bilinear", odd, lambda: k.Resizing(6, 10))
    case("resizing_nearest", odd, lambda: k.Resizing(6, 10, interpolation="nearest"))
    case("center_crop", image, lambda: k.CenterCrop(6, 4))
    case("discretization", vector, lambda: k.Discretization(bin_boundaries=[-0.5, 0.0, 0.5]))
    case("category_encoding_one_hot", (1,), lambda: k.CategoryEncoding(num_tokens=6, output_mode="one_hot"), integers=6)


for family in (convolutions, dense, pools, recurrent, attention, normalisation, activations, merging, shapes, preprocessing):
    family()


def model_of(name):
    shapes, layer, options = cases[name]
    keras.utils.set_random_seed(1)
    dtype = "int32" if "integers" in options else "float32"
    made = layer()
    api = tf_keras if isinstance(made, tf_keras.layers.Layer) else keras
    inputs = [api.Input(batch_shape=(1, *shape), dtype=dtype, name=f"input_{i}") for i, shape in enumerate(shapes)]
    model = api.Model(inputs, made(*inputs))
    random = np.random.default_rng(2)
    for weight in model.weights:
        value = weight.numpy()
        if value.dtype != np.float32:
            continue
        # Those that Keras begins as zeros and ones would make biases and normalization trivial.
        if "variance" in weight.name:
            weight.assign(random.uniform(0.5, 2, value.shape))
        elif value.size > 0 and np.ptp(value) == 0:
            weight.assign(value + random.uniform(-0.3, 0.3, value.shape))
    return model


def samples_of(name, count):
    shapes, _, options = cases[name]
    random = np.random.default_rng(3)
    for _ in range(count):
        if "integers" in options:
            yield [random.integers(0, options["integers"], (1, *shape), dtype=np.int32) for shape in shapes]
        else:
            yield [random.normal(0, 1, (1, *shape)).astype(np.float32).clip(-3, 3) for shape in shapes]


def convert(name, updates=False):
    converter = tf.lite.TFLiteConverter.from_keras_model(model_of(name))
    if "loop" in cases[name][2]:
        converter._experimental_enable_dynamic_update_slice = updates
        return converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: samples_of(name, 20)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS]
    if "integers" not in cases[name][2]:
        converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    if "int16" in cases[name][2]:
        return to_int16(converter.convert())
    try:
        return converter.convert()
    except ValueError:
        # Outputs that are integers already stay as they are.
        converter.inference_output_type = tf.float32
        return converter.convert()


def to_int16(model):
    """Activations as int16. TensorFlow does not convert an LSTM to 16x8 ("Quantization to 16x8-bit not yet
    supported for op"): tflite-micro has requantize_flatbuffer.py for it, whose scales these are."""
    made = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    types = schema_fb.TensorType
    for graph in made.subgraphs:
        of_weights = {i for op in graph.operators for i in weights_of(op)}
        for i, tensor in enumerate(graph.tensors):
            if tensor.type == types.INT8 and i not in of_weights:
                scale, zero = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
                tensor.quantization.scale = [max(abs(scale * (128 - zero)), abs(scale * (-128 - zero))) / 32767]
                tensor.quantization.zeroPoint = [0]
                tensor.type = types.INT16
        for op in graph.operators:
            for weights, bias in biases_of(op):
                scales_of = lambda i: np.array(graph.tensors[i].quantization.scale)
                tensor, scale = graph.tensors[bias], scales_of(op.inputs[0]) * scales_of(weights)
                values = np.frombuffer(made.buffers[tensor.buffer].data, np.int32)
                made.buffers[tensor.buffer].data = np.round(values * scales_of(bias) / scale).astype(np.int64).tobytes()
                tensor.type, tensor.quantization.scale = types.INT64, scale.tolist()
            if hasattr(op.builtinOptions, "quantizedBiasType"):
                op.builtinOptions.quantizedBiasType = types.INT64
    return bytes(flatbuffer_utils.convert_object_to_bytearray(made))


def biases_of(op):
    """Weights with their biases: of an LSTM, or of a dense layer."""
    pairs = zip(op.inputs[1:5], op.inputs[12:16]) if len(op.inputs) == 24 else [op.inputs[1:3]] if len(op.inputs) == 3 else []
    return [pair for pair in pairs if pair[1] >= 0]


def weights_of(op):
    return op.inputs[1:9] if len(op.inputs) == 24 else op.inputs[1:2] if len(op.inputs) == 3 else []


def converted(name, path):
    """In a process of its own, since the converter may crash. Returns whether `path` was written."""
    child = os.fork()
    if child == 0:
        log = os.open(f"{path}.log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1), os.dup2(log, 2)
        try:
            path.write_bytes(convert(name))
            if "loop" in cases[name][2]:
                twin_of(path).write_bytes(convert(name, updates=True))
        except Exception as error:
            print(f"\n{type(error).__name__} {error}", flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if path.exists():
        return True
    reason = Path(f"{path}.log").read_text(errors="replace").strip().split("\n")[-1][:300]
    print(name, "NOT CONVERTED", f"status {status}", reason, flush=True)
    return False


def twin_of(path):
    """tflite-micro slices a list at the places of the file, not of the turn, so that its values are wrong: it
    is asked for those of the same model converted with DYNAMIC_UPDATE_SLICE."""
    return path.with_suffix(".updates.tflite")


def inputs_of(name, details):
    """Runs: all of the type's range twice, its ends, and a sample of what the scales were made for."""
    random = np.random.default_rng(4)
    bound = cases[name][2].get("integers")
    runs = []
    for run in range(4):
        values = []
        for detail, sample in zip(details, next(samples_of(name, 1))):
            shape, dtype = detail["shape"], detail["dtype"]
            if bound is not None or not np.issubdtype(dtype, np.integer):
                low, high = (0, bound - 1) if bound is not None else (-3, 3)
                made = random.uniform(low, high + 0.999, shape)
            elif run == 2:
                made = random.choice([np.iinfo(dtype).min, np.iinfo(dtype).max], shape)
            elif run == 3:
                scale, zero = detail["quantization"]
                made = np.round(sample.reshape(shape) / scale + zero).clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
            else:
                made = random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape)
            values.append(made.astype(dtype))
        runs.append(values)
    return runs


def answers(kind, models, folder):
    """Of each model: a list of runs, or the error. A runtime may crash: the models after it go on."""
    jobs = []
    for name, (path, runs) in models.items():
        for i, run in enumerate(runs):
            paths = []
            for position, data in enumerate(run):
                paths.append(f"{folder}/{name}.{i}.in{position}")
                np.ascontiguousarray(data).tofile(paths[-1])
            outputs = len(interpreter(path.read_bytes()).get_output_details())
            asked = twin_of(path) if kind == "tflm" and twin_of(path).exists() else path
            jobs.append({"model": str(asked), "inputs": paths, "outputs": f"{folder}/{kind}.{name}.{i}", "count": outputs})
    left = jobs
    while left:
        Path(folder, "jobs.json").write_text(json.dumps(left))
        command = [sys.executable, str(runtimes), kinds[kind], f"{folder}/jobs.json"]
        portable = {"RUY_PATHS": "1"} if kind == "tflite-portable" else {}
        done = subprocess.run(command, env={**os.environ, **portable}, capture_output=True)
        if done.returncode == 0:
            break
        crashed = next(i for i, job in enumerate(left) if not any(map(os.path.exists, (job["outputs"] + ".0", job["outputs"] + ".error"))))
        Path(left[crashed]["outputs"] + ".error").write_text("crashed")
        left = left[crashed + 1 :]
    return {name: answers_of(kind, name, path, len(runs), folder) for name, (path, runs) in models.items()}


def answers_of(kind, name, path, runs, folder):
    details = interpreter(path.read_bytes()).get_output_details()
    made = []
    for i in range(runs):
        prefix = f"{folder}/{kind}.{name}.{i}"
        if os.path.exists(prefix + ".error"):
            return Path(prefix + ".error").read_text().strip().split("\n")[-1][:200]
        made.append([np.fromfile(f"{prefix}.{p}", d["dtype"]).tolist() for p, d in enumerate(details)])
    return made


def interpreter(content):
    resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    made = tf.lite.Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    try:
        made.allocate_tensors()
    except RuntimeError:
        pass  # It knows inputs and outputs of models that it does not run.
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", default=str(here / "keras.zip"))
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    paths, models, folder = {}, {}, tempfile.mkdtemp()
    for name in asked.names or cases:
        path = Path(folder, f"{name}.tflite")
        if converted(name, path):
            paths[name] = path
    # The interpreter starts threads, which a fork would not have.
    for name, path in paths.items():
        content = path.read_bytes()
        models[name] = (path, inputs_of(name, interpreter(content).get_input_details()))
        print(name, len(content), flush=True)
    found = {kind: answers(kind, models, folder) for kind in kinds}
    files = {}
    if asked.names and os.path.exists(asked.o):
        with zipfile.ZipFile(asked.o) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if Path(name).stem in cases}
    for name, (path, runs) in models.items():
        inputs = [[data.flatten().tolist() for data in run] for run in runs]
        made = {"inputs": inputs, **{kind: found[kind][name] for kind in kinds}}
        files[f"{name}.tflite"] = path.read_bytes()
        files[f"{name}.json"] = json.dumps(made, separators=(",", ":"))
        errors = {kind: found[kind][name] for kind in kinds if isinstance(found[kind][name], str)}
        if errors:
            print(name, errors)
    with zipfile.ZipFile(asked.o, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in cases:
            for file in (f"{name}.tflite", f"{name}.json"):
                if file in files:
                    archive.writestr(zipfile.ZipInfo(file, (1980, 1, 1, 0, 0, 0)), files[file], zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
