/**
 * What a file that is no model for bonsaic really is, told by its contents, and the lines that bring
 * it in. One row for each format; the first that fits counts.
 */

import { join } from 'shlex';
import { fileName, folderOf, stemOf } from '../../paths.js';
import { gunzippedStart, type Sniffed, sniff } from './sniff.js';
import { identifier } from './tflite/schema.js';

/** A file of another format. */
export interface Foreign {
  /** 'it is an ONNX model' */
  readonly what: string;
  /** What to do. Lines that begin with four spaces are to be copied as they are. */
  readonly hint: string;
  /** Whether it holds samples or networks, where that is known. */
  readonly kind: Kind;
}

type Kind = 'model' | 'samples' | 'other';

interface Format {
  readonly what: string;
  readonly kind: Kind;
  is(file: Sniffed): boolean;
  /** @param path of the file, as the user gave it */
  hint(path: string, file: Sniffed): readonly string[];
}

const startsWith =
  (...starts: readonly string[]) =>
  ({ start }: Sniffed) =>
    starts.some((one) => start.startsWith(one));

/** A zip archive with a member that matches. */
const holds =
  (...patterns: readonly RegExp[]) =>
  ({ members }: Sniffed) =>
    members !== null && patterns.every((pattern) => members.some((path) => pattern.test(path)));

const code = (lines: readonly string[]) => lines.map((line) => `    ${line}`);

/** net.keras → net.tflite, in the working folder */
const tfliteOf = (path: string) => `${stemOf(path)}.tflite`;

const text = JSON.stringify;
const quote = (word: string) => join([word]);

/** A float model is brought in as it is; boards need integers. */
function thenQuantize(tflite: string): readonly string[] {
  const name = stemOf(tflite);
  return [
    'then, with samples of its input:',
    ...code([`bonsaic quantize ${quote(tflite)} --data DATA -o ${quote(`${name}-int8`)}`]),
  ];
}

const withTensorFlow = 'in Python, with TensorFlow (pip install tensorflow):';

/** The last lines of a conversion with TensorFlow. */
function converted(path: string, call: string): readonly string[] {
  const tflite = tfliteOf(path);
  return [
    ...code([`open(${text(tflite)}, "wb").write(tf.lite.TFLiteConverter.${call}.convert())`]),
    ...thenQuantize(tflite),
  ];
}

/** Boards run one sample at a time: a batch that is left open would stay open in the file. */
function kerasLines(path: string, load: readonly string[]): readonly string[] {
  return [
    withTensorFlow,
    ...code([
      'import tensorflow as tf',
      ...load,
      'one = [tf.keras.Input(batch_shape=(1, *i.shape[1:]), dtype=i.dtype) for i in model.inputs]',
      'model = tf.keras.Model(one, model(one if len(one) > 1 else one[0]))',
    ]),
    ...converted(path, 'from_keras_model(model)'),
  ];
}

const wholeKeras = (path: string) =>
  kerasLines(path, [`model = tf.keras.models.load_model(${text(path)}, compile=False)`]);

const kerasWeights = (path: string) =>
  kerasLines(path, [
    'model = …  # as the program does that made these weights',
    `model.load_weights(${text(path)})`,
  ]);

function savedModelLines(folder: string): readonly string[] {
  return [
    withTensorFlow,
    ...code(['import tensorflow as tf']),
    ...converted(folder, `from_saved_model(${text(folder)})`),
  ];
}

/** As its documentation has it (ai.google.dev/edge/litert, 'Convert PyTorch models'). */
function torchLines(path: string, load: string): readonly string[] {
  return [
    'in Python, with AI Edge Torch (pip install ai-edge-torch), where its shapes are those of an input:',
    ...code([
      'import torch, ai_edge_torch',
      load,
      'edge = ai_edge_torch.convert(model.eval(), (torch.randn(1, 3, 224, 224),))',
      `edge.export(${text(tfliteOf(path))})`,
    ]),
    ...thenQuantize(tfliteOf(path)),
  ];
}

const torchModel = (path: string) =>
  torchLines(
    path,
    `model = …  # the module; a file of its weights: model.load_state_dict(torch.load(${text(path)}))`,
  );

const unpacked = (path: string) => stemOf(path) || 'model';

/** The member that matches. */
const member = ({ members }: Sniffed, pattern: RegExp) =>
  members?.find((path) => pattern.test(path)) ?? '';

