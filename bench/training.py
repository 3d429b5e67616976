"""A plain Keras loop for bench/training.ts: prints the accuracy on test samples and the CPU seconds."""
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

spec = json.loads(sys.argv[1])
cell, seed, batch, shape = spec["cell"], spec["seed"], 32, tuple(spec["shape"])
tf.keras.utils.set_random_seed(seed)
read = lambda name, kind: np.fromfile(os.path.join(spec["folder"], name), kind)
data = {n: (read("x" + n, "f4").reshape(-1, *shape), read("y" + n, "i4")) for n in ("", "v", "t")}
weights = [read(f"w{i}", "f4").reshape(s) for i, s in enumerate(spec["shapes"])]
pairs = [[weights[i], weights[i + 1]] for i in range(0, len(weights), 2)]
if cell in ("half", "quarter"):  # the filters of the largest L1 norm; MACs fall by the square of the width
    share = {"half": 0.5, "quarter": 0.25}[cell] ** 0.5
    for i in range(len(pairs) - 1):
        w, b = pairs[i]
        kept = np.sort(np.argsort(-np.abs(w).reshape(len(w), -1).sum(1))[: round(share * len(w))])
        pairs[i] = [w[kept], b[kept]]
        pairs[i + 1][0] = pairs[i + 1][0][..., kept]
variables = [[tf.Variable(np.transpose(w, (1, 2, 3, 0)) if w.ndim == 4 else w.T), tf.Variable(b)] for w, b in pairs]
masks = [tf.Variable(tf.ones_like(w), trainable=False) for w, _ in variables]
bits = {"int8": 8, "int4": 4}.get(cell)


def rounded(w):
    """Symmetric, a scale for each filter; straight through."""
    top = 2 ** (bits - 1) - 1
    scale = tf.reduce_max(tf.abs(w), axis=list(range(len(w.shape) - 1)), keepdims=True) / top + 1e-12
    return w + tf.stop_gradient(tf.round(w / scale) * scale - w)


low, high = [tf.Variable([0.0] * 4, trainable=False) for _ in range(2)]


def seen(x, i, learns):
    if bits is None: return x
    if learns:
        low[i].assign(tf.minimum(0.0, 0.95 * low[i] + 0.05 * tf.reduce_min(x)))
        high[i].assign(0.95 * high[i] + 0.05 * tf.reduce_max(x))
    return tf.quantization.fake_quant_with_min_max_vars(x, low[i], high[i] + 1e-6, 8)


def run(x, learns=False):
    x = seen(x, 0, learns)
    for i, (w, b) in enumerate(variables):
        w = w * masks[i]
        if bits: w = rounded(w)
        if i == len(variables) - 1: return tf.matmul(tf.reduce_mean(x, (1, 2)), w) + b
        x = seen(tf.nn.relu(tf.nn.conv2d(x, w, spec["strides"][i], "SAME") + b), i + 1, learns)


steps = spec["steps"]
rate = tf.keras.optimizers.schedules.CosineDecay(3e-4 if bits else 1e-3, steps, alpha=0.01)
optimizer = tf.keras.optimizers.Adam(rate)
flat = [v for pair in variables for v in pair]
entropy = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = entropy(y, run(x, True))
    optimizer.apply_gradients(zip(tape.gradient(loss, flat), flat))


def right(name):
    x, y = data[name]
    return float(np.mean(np.argmax(run(tf.constant(x)).numpy(), 1) == y))


if bits:
    x = tf.constant(data[""][0])
    for i in range(4):
        low[i].assign(tf.reduce_min(x) if i == 0 else 0.0)
        high[i].assign(tf.reduce_max(x))
        if i < 3:
            w, b = variables[i]
            x = tf.nn.relu(tf.nn.conv2d(x, w, spec["strides"][i], "SAME") + b)
final = {"prune80": 0.8, "prune90": 0.9}.get(cell, 0)
x, y = data[""]
best, kept, order, began = -1, None, [], time.process_time()
for i in range(steps):
    if final and i % 20 == 0 and i <= 2 * steps / 3 + 20:
        share = final * (1 - (1 - min(1, (i + 20) / (2 * steps / 3))) ** 3)
        all_w = np.concatenate([np.abs(w.numpy() * m.numpy()).ravel() / np.linalg.norm(w) * w.numpy().size ** 0.5 for (w, _), m in zip(variables, masks)])
        limit = np.quantile(all_w, share)
        for (w, _), m in zip(variables, masks):
            m.assign((np.abs(w.numpy() * m.numpy()) / np.linalg.norm(w) * w.numpy().size ** 0.5 > limit).astype("f4"))
        best = -1
    if len(order) < batch: order = list(np.random.permutation(len(y)))
    chosen, order = order[:batch], order[batch:]
    step(tf.constant(x[chosen]), tf.constant(y[chosen]))
    if i % (len(y) // batch) == 0 or i == steps - 1:
        now = right("v")
        if now >= best: best, kept = now, [v.numpy() for v in flat] + [low.numpy(), high.numpy()]
seconds = time.process_time() - began
for v, value in zip(flat + [low, high], kept): v.assign(value)
print(json.dumps({"accuracy": right("t"), "seconds": seconds}))
