// What ONNX Runtime (npm: onnxruntime-node) makes of models. Reads lines "MODEL IN-FOLDER OUT-FOLDER" and answers each with "ok" or "error: ...".
// IN-FOLDER holds NAME.npy for each input, OUT-FOLDER gets K.npy for output K. Graph optimizations are off. NODE_PATH says where the package is.
const fs = require('fs'), path = require('path'), ort = require('onnxruntime-node');
const kinds = { '<f4': ['float32', Float32Array], '<f8': ['float64', Float64Array], '|i1': ['int8', Int8Array], '|u1': ['uint8', Uint8Array],
  '<i4': ['int32', Int32Array], '<i8': ['int64', BigInt64Array], '|b1': ['bool', Uint8Array] };

function load(file) {
  const b = fs.readFileSync(file), n = b.readUInt16LE(8), head = b.toString('latin1', 10, 10 + n);
  const kind = kinds[/'descr': '([^']+)'/.exec(head)[1]];
  const dims = /'shape': \(([^)]*)\)/.exec(head)[1].split(',').map(s => s.trim()).filter(s => s).map(Number);
  const raw = new Uint8Array(b.subarray(10 + n));
  return new ort.Tensor(kind[0], new kind[1](raw.buffer, raw.byteOffset, raw.byteLength / kind[1].BYTES_PER_ELEMENT), dims);
}
function save(file, t) {
  const descr = Object.keys(kinds).find(k => kinds[k][0] === t.type), a = t.data;
  let head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${t.dims.join(', ')}${t.dims.length === 1 ? ',' : ''}), }`;
  head += ' '.repeat(63 - (10 + head.length) % 64) + '\n';
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  start.writeUInt16LE(head.length, 8);
  fs.writeFileSync(file, Buffer.concat([start, Buffer.from(head, 'latin1'), Buffer.from(a.buffer, a.byteOffset, a.byteLength)]));
}
async function run(model, from, to) {
  const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 4 };
  const s = await ort.InferenceSession.create(model, options);
  const feeds = {};
  for (const name of s.inputNames) feeds[name] = load(path.join(from, name + '.npy'));
  const got = await s.run(feeds);
  fs.mkdirSync(to, { recursive: true });
  s.outputNames.forEach((name, k) => save(path.join(to, k + '.npy'), got[name]));
  await s.release();
}
async function main() {
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const [model, from, to] = line.trim().split(' ');
    try {
      await run(model, from, to);
      console.log('ok');
    } catch (e) {
      console.log('error: ' + String(e.message).replace(/\s+/g, ' '));
    }
  }
}
main();