function unzipLines(path: string, file: Sniffed, pattern: RegExp, next: string): readonly string[] {
  const folder = unpacked(path);
  const inside = `${folder}/${member(file, pattern)}`;
  return ['unpack it:', ...code([`unzip ${quote(path)} -d ${quote(folder)}`]), `${next} ${inside}`];
}

const isSamples = (of: string) => () => [`give ${of} by --data, and a model as the argument`];

/** ModelProto has the graph as field 7; the others are its version, producer, opsets and notes. */
const onnxFields: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26]);
const isOnnx = ({ fields }: Sniffed) =>
  fields.includes(7) && fields.every((field) => onnxFields.has(field));

/** saved_model_schema_version, then meta_graphs alone. */
const isSavedModel = ({ start, fields: [version, ...others] }: Sniffed) =>
  start.startsWith('\x08\x01\x12') &&
  version === 1 &&
  others.length > 0 &&
  others.every((field) => field === 2);

/** GraphDef begins with a node, NodeDef with a name and an operator. */
const isGraphDef = ({ start }: Sniffed) =>
  /^\n[\s\S]{1,3}\n[\s\S][\w./:-]+\W[\s\S][A-Z]\w+/.test(start);

/** Model of Core ML: its version, its description, and one network, whose fields begin at 200. */
const isCoreMl = ({ start, fields }: Sniffed) =>
  start.startsWith('\x08') && fields[1] === 2 && fields.some((field) => field >= 200);

