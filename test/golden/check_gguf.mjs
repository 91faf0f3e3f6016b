/**
 * Writes models as GGUF with the built program, loads them in llama.cpp, and compares: the logits after each of a number
 * of ids and the likeliest id, and the ids and texts of the tokenizer. Fails where one differs by more than rounding.
 *
 *     npm run build
 *     npm install --prefix /tmp/llamacpp --ignore-scripts node-llama-cpp @node-llama-cpp/linux-x64
 *     node test/golden/check_gguf.mjs /tmp/llamacpp test/golden/huggingface/{gpt2,llama,qwen3} runs/…
 */
import assert from 'node:assert'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { tokenizerFromDescription } = await import('../../dist/data/index.js')
const { createBackend } = await import('../../dist/engine/index.js')
const { openPretrained, tokenizerToWrite, writeGgufModel } = await import('../../dist/exchange/index.js')
const { findModel } = await import('../../dist/models/index.js')
const { createDecoder } = await import('../../dist/train/decoder.js')
const { loadPretrained } = await import('../../dist/train/pretrained.js')

/**
 * Largest difference of logits, as a share of the largest logit; llama.cpp rounds operands to the file's type, and reads
 * GELU from a table of F16 numbers.
 */
const TOLERANCE = { F32: 1e-3, F16: 2e-3, BF16: 2e-2 }
const COUNT = 24
const TEXTS = ['the whale and the sea', 'naïve  café,\n\n\tit’s 日本語 🦙 1234', " it's  you'll 've ", '']

const [prefix, ...paths] = process.argv.slice(2)
const entry = createRequire(pathToFileURL(join(prefix, 'x.js'))).resolve('node-llama-cpp')
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(entry))
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.disabled })
const { AddonModel, AddonContext, AddonSampler } = llama._bindings

/** Logits after each of the ids, one id at a time as in decoding, with nothing but the weights in less than F32. */
async function theirLogits(model, ids, vocab) {
  const context = new AddonContext(model, {
    contextSize: 256,
    batchSize: 64,
    sequences: 1,
    threads: 1,
    kvCacheKeyType: 0,
    kvCacheValueType: 0,
    flashAttention: false,
  })
  assert(await context.init())
  const sampler = new AddonSampler(model)
  sampler.applyConfig({ temperature: 0 })
  const rows = []
  for (const [at, id] of ids.entries()) {
    context.initBatch(1)
    const [index] = context.addToBatch(0, at, Uint32Array.of(id), Uint32Array.of(0))
    await context.decodeBatch()
    const [, , , found] = await context.sampleToken(index, sampler, false, false, true, false)
    const row = new Float32Array(vocab)
    for (let i = 0; i < found.length; i += 2) row[found[i]] = found[i + 1]
    rows.push(row)
  }
  await context.dispose()
  return rows
}

function ourLogits(source, ids) {
  const backend = createBackend({})
  const { model, parameters } = source
  loadPretrained(backend, source)
  const decoder = createDecoder(backend, { model: findModel(model.architecture), config: model, parameters })
  const rows = ids.map((_, i) => Float32Array.from(decoder.logitsAfter(ids.slice(0, i + 1))))
  backend.dispose()
  return rows
}

function likeliest(row) {
  return row.reduce((best, value, id) => (value > row[best] ? id : best), 0)
}

/** llama.cpp cleans up what it prints: it drops the space that SentencePiece puts first, and those before contractions. */
function cleaned(text) {
  return text.trimStart().replaceAll(" '", "'")
}

async function compareTexts(record, model, name) {
  if (record === null || record.name === 'ids') return 'no tokenizer'
  const tokenizer = await tokenizerFromDescription(record)
  let compared = 0
  for (const text of TEXTS) {
    let ours
    try {
      ours = [...tokenizer.encode(text)]
    } catch {
      continue // characters that the vocabulary lacks
    }
    const theirs = [...model.tokenize(text, false)]
    assert.deepStrictEqual(theirs, ours, `${name}: ${JSON.stringify(text)}`)
    assert.strictEqual(cleaned(model.detokenize(Uint32Array.from(ours), true)), cleaned(text), name)
    compared += 1
  }
  const end = tokenizer.end === null ? 'no end' : `end ${tokenizer.end} ${model.isEogToken(tokenizer.end)}`
  const begin = model.shouldPrependBosToken() ? `begins with ${model.tokenBos()}` : 'no beginning'
  assert.strictEqual(model.shouldPrependBosToken(), tokenizer.begin.length > 0, name)
  assert(tokenizer.end === null || model.isEogToken(tokenizer.end), name)
  const ends = Array.from({ length: tokenizer.vocab }, (_, id) => id).filter((id) => model.isEogToken(id))
  return `${tokenizer.name}: ${compared} texts alike, ${begin}, ${end}, ends ${ends.join(' ') || 'none'}`
}

const folder = mkdtempSync(join(tmpdir(), 'halflife-gguf-'))
for (const path of paths) {
  const source = await openPretrained(path)
  const { vocab, context } = source.model
  const ids = Array.from({ length: Math.min(COUNT, context) }, (_, i) => (7 * i * i + 3 * i + 1) % vocab)
  const ours = ourLogits(source, ids)
  const largest = Math.max(...ours.map((row) => Math.max(...row.map(Math.abs))))
  for (const dtype of ['F32', 'F16', 'BF16']) {
    const file = join(folder, `${basename(path)}.gguf`)
    writeGgufModel(source, file, { dtype, tokenizer: await tokenizerToWrite(source) })
    const model = new AddonModel(file, { gpuLayers: 0 })
    assert(await model.init(), `${path} is not loaded`)
    const theirs = await theirLogits(model, ids, vocab)
    const error = Math.max(...ours.map((row, i) => Math.max(...row.map((v, id) => Math.abs(v - theirs[i][id])))))
    const same = ours.filter((row, i) => likeliest(row) === likeliest(theirs[i])).length
    const about = `${path} ${dtype}: logits of ${ids.length} ids to ${(error / largest).toExponential(1)}, likeliest alike ${same}`
    assert(error / largest <= TOLERANCE[dtype], about)
    assert(dtype !== 'F32' || same === ids.length, about)
    console.log(`${about}${dtype === 'F32' ? `; ${await compareTexts(source.tokenizer, model, path)}` : ''}`)
    await model.dispose()
    rmSync(file)
  }
  source.close()
}
rmSync(folder, { recursive: true })
process.exit(0)
