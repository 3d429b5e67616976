/** Files of other formats: what they are told to be, by content, and the lines that bring them in. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { zipSync } from 'fflate';
import { foreignFolder, foreignOf } from '../../src/compiler/formats/foreign-files.js';
import { loadDataset } from '../../src/compress/data/load.js';
import type { BonsaiError } from '../../src/errors.js';
import { runHere } from '../support/command.js';
import { encodeModel, smallModel } from './fixture.js';

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const zip = (...names: readonly string[]) =>
  zipSync(Object.fromEntries(names.map((name) => [name, latin1('some bytes')])));
/** A field of protobuf with a length. */
const field = (number: number, content: string): string => {
  const key = number * 8 + 2;
  const varint = (value: number): string =>
    value < 128
      ? String.fromCharCode(value)
      : String.fromCharCode((value % 128) + 128) + varint(Math.floor(value / 128));
  return varint(key) + varint(content.length) + content;
};
const tflite = encodeModel(smallModel());
const hdf5 = '\x89HDF\r\n\x1a\n\0\0\0\0';
const node = field(1, field(1, 'x') + field(2, 'Placeholder'));

/** `hint`: a line of what is to be copied, or all of the hint. */
const rows: readonly (readonly [
  edge: string,
  file: string,
  bytes: Uint8Array,
  what: RegExp,
  hint: string | RegExp,
])[] = [
  [
    'Keras 3',
    'net.keras',
    zip('metadata.json', 'config.json', 'model.weights.h5'),
    /a Keras 3 model/,
    '    model = tf.keras.models.load_model("net.keras", compile=False)',
  ],
  [
    'Keras 3 named .zip: by content, not by name',
    'net.zip',
    zip('metadata.json', 'config.json', 'model.weights.h5'),
    /a Keras 3 model/,
    '    open("net.tflite", "wb").write(tf.lite.TFLiteConverter.from_keras_model(model).convert())',
  ],
  [
    'HDF5 with a model: a batch of 1',
    'net.h5',
    latin1(`${hdf5} model_config {"class_name"`),
    /a Keras model in HDF5/,
    '    one = [tf.keras.Input(batch_shape=(1, *i.shape[1:]), dtype=i.dtype) for i in model.inputs]',
  ],
  [
    'HDF5 of weights alone',
    'net.weights.h5',
    latin1(`${hdf5} layers vars`),
    /weights of Keras/,
    '    model.load_weights("net.weights.h5")',
  ],
  ['HDF5 of samples', 'data.h5', latin1(hdf5), /HDF5 file, and has no model/, /savez/],
  [
    'a SavedModel: its folder',
    'saved/saved_model.pb',
    latin1(`\x08\x01${field(2, field(1, 'x'.repeat(300)))}`),
    /a SavedModel/,
    '    open("saved.tflite", "wb").write(tf.lite.TFLiteConverter.from_saved_model("saved").convert())',
  ],
  [
    'a zip of a SavedModel',
    'net.zip',
    zip('saved/saved_model.pb', 'saved/variables/variables.index'),
    /zip archive of a SavedModel/,
    /unzip net\.zip -d net\n[\s\S]*from_saved_model\("net\/saved"\)/,
  ],
  [
    'ONNX',
    'my net.onnx',
    latin1(`\x08\x08${field(2, 'pytorch')}${field(7, field(1, 'x'))}${field(8, '\x10\x0d')}`),
    /an ONNX model/,
    "    onnx2tf -i 'my net.onnx' -o 'my net_tf'",
  ],
  [
    'ONNX that is cut short within its graph',
    'net.onnx',
    latin1(`\x08\x08${field(7, 'x'.repeat(500)).slice(0, 40)}`),
    /an ONNX model/,
    '    onnx2tf -i net.onnx -o net_tf',
  ],
  [
    'a frozen graph',
    'net.pb',
    latin1(node + node),
    /frozen graph/,
    '    converter = lite.from_frozen_graph("net.pb", ["INPUT"], ["OUTPUT"])',
  ],
  [
    'Core ML',
    'net.mlmodel',
    latin1(`\x08\x04${field(2, 'about')}${field(500, 'x')}`),
    /Core ML \(\.mlmodel\)/,
    /nothing converts/,
  ],
  ['Core ML in a zip', 'a.zip', zip('a/Data/com.apple.CoreML/m'), /mlpackage/, /nothing converts/],
  [
    'PyTorch in a zip',
    'net.pt',
    zip('archive/data.pkl', 'archive/data/0', 'archive/version'),
    /torch\.save/,
    '    edge.export("net.tflite")',
  ],
  [
    'TorchScript',
    'net.pt',
    zip('net/data.pkl', 'net/constants.pkl', 'net/code/__torch__.py'),
    /TorchScript/,
    /scripted or traced/,
  ],
  [
    'torch.export',
    'net.pt2',
    zip('serialized_exported_program.json', 'version'),
    /torch\.export/,
    '    model = torch.export.load("net.pt2").module()',
  ],
  [
    'PyTorch before 1.6: pickles, without a zip',
    'net.pth',
    latin1('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
    /torch\.save/,
    /load_state_dict/,
  ],
  ['a pickle that names torch', 'a.pkl', latin1('\x80\x04\x95 ctorch._utils\n'), /torch/, /edge/],
  ['scikit-learn', 'a.pkl', latin1('\x80\x04\x95 csklearn.svm\n'), /scikit-learn/, /nothing/],
  ['another pickle', 'a.pkl', latin1('\x80\x04\x95....}'), /a pickle/, /\.tflite/],
  ['arrays', 'data.npz', zip('x.npy', 'y.npy'), /NumPy arrays/, /--data/],
  ['an array', 'x.npy', latin1('\x93NUMPY\x01\0v\0'), /array of NumPy/, /--data/],
  [
    'a zip of TensorFlow.js',
    'web.zip',
    zip('web/model.json', 'web/group1-shard1of1.bin'),
    /TensorFlow\.js/,
    /unzip web\.zip -d web\n.*web\/web\/model\.json$/,
  ],
  [
    'a zip around TFLite',
    'a.zip',
    zip('net.tflite'),
    /around a TFLite/,
    /unzip.*\n.*a\/net\.tflite$/,
  ],
  ['another zip', 'a.zip', zip('a.txt', 'b', 'c', 'd'), /a zip archive$/, /it has a\.txt, b, c, …/],
  ['half a zip', 'a.zip', zip('config.json').slice(0, 40), /cut short/, /copy the file again/],
  ['GGUF', 'a.gguf', latin1('GGUF\x03\0\0\0'), /GGUF/, /nothing converts/],
  [
    'safetensors',
    'a.safetensors',
    latin1('\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32","shape":[1]}}    '),
    /safetensors/,
    /load_file\("a\.safetensors"\)/,
  ],
  [
    'gzip around TFLite',
    'net.tflite.gz',
    gzipSync(tflite),
    /gzip file around a TFLite/,
    '    gzip -dc net.tflite.gz > net.tflite',
  ],
  ['gzip without its name', 'net', gzipSync(tflite), /gzip/, '    gzip -dc net > net.tflite'],
  [
    'gzip that is damaged',
    'a.gz',
    latin1('\x1f\x8b\x08\0....'),
    /gzip file$/,
    /gzip -dc a\.gz > a$/,
  ],
  [
    'gzip that unpacks to a thousand times',
    'a.gz',
    gzipSync(new Uint8Array(5e7)),
    /gzip file$/,
    /a/,
  ],
  [
    'C source',
    'model.cc',
    latin1(`alignas(8) const unsigned char g_model[] = {\n  ${'0x1c, '.repeat(12)}`),
    /C source/,
    /^.*\n {4}grep -oE .* model\.cc .*> model\.tflite$/,
  ],
  ['a web page', 'net.tflite', latin1('\n<!DOCTYPE html><html>'), /web page/, /raw file/],
  ['an image', 'a.tflite', latin1('\x89PNG\r\n'), /an image/, /--data/],
  ['firmware', 'a.elf', latin1('\x7fELF\x01'), /ELF/, /bonsaic flash/],
  ['ExecuTorch', 'a.pte', latin1('\x10\0\0\0ET12'), /ExecuTorch/, /edge\.export/],
];

describe('foreign formats', () => {
  for (const [edge, file, bytes, what, hint] of rows) {
    it(edge, () => {
      const foreign = foreignOf(bytes, file);
      expect(foreign?.what).to.match(what);
      if (typeof hint === 'string') expect(foreign?.hint.split('\n')).to.include(hint);
      else expect(foreign?.hint).to.match(hint);
    });
  }

  const none: readonly (readonly [edge: string, bytes: Uint8Array])[] = [
    ['nothing', new Uint8Array()],
    ['text', latin1('a,b,c\n1,2,3\n')],
    ['zeros', new Uint8Array(100)],
    ['a varint without an end', latin1('\x08'.padEnd(100, '\xff'))],
    ['another FlatBuffers format', latin1('\x10\0\0\0ABCD')],
    ['bytes of protobuf with fields that no format has', latin1(`\x08\x01${field(90, 'a')}`)],
  ];
  for (const [edge, bytes] of none) {
    it(`none: ${edge}`, () => expect(foreignOf(bytes, 'a')).to.equal(null));
  }
});

describe('command line: files of other formats', () => {
  const directory = mkdtempSync(join(tmpdir(), 'bonsaic-formats-'));
  after(() => rmSync(directory, { recursive: true }));
  const write = (name: string, bytes: Uint8Array) => {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };
  const keras = write('net.keras', zip('config.json', 'model.weights.h5'));
  const data = write('data.csv', latin1('1,2\n'));
  const out = join(directory, 'out');

  const commands: readonly (readonly string[])[] = [
    ['inspect', keras],
    ['compare', keras, '--targets', 'host'],
    ['compile', keras, '--target', 'host', '-o', out],
    ['run', keras, '--target', 'host'],
    ['verify', keras],
    ...['compress', 'prune', 'quantize'].map((name) => [name, keras, '--data', data, '-o', out]),
    ['sensitivity', keras, '--data', data],
  ];
  for (const args of commands) {
    it(`${args[0]}: status 2, and lines that can be copied as they stand`, async () => {
      const { status, stderr } = await runHere(args);
      expect(status).to.equal(2);
      expect(stderr)
        .to.match(/^error: .*net\.keras: is not a TFLite model: it is a Keras 3 model/m)
        .and.to.match(/^import tensorflow as tf$/m)
        .and.to.match(/^bonsaic quantize net\.tflite --data DATA -o net-int8$/m);
    });
  }

  it('a folder: SavedModel, TensorFlow.js, another', async () => {
    write('saved/saved_model.pb', latin1('\x08\x01\x12\x01\n'));
    write('web/model.json', latin1('{}'));
    mkdirSync(join(directory, 'empty'));
    const inspect = (name: string) => runHere(['inspect', join(directory, name)]);
    const [saved, web, empty] = [
      await inspect('saved/'),
      await inspect('web'),
      await inspect('empty'),
    ];
    expect(saved.stderr).to.match(
      /saved\/: is no file: it is a SavedModel[\s\S]*from_saved_model\(".*\/saved"\)/,
    );
    expect(web.stderr).to.match(/give the path of the file in it: .*web\/model\.json/);
    expect([saved.status, web.status, empty.status]).to.deep.equal([2, 2, 1]);
    expect(empty.stderr).to.match(/is a directory, not a file/);
  });

  const samples: readonly (readonly [
    edge: string,
    name: string,
    bytes: Uint8Array,
    said: RegExp,
  ])[] = [
    ['a TFLite model', 'net.tflite', tflite, /it is a TFLite model\n.*a model is the argument/],
    [
      'a model of Keras',
      'a.keras',
      zip('config.json', 'model.weights.h5'),
      /it is a Keras 3 model/,
    ],
    ['HDF5', 'data.h5', latin1(hdf5), /it is an HDF5 file[\s\S]*numpy\.savez/],
    ['a zip', 'images.zip', zip('a/1.png'), /it is a zip archive\n.*give a folder of classes/],
    ['text', 'data.txt', latin1('1 2 3'), /is no form of data that bonsaic reads\n/],
  ];
  for (const [edge, name, bytes, said] of samples) {
    it(`--data: ${edge}`, async () => {
      const path = write(name, bytes);
      const error = await loadDataset(path, { shape: [2] }).then(
        () => null,
        (thrown: unknown) => thrown as BonsaiError,
      );
      expect(`${error?.message}\n${error?.hint}`).to.match(said);
      expect(error?.exitStatus).to.equal(1);
    });
  }

  it('a folder: its first model is named', () => {
    const { what } = foreignFolder('net/', ['x.txt', 'a.tflite', 'b.tflite']) ?? {};
    expect(what).to.equal('it is a folder with the model a.tflite');
    expect(foreignFolder('net/', ['x.txt'])).to.equal(null);
  });
});