const isSafetensors = ({ bytes, start }: Sniffed) => {
  if (bytes.length < 16 || !/^[\s\S]{8}\{\s*"/.test(start)) return false;
  const header = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return header <= 100_000_000n && /"dtype"|"__metadata__"/.test(start);
};

const onnxLines = (path: string) => {
  const folder = `${unpacked(path)}_tf`;
  const tflite = `${folder}/${unpacked(path)}_float32.tflite`;
  return [
    'with onnx2tf, whose README has the packages that it needs (github.com/PINTO0309/onnx2tf):',
    ...code([`onnx2tf -i ${quote(path)} -o ${quote(folder)}`]),
    ...thenQuantize(tflite),
  ];
};

const noConverter = (of: string) => () => [
  `nothing converts ${of}: export the network that it was made from as .tflite`,
];

const isImage = () => ['give the model; an image is flashed by bonsaic flash'];

const pickles = startsWith('\x80\x02', '\x80\x03', '\x80\x04', '\x80\x05');

const formats: readonly Format[] = [
  {
    what: 'a TFLite model',
    kind: 'model',
    is: ({ start }) => start.slice(4, 8) === identifier,
    hint: () => ['give it as the model'],
  },
  {
    what: 'a Git LFS pointer, not the file itself',
    kind: 'other',
    is: startsWith('version https://git-lfs'),
    hint: () => ["fetch the file itself with 'git lfs pull' in its repository"],
  },
  {
    what: 'a web page: the download gave the page about the file',
    kind: 'other',
    is: ({ start }) => /^\s*<(!doctype html|html)/i.test(start),
    hint: () => ["download the file itself, by the page's link to the raw file"],
  },
  {
    what: 'a Keras 3 model (.keras)',
    kind: 'model',
    is: holds(/^config\.json$/, /^model\.weights\.h5$/),
    hint: wholeKeras,
  },
  {
    what: 'a Keras model in HDF5 (.h5)',
    kind: 'model',
    is: (file) => startsWith('\x89HDF\r\n\x1a\n')(file) && file.has('model_config'),
    hint: wholeKeras,
  },
  {
    what: 'weights of Keras in HDF5, without the network (.weights.h5)',
    kind: 'model',
    is: (file) =>
      startsWith('\x89HDF\r\n\x1a\n')(file) &&
      (file.has('layer_names') || (file.has('layers') && file.has('vars'))),
    hint: kerasWeights,
  },
  {
    what: 'an HDF5 file, and has no model of Keras',
    kind: 'samples',
    is: startsWith('\x89HDF'),
    hint: () => [
      'samples for --data: save its arrays by numpy.savez("data.npz", x=…, y=…) in Python',
    ],
  },
  {
    what: 'a SavedModel of TensorFlow',
    kind: 'model',
    is: isSavedModel,
    hint: (path) => savedModelLines(folderOf(path)),
  },
  {
    what: 'a zip archive of a SavedModel',
    kind: 'model',
    is: holds(/(^|\/)saved_model\.pb$/),
    hint: (path, file) => {
      const folder = `${unpacked(path)}/${folderOf(member(file, /saved_model\.pb$/))}`;
      const unzip = code([`unzip ${quote(path)} -d ${quote(unpacked(path))}`]);
      return ['unpack it:', ...unzip, ...savedModelLines(folder.replace(/\/\.$/, ''))];
    },
  },
  {
    what: 'an executable program of PyTorch (TorchScript)',
    kind: 'model',
    is: holds(/(^|\/)data\.pkl$/, /(^|\/)constants\.pkl$/),
    hint: (path) => torchLines(path, 'model = …  # the module that it was scripted or traced from'),
  },
  {
    what: 'an exported program of PyTorch (torch.export, .pt2)',
    kind: 'model',
    is: (file) =>
      holds(/serialized_exported_program\.json$/)(file) || holds(/archive_format$/)(file),
    hint: (path) => torchLines(path, `model = torch.export.load(${text(path)}).module()`),
  },
  {
    what: "a file of PyTorch's torch.save (.pt, .pth)",
    kind: 'model',
    is: (file) =>
      holds(/(^|\/)data\.pkl$/)(file) ||
      startsWith('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.')(file) ||
      (pickles(file) && file.has('torch')),
    hint: torchModel,
  },
  {
    what: 'a pickled model of scikit-learn',
    kind: 'model',
    is: (file) => pickles(file) && file.has('sklearn'),
    hint: noConverter('it'),
  },
  {
    what: "a pickle: an object of Python's",
    kind: 'other',
    is: pickles,
    hint: () => ['export the network that it holds as .tflite, with the library that made it'],
  },
  {
    what: 'an archive of NumPy arrays (.npz)',
    kind: 'samples',
    is: ({ members }) => members?.every((path) => path.endsWith('.npy')) ?? false,
    hint: isSamples('samples in arrays'),
  },
  {
    what: 'an array of NumPy (.npy)',
    kind: 'samples',
    is: startsWith('\x93NUMPY'),
    hint: isSamples('samples in arrays'),
  },
  {
    what: 'a zip archive of a model of TensorFlow.js',
    kind: 'model',
    is: holds(/(^|\/)model\.json$/, /\.bin$/),
    hint: (path, file) => unzipLines(path, file, /(^|\/)model\.json$/, 'then give the path'),
  },
  {
    what: 'a zip archive around a TFLite model',
    kind: 'model',
    is: holds(/\.tflite$/),
    hint: (path, file) => unzipLines(path, file, /\.tflite$/, 'then give the path'),
  },
  {
    what: 'a zip archive around a Core ML package (.mlpackage)',
    kind: 'model',
    is: holds(/com\.apple\.CoreML\//),
    hint: noConverter('Core ML'),
  },
  {
    what: 'a zip archive',
    kind: 'other',
    is: ({ members }) => members !== null,
    hint: (_, { members }) => [
      `unpack it: it has ${members?.slice(0, 3).join(', ')}${(members?.length ?? 0) > 3 ? ', …' : ''}`,
    ],
  },
  {
    what: 'a zip archive (Keras .keras, PyTorch .pt) that is cut short',
    kind: 'other',
    is: startsWith('PK\x03\x04'),
    hint: () => ['copy the file again: it is not whole'],
  },
  {
    what: 'a model of Core ML (.mlmodel)',
    kind: 'model',
    is: isCoreMl,
    hint: noConverter('Core ML'),
  },
  { what: 'an ONNX model', kind: 'model', is: isOnnx, hint: onnxLines },
  {
    what: 'a frozen graph of TensorFlow 1 (.pb)',
    kind: 'model',
    is: isGraphDef,
    hint: (path) => [
      `${withTensorFlow.slice(0, -1)} and the names of its inputs and outputs:`,
      ...code([
        'import tensorflow as tf',
        'lite = tf.compat.v1.lite.TFLiteConverter',
        `converter = lite.from_frozen_graph(${text(path)}, ["INPUT"], ["OUTPUT"])`,
        `open(${text(tfliteOf(path))}, "wb").write(converter.convert())`,
      ]),
      ...thenQuantize(tfliteOf(path)),
    ],
  },
  {
    what: 'a language model in GGUF (llama.cpp)',
    kind: 'model',
    is: startsWith('GGUF'),
    hint: noConverter('GGUF'),
  },
  {
    what: 'weights in safetensors, without the network',
    kind: 'model',
    is: isSafetensors,
    hint: (path) =>
      torchLines(
        path,
        `model = …  # then model.load_state_dict(safetensors.torch.load_file(${text(path)}))`,
      ),
  },
  {
    what: "a program of ExecuTorch's (.pte)",
    kind: 'model',
    is: ({ start }) => /^[\s\S]{4}ET\d\d/.test(start),
    hint: (path) => torchLines(path, 'model = …  # the module that it was exported from'),
  },
  {
    what: 'C source with the model as an array of bytes',
    kind: 'model',
    is: ({ start }) => /\b(char|uint8_t)\b[^;{]*\{\s*(0x[\da-f]{1,2}\s*,\s*){8}/i.test(start),
    hint: (path) => [
      'make the file again of which it was made:',
      ...code([
        `grep -oE '0x[0-9a-fA-F]{2}' ${quote(path)} | cut -c3- | xxd -r -p > ${quote(tfliteOf(path))}`,
      ]),
    ],
  },
  {
    what: 'an image',
    kind: 'samples',
    is: startsWith('\x89PNG', '\xff\xd8\xff', 'GIF8', 'BM'),
    hint: isSamples('folders of images'),
  },
  {
    what: 'a recording',
    kind: 'samples',
    is: startsWith('RIFF', 'OggS', 'fLaC', 'ID3'),
    hint: isSamples('folders of recordings (.wav)'),
  },
  {
    what: 'a table of Apache Parquet',
    kind: 'samples',
    is: startsWith('PAR1'),
    hint: () => ['samples for --data: save it as .csv'],
  },
  {
    what: 'a program (ELF)',
    kind: 'other',
    is: startsWith('\x7fELF'),
    hint: isImage,
  },
  {
    what: 'a firmware image (UF2)',
    kind: 'other',
    is: startsWith('UF2\n'),
    hint: isImage,
  },
  {
    what: 'a tar archive',
    kind: 'other',
    is: ({ start }) => start.slice(257, 262) === 'ustar',
    hint: (path) => ['unpack it:', ...code([`tar xf ${quote(path)}`])],
  },
];

/** What a file is, if it is of a format that is known. `path` is written into the lines. */
export function foreignOf(bytes: Uint8Array, path: string): Foreign | null {
  const file = sniff(bytes);
  if (file.start.startsWith('\x1f\x8b')) return gzipped(bytes, path);
  const format = formats.find((one) => one.is(file));
  if (format === undefined) return null;
  const { what, kind } = format;
  return { what: `it is ${what}`, kind, hint: format.hint(path, file).join('\n') };
}

/** What a gzip file is around of. */
function gzipped(bytes: Uint8Array, path: string): Foreign {
  const inside = gunzippedStart(bytes);
  const around = inside === null ? null : insideOf(inside);
  const name = unpacked(path);
  const isTar = around === 'a tar archive';
  const unpack = isTar
    ? `tar xzf ${quote(path)}`
    : `gzip -dc ${quote(path)} > ${quote(name === fileName(path) ? `${name}.tflite` : name)}`;
  return {
    what: `it is a gzip file${around === null ? '' : ` around ${around}`}`,
    kind: 'other',
    hint: ['unpack it:', ...code([unpack])].join('\n'),
  };
}

function insideOf(start: Uint8Array): string | null {
  const file = sniff(start);
  return formats.find((one) => one.is(file))?.what ?? null;
}

/** What a folder is that someone gives as a model; null: not known. */
export function foreignFolder(path: string, names: readonly string[]): Foreign | null {
  const folder = path.replace(/(?<=.)\/+$/, '');
  if (names.includes('saved_model.pb')) {
    const hint = savedModelLines(folder).join('\n');
    return { what: 'it is a SavedModel of TensorFlow', kind: 'model', hint };
  }
  const inside = names.find((name) => name === 'model.json' || name.endsWith('.tflite'));
  if (inside !== undefined) {
    const hint = `give the path of the file in it: ${folder}/${inside}`;
    return { what: `it is a folder with the model ${inside}`, kind: 'model', hint };
  }
  if (!names.includes('Manifest.json')) return null;
  const hint = noConverter('Core ML')().join('\n');
  return { what: 'it is a Core ML package (.mlpackage)', kind: 'model', hint };
}
